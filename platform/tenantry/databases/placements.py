"""Where tenants' data is: a placement is a database server with a name, and a tenant lives on one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Protocol

from tenantry.databases.sqlite import site_database

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from tenantry.settings import Settings
    from tenantry.tenant import Tenant

Kind = Literal["sqlite", "postgresql"]


class TenantDatabase(Protocol):
    """One tenant's own database, whatever kind of server holds it."""

    @property
    def kind(self) -> Kind:
        """The kind of server."""

    def exists(self) -> bool:
        """Say whether it has been made."""

    def create(self) -> None:
        """Make it, empty, if it is not there."""

    def drop(self) -> None:
        """Destroy it with all that is in it; what is not there is no error."""

    def open_engine(self) -> Engine:
        """Return an engine confined to it. The caller disposes of it."""

    def size(self) -> int:
        """Return how many octets it takes."""

    def check(self) -> str | None:
        """Look whether it is sound; return what is wrong."""


def tenant_database(tenant: Tenant, settings: Settings) -> TenantDatabase:
    """Return the tenant's database, on the placement that it lives on."""
    return site_database(tenant, settings)
