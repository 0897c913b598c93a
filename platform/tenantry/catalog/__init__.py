"""The catalog: the system of record of tenants, hosts, accounts and what was done to them.

Every method is one short transaction and returns plain values, so callers never hold a session, a lazy
attribute or an open connection. Whatever changes a tenant also numbers the change and writes an audit
event, in the same transaction.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenantry.catalog.accounts import (
    Accounts,
    canonical_email,
    check_account_password,
    setup_lifetime,
)
from tenantry.catalog.activation import Activation
from tenantry.catalog.anchor import AuditAnchor
from tenantry.catalog.audit import Audit
from tenantry.catalog.custom_hosts import CustomHosts
from tenantry.catalog.engine import open_engine
from tenantry.catalog.maintenance import Maintenance
from tenantry.catalog.moving import Moving
from tenantry.catalog.ownership import Ownership
from tenantry.catalog.purging import Purging
from tenantry.catalog.runs import Runs
from tenantry.catalog.sessions import Sessions
from tenantry.catalog.signal import ChangeSignal
from tenantry.catalog.tenants import Tenants
from tenantry.catalog.values import (
    SYSTEM,
    Account,
    AccountSession,
    Actor,
    AuditCheck,
    AuditEvent,
    AuditPoint,
    Changes,
    FormerName,
    Host,
    HostProof,
    HostState,
    Page,
    Role,
    Run,
    RunState,
    Step,
    StepState,
    TenantRow,
)
from tenantry.errors import CatalogUnavailableError
from tenantry.files.disk import explain

if TYPE_CHECKING:
    from tenantry.settings import Settings


class Catalog(
    Tenants,
    CustomHosts,
    Accounts,
    Sessions,
    Ownership,
    Maintenance,
    Activation,
    Runs,
    Moving,
    Purging,
    Audit,
):
    """The whole catalog behind one name."""


def open_catalog(settings: Settings) -> Catalog:
    """Return the deployment's catalog; it connects at first use.

    :raises CatalogUnavailableError: Its place cannot be used, or the file by which workers are told.
    """
    try:
        return Catalog(
            open_engine(settings.catalog_url),
            domain=settings.domain,
            backend_host=settings.backend_host,
            signal=ChangeSignal(settings.run_dir / "epoch"),
            anchor=AuditAnchor(settings.data_dir / "audit.anchor"),
        )
    except OSError as error:
        problem = explain(error) or f"{error.filename}: {error.strerror}"
        raise CatalogUnavailableError(problem) from error


__all__ = [
    "SYSTEM",
    "Account",
    "AccountSession",
    "Actor",
    "AuditCheck",
    "AuditEvent",
    "AuditPoint",
    "Catalog",
    "ChangeSignal",
    "Changes",
    "FormerName",
    "Host",
    "HostProof",
    "HostState",
    "Page",
    "Role",
    "Run",
    "RunState",
    "Step",
    "StepState",
    "TenantRow",
    "canonical_email",
    "check_account_password",
    "open_catalog",
    "setup_lifetime",
]
