"""Describes a PostgreSQL schema as the statements that create it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sqlalchemy import Connection

# In all queries THIS_SCHEMA stands for the current schema; pg_catalog is searched before it.

_BEYOND = [
    """SELECT 1 FROM pg_class WHERE relnamespace = THIS_SCHEMA AND (relkind NOT IN ('r', 'i', 'S')
        OR relrowsecurity OR relhassubclass OR relispartition OR reloptions IS NOT NULL
        OR relpersistence <> 'p' OR relacl IS NOT NULL OR relreplident NOT IN ('d', 'n'))""",
    "SELECT 1 FROM pg_proc WHERE pronamespace = THIS_SCHEMA",
    """SELECT 1 FROM pg_type t LEFT JOIN pg_class c ON c.oid = t.typrelid
        WHERE t.typnamespace = THIS_SCHEMA AND (t.typtype NOT IN ('c', 'b') OR c.relkind = 'c')""",
    """SELECT 1 FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
        WHERE c.relnamespace = THIS_SCHEMA AND NOT t.tgisinternal""",
    """SELECT 1 FROM pg_rewrite r JOIN pg_class c ON c.oid = r.ev_class
        WHERE c.relnamespace = THIS_SCHEMA""",
    "SELECT 1 FROM pg_statistic_ext WHERE stxnamespace = THIS_SCHEMA",
    """SELECT 1 FROM pg_description d JOIN pg_class c ON c.oid = d.objoid
        AND d.classoid = 'pg_class'::regclass WHERE c.relnamespace = THIS_SCHEMA""",
    """SELECT 1 FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
        WHERE c.relnamespace = THIS_SCHEMA AND c.relkind = 'r'
        AND (a.attgenerated NOT IN ('', 's') OR a.attidentity <> '' OR a.attacl IS NOT NULL)""",
]
"""What is found by one of these is more than the statements below can tell."""

_SEQUENCES = """
    SELECT format('CREATE SEQUENCE %I AS %s INCREMENT %s MINVALUE %s MAXVALUE %s START %s CACHE %s%s',
        c.relname, s.seqtypid::regtype, s.seqincrement, s.seqmin, s.seqmax, s.seqstart, s.seqcache,
        CASE WHEN s.seqcycle THEN ' CYCLE' ELSE '' END)
    FROM pg_sequence s JOIN pg_class c ON c.oid = s.seqrelid
    WHERE c.relnamespace = THIS_SCHEMA ORDER BY c.relname"""

_TABLES = """
    SELECT format('CREATE TABLE %I (%s)', c.relname, (
        SELECT string_agg(format('%I %s%s%s%s', a.attname, format_type(a.atttypid, a.atttypmod),
            CASE WHEN a.attcollation <> t.typcollation THEN format(' COLLATE %I', l.collname)
                ELSE '' END,
            coalesce(CASE a.attgenerated WHEN 's' THEN ' GENERATED ALWAYS AS ('
                || replace(pg_get_expr(d.adbin, d.adrelid), current_schema() || '.', '')
                || ') STORED' ELSE ' DEFAULT ' || pg_get_expr(d.adbin, d.adrelid) END, ''),
            CASE WHEN a.attnotnull THEN ' NOT NULL' ELSE '' END), ', ' ORDER BY a.attnum)
        FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
        LEFT JOIN pg_collation l ON l.oid = a.attcollation
        LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
        WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped))
    FROM pg_class c WHERE c.relnamespace = THIS_SCHEMA AND c.relkind = 'r' ORDER BY c.relname"""

_OWNERS = """
    SELECT format('ALTER SEQUENCE %I OWNED BY %I.%I', s.relname, t.relname, a.attname)
    FROM pg_depend d JOIN pg_class s ON s.oid = d.objid AND s.relkind = 'S'
    JOIN pg_class t ON t.oid = d.refobjid
    JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = d.refobjsubid
    WHERE s.relnamespace = THIS_SCHEMA AND d.deptype = 'a' AND d.classid = 'pg_class'::regclass
    ORDER BY s.relname"""

# Others refer to keys, so that those come last; "not null" stands at its column.
_CONSTRAINTS = """
    SELECT format('ALTER TABLE %I ADD CONSTRAINT %I %s', c.relname, n.conname,
        pg_get_constraintdef(n.oid))
    FROM pg_constraint n JOIN pg_class c ON c.oid = n.conrelid
    WHERE c.relnamespace = THIS_SCHEMA AND n.contype <> 'n'
    ORDER BY n.contype = 'f', c.relname, n.conname"""

# The name of the schema is 34 characters that stand nowhere else.
_INDEXES = """
    SELECT replace(pg_get_indexdef(i.indexrelid), current_schema() || '.', '')
    FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
    WHERE c.relnamespace = THIS_SCHEMA
    AND NOT EXISTS (SELECT 1 FROM pg_constraint n WHERE n.conindid = c.oid AND n.contype <> 'f')
    ORDER BY c.relname"""

_ROWS = """
    SELECT format('SELECT format(%L, %s) FROM %I', format('INSERT INTO %I (%s) VALUES (%s)',
            replace(c.relname, '%', '%%'),
            string_agg(replace(quote_ident(a.attname), '%', '%%'), ', ' ORDER BY a.attnum),
            string_agg('%L', ', ' ORDER BY a.attnum)),
        string_agg(format('%I', a.attname), ', ' ORDER BY a.attnum), c.relname)
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
    WHERE c.relnamespace = THIS_SCHEMA AND c.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped
        AND a.attgenerated = ''
    GROUP BY c.relname ORDER BY c.relname"""
"""Answers with queries, of which each answers with a table's rows as statements."""

_POSITIONS = """
    SELECT format('SELECT format(''SELECT setval(%%L, %%s)'', %L, last_value) FROM %I
        WHERE is_called', quote_ident(c.relname), c.relname)
    FROM pg_class c WHERE c.relnamespace = THIS_SCHEMA AND c.relkind = 'S' ORDER BY c.relname"""
"""The same of sequences that have begun."""


def describe(connection: Connection) -> list[str] | None:
    """Return the statements that make the current schema with its rows; ``None`` if none could.

    Tables, generated columns, sequences, constraints, indexes and rows can be told. Views, functions,
    triggers, types, partitions, policies, identities and comments cannot.
    """
    driver: Any = connection.connection.driver_connection

    def ask(query: str) -> list[str]:
        here = query.replace("THIS_SCHEMA", "to_regnamespace(current_schema())")
        return [row[0] for row in driver.execute(here.encode())]

    if any(ask(query) for query in _BEYOND):
        return None
    made = [*ask(_SEQUENCES), *ask(_TABLES), *ask(_OWNERS)]
    filled = [
        row for question in (_ROWS, _POSITIONS) for query in ask(question) for row in ask(query)
    ]
    return [*made, *filled, *ask(_CONSTRAINTS), *ask(_INDEXES)]
