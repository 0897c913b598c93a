"""Engines that an app makes by itself to reach its tenant's schema on a PostgreSQL server.

The URL that the app reads in ``SQLALCHEMY_DATABASE_URI`` signs in as the tenant's own role, which the
server confines. Where tenants share the platform's login there is no such URL.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from sqlalchemy import event
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg

from tenantry.databases.binding import NAME
from tenantry.databases.servers import SERVERS
from tenantry.errors import ConfinementError
from tenantry.values.placement import NOWHERE

if TYPE_CHECKING:
    from tenantry.databases.servers import Server


def app_url(server: Server, role: str) -> str:
    """Return what an app passes to ``create_engine`` to reach its tenant's schema.

    There is no percent sign in it: apps pass it on to ``ConfigParser``, which reads those as its own.
    """
    if server.logins is None:
        return f"postgresql+psycopg://{NOWHERE}/"
    url = server.url
    options = {**url.query, "options": f"-csearch_path={role}"}
    query = "&".join(
        f"{name}={quote(str(value), safe='/:,=-_')}" for name, value in options.items()
    )
    host = f"[{url.host}]" if ":" in (url.host or "") else url.host or ""
    port = f":{url.port}" if url.port else ""
    password = server.logins.password_of(role)
    return f"postgresql+psycopg://{role}:{password}@{host}{port}/{url.database}?{query}"


@event.listens_for(PGDialect_psycopg, "do_connect")
def _sign_in(dialect: Any, _record: Any, arguments: Any, options: dict[str, Any]) -> Any:
    if options.get("host") == NOWHERE:
        problem = (
            "the tenants of this placement have no login of their own, so an app's own engine cannot "
            "be confined to one; set the placement's `login` to `own`, or use Flask-SQLAlchemy"
        )
        raise ConfinementError(problem)
    role = str(options.get("user", ""))
    if not NAME.match(role):
        return None  # SQLAlchemy connects
    try:
        return dialect.connect(*arguments, **options)
    except dialect.loaded_dbapi.OperationalError:
        # The role may still have the password of an older secret key.
        if not SERVERS.renew_login(role, database=str(options.get("dbname", ""))):
            raise
        return dialect.connect(*arguments, **options)
