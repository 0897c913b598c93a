"""A tenant that plants what its schema can hold under the names that the platform's queries use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import psycopg

OBSERVER = """
CREATE SEQUENCE IF NOT EXISTS public.ran_as_platform;
CREATE SEQUENCE IF NOT EXISTS public.ran_as_tenant;
CREATE TABLE IF NOT EXISTS public.ran (what text, who name, login name);
GRANT USAGE ON SEQUENCE public.ran_as_platform, public.ran_as_tenant TO PUBLIC;
GRANT INSERT ON public.ran TO PUBLIC;
CREATE OR REPLACE FUNCTION public.note(what text) RETURNS void LANGUAGE plpgsql SET search_path = ''
AS $body$
DECLARE is_tenant CONSTANT bool := pg_catalog.starts_with(session_user::text, 't_');
BEGIN
    IF pg_catalog.current_setting('transaction_read_only') = 'on' THEN
        IF NOT is_tenant THEN
            RAISE EXCEPTION '% ran as % of %', what, current_user, session_user;
        END IF;
    ELSE
        PERFORM pg_catalog.nextval('public.ran_as_' ||
            CASE WHEN is_tenant THEN 'tenant' ELSE 'platform' END);
        INSERT INTO public.ran VALUES (what, current_user, session_user);
    END IF;
END
$body$
"""
"""A sequence outlasts a transaction that is rolled back; the table says more where one is not."""

_OPERATORS = """
DO $do$
DECLARE
    types CONSTANT text[] := ARRAY['oid', 'regclass', 'regnamespace', 'regrole', 'name', 'text',
        'varchar', '"char"'];
    a text; b text; op text; number int := 0;
BEGIN
    FOREACH a IN ARRAY types LOOP FOREACH b IN ARRAY types LOOP
        FOREACH op IN ARRAY ARRAY['=', '<>', '||', '~~'] LOOP
            CONTINUE WHEN EXISTS (SELECT FROM pg_catalog.pg_operator WHERE oprname = op
                AND oprleft = a::pg_catalog.regtype AND oprright = b::pg_catalog.regtype
                AND oprnamespace = 'pg_catalog'::pg_catalog.regnamespace);
            number := number + 1;
            EXECUTE pg_catalog.format('CREATE FUNCTION planted_%s(%s, %s) RETURNS %s LANGUAGE plpgsql '
                'IMMUTABLE SET search_path = '''' AS $f$BEGIN PERFORM public.note(%L); '
                'RETURN $1::text %s $2::text; END$f$', number, a, b,
                CASE op WHEN '||' THEN 'text' ELSE 'bool' END, op || ' on ' || a || ', ' || b, op);
            EXECUTE pg_catalog.format('CREATE OPERATOR %s (LEFTARG = %s, RIGHTARG = %s, '
                'FUNCTION = planted_%s)', op, a, b, number);
        END LOOP;
    END LOOP; END LOOP;
END
$do$
"""
"""For each pair of types for which the server itself has no operator: what fits exactly is chosen."""

_FUNCTIONS = """
DO $do$
DECLARE
    types CONSTANT text[] := ARRAY['oid', 'regclass', 'regnamespace', 'regrole', 'name', 'varchar',
        'bool'];
    singles CONSTANT text[] := ARRAY['quote_ident', 'quote_literal', 'to_regnamespace', 'to_regrole',
        'to_regclass', 'pg_total_relation_size', 'lo_unlink', 'count', 'sum', 'max',
        'pg_advisory_xact_lock', 'format', 'concat', 'pg_get_indexdef', 'pg_get_constraintdef',
        'pg_table_is_visible', 'has_schema_privilege', 'aclexplode', 'current_setting', 'nextval'];
    doubles CONSTANT text[] := ARRAY['starts_with', 'obj_description', 'format', 'format_type',
        'pg_has_role', 'hashtextextended', 'setval', 'pg_get_expr', 'string_agg', 'replace',
        'set_config', 'has_database_privilege', 'has_schema_privilege'];
    f text; a text; b text;
BEGIN
    FOREACH a IN ARRAY types LOOP
        FOREACH f IN ARRAY singles LOOP
            EXECUTE pg_catalog.format('CREATE FUNCTION %I(%s) RETURNS text LANGUAGE plpgsql STABLE '
                'SET search_path = '''' AS $f$BEGIN PERFORM public.note(%L); RETURN $1::text; END$f$',
                f, a, f || ' on ' || a);
        END LOOP;
        FOREACH b IN ARRAY ARRAY['oid', 'name', 'text', 'bool'] LOOP FOREACH f IN ARRAY doubles LOOP
            EXECUTE pg_catalog.format('CREATE FUNCTION %I(%s, %s) RETURNS text LANGUAGE plpgsql '
                'STABLE SET search_path = '''' AS $f$BEGIN PERFORM public.note(%L); '
                'RETURN $1::text; END$f$', f, a, b, f || ' on ' || a || ', ' || b);
        END LOOP; END LOOP;
    END LOOP;
END
$do$
"""
_OTHERS = """
CREATE TYPE kind AS ENUM ('one');
CREATE FUNCTION as_text(kind) RETURNS text LANGUAGE plpgsql SET search_path = ''
    AS $f$BEGIN PERFORM public.note('cast'); RETURN 'one'; END$f$;
CREATE CAST (kind AS text) WITH FUNCTION as_text(kind) AS IMPLICIT;
CREATE FUNCTION noting() RETURNS bool LANGUAGE plpgsql SET search_path = ''
    AS $f$BEGIN PERFORM public.note('view'); RETURN true; END$f$;
CREATE FUNCTION on_write() RETURNS trigger LANGUAGE plpgsql SET search_path = ''
    AS $f$BEGIN PERFORM public.note('trigger'); RETURN NEW; END$f$;
CREATE TRIGGER planted BEFORE INSERT OR UPDATE ON people FOR EACH ROW EXECUTE FUNCTION on_write();
CREATE TRIGGER emptied BEFORE TRUNCATE OR DELETE ON people EXECUTE FUNCTION on_write();
"""
_VIEWS = (
    *(
        "pg_class",
        "pg_namespace",
        "pg_roles",
        "pg_authid",
        "pg_shdepend",
        "pg_largeobject_metadata",
    ),
    *("pg_database", "pg_proc", "pg_constraint", "pg_depend", "pg_settings", "pg_description"),
)


class Observer:
    """What ran in whose session, as the server itself has counted it."""

    def __init__(self, superuser: psycopg.Connection[Any]) -> None:
        self._superuser = superuser
        superuser.execute(OBSERVER)
        superuser.execute("ALTER SEQUENCE public.ran_as_platform RESTART")
        superuser.execute("ALTER SEQUENCE public.ran_as_tenant RESTART")
        superuser.execute("TRUNCATE public.ran")

    def close(self) -> None:
        """Remove what counts."""
        self._superuser.execute(
            "DROP SEQUENCE public.ran_as_platform, public.ran_as_tenant CASCADE; "
            "DROP TABLE public.ran CASCADE; DROP FUNCTION public.note(text) CASCADE"
        )

    def plant(self, name: str) -> None:
        """Plant all in the schema of a tenant, in its own role."""
        planted = (
            _OPERATORS,
            _FUNCTIONS,
            *filter(str.strip, _OTHERS.split(";\n")),
            *(f"CREATE VIEW {view} AS SELECT noting()" for view in _VIEWS),
            "SELECT lo_create(0)",
        )
        self._superuser.execute(f"SET SESSION AUTHORIZATION {name}".encode())
        self._superuser.execute(f"SET search_path = {name}".encode())
        try:
            for statement in planted:
                self._superuser.execute(statement.encode())
        finally:
            self._superuser.execute("RESET search_path")
            self._superuser.execute("RESET SESSION AUTHORIZATION")

    def ran(self, whose: str) -> bool:
        """Say whether anything planted has run in the sessions of ``platform`` or ``tenant``."""
        query = f"SELECT is_called FROM public.ran_as_{whose}"  # noqa: S608 - one of two words
        found = self._superuser.execute(query.encode()).fetchone()
        return bool(found and found[0])

    def seen(self) -> list[Any]:
        """Return what was noted of the platform's sessions."""
        query = "SELECT DISTINCT what, who FROM public.ran WHERE login::text NOT LIKE 't\\_%'"
        return self._superuser.execute(query).fetchall()
