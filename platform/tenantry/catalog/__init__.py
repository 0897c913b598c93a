"""The catalog: the system of record for tenants, hosts, accounts and the audit trail.

Every method is one short transaction and returns plain values, so callers never hold a session, a lazy
attribute or an open connection. Whatever changes a tenant also numbers the change and writes an audit
event, in the same transaction.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenantry.catalog import schema
from tenantry.catalog.account_changes import AccountChanges
from tenantry.catalog.accounts import (
    Accounts,
    canonical_email,
    check_account_password,
    setup_lifetime,
)
from tenantry.catalog.anchor import AuditAnchor
from tenantry.catalog.announcements import Announcements
from tenantry.catalog.api_replies import ApiReplies
from tenantry.catalog.api_tokens import ApiTokens
from tenantry.catalog.audit import Audit
from tenantry.catalog.backups import BackupFilter, Backups
from tenantry.catalog.change_feed import ChangeFeed
from tenantry.catalog.custom_hosts import CustomHosts
from tenantry.catalog.front_pages import FrontPages
from tenantry.catalog.host_checks import HostChecks
from tenantry.catalog.invitations import Invitations
from tenantry.catalog.job_sites import JobSites
from tenantry.catalog.jobs import Jobs
from tenantry.catalog.links import Links
from tenantry.catalog.listings import EventFilter, Listings, TenantFilter
from tenantry.catalog.mails import Mails
from tenantry.catalog.memberships import Memberships
from tenantry.catalog.names import Names
from tenantry.catalog.nodes import Nodes
from tenantry.catalog.provisioning import Provisioning
from tenantry.catalog.purges import Purges
from tenantry.catalog.relocations import Relocations
from tenantry.catalog.runs import Runs
from tenantry.catalog.scans import Scans
from tenantry.catalog.second_factors import SecondFactors
from tenantry.catalog.sessions import Sessions
from tenantry.catalog.sign_ups import NewOwner, SignUps
from tenantry.catalog.signal import ChangeSignal
from tenantry.catalog.slices import COUNTED, Slice
from tenantry.catalog.store import Store
from tenantry.catalog.tenant_schemas import TenantSchemas
from tenantry.catalog.tenants import Tenants
from tenantry.catalog.values import (
    SYSTEM,
    Account,
    AccountSession,
    Actor,
    Announcement,
    ApiToken,
    AuditCheck,
    AuditEvent,
    AuditPoint,
    Changes,
    DeliveryState,
    FormerName,
    Host,
    HostProof,
    HostState,
    Invitation,
    Job,
    JobLine,
    JobSite,
    JobState,
    Mail,
    MailState,
    NewestBackup,
    NewJob,
    Node,
    Page,
    Passkey,
    Role,
    Run,
    RunState,
    SiteState,
    Step,
    StepState,
    TenantRow,
    Webhook,
    WebhookDelivery,
)
from tenantry.catalog.webhooks import Webhooks
from tenantry.errors import CatalogUnavailableError
from tenantry.files.disk import explain

if TYPE_CHECKING:
    from tenantry.settings import Settings


class Catalog:
    """The whole catalog: one store, and an object for each subject.

    :param domain: The platform's domain; nobody can claim a host under it.
    :param backend_host: The operators' own host, if there is one; nobody can claim that either.
    """

    def __init__(self, store: Store, *, domain: str, backend_host: str = "") -> None:
        self.store = store
        self.changes = ChangeFeed(store)
        self.names = Names(store, domain=domain, backend_host=backend_host)
        self.tenants = Tenants(store, self.names)
        self.provisioning = Provisioning(store)
        self.hosts = CustomHosts(store, domain=domain, backend_host=backend_host)
        self.host_checks = HostChecks(store)
        self.accounts = Accounts(store)
        self.account_changes = AccountChanges(store)
        self.second_factors = SecondFactors(store)
        self.sign_ups = SignUps(store)
        self.memberships = Memberships(store)
        self.invitations = Invitations(store)
        self.sessions = Sessions(store)
        self.links = Links(store)
        self.api_tokens = ApiTokens(store)
        self.api_replies = ApiReplies(store)
        self.schemas = TenantSchemas(store)
        self.runs = Runs(store)
        self.relocations = Relocations(store)
        self.purges = Purges(store)
        self.jobs = Jobs(store)
        self.job_sites = JobSites(store, self.jobs)
        self.mails = Mails(store, self.jobs)
        self.audit = Audit(store)
        self.announcements = Announcements(store)
        self.backups = Backups(store)
        self.listings = Listings(store)
        self.nodes = Nodes(store)
        self.front_pages = FrontPages(store)
        self.webhooks = Webhooks(store)
        self.scans = Scans(store)

    def upgrade(self) -> None:
        """Bring the catalog's schema to this release's revision; what is there already stays."""
        schema.upgrade(self.store.engine)

    def check_schema(self) -> str:
        """Make sure that this release can use the catalog, and return the revision that it is at.

        :raises CatalogNotReadyError: It is older, or a newer one that this release cannot use.
        """
        return schema.check(self.store.engine)

    def close(self) -> None:
        """Give up what it holds; doing it again changes nothing."""
        self.store.close()


def open_catalog(settings: Settings) -> Catalog:
    """Return the deployment's catalog; it connects at first use.

    :raises CatalogUnavailableError: Its place cannot be used, or the file by which workers are told.
    """
    try:
        store = Store(
            settings.catalog_url,
            signal=ChangeSignal(settings.run_dir / "epoch"),
            anchor=AuditAnchor(settings.data_dir / "audit.anchor"),
        )
    except OSError as error:
        problem = explain(error) or f"{error.filename}: {error.strerror}"
        raise CatalogUnavailableError(problem.removesuffix(".")) from error
    return Catalog(store, domain=settings.domain, backend_host=settings.backend_host)


__all__ = [
    "COUNTED",
    "SYSTEM",
    "Account",
    "AccountSession",
    "Actor",
    "Announcement",
    "ApiToken",
    "AuditCheck",
    "AuditEvent",
    "AuditPoint",
    "BackupFilter",
    "Catalog",
    "ChangeSignal",
    "Changes",
    "DeliveryState",
    "EventFilter",
    "FormerName",
    "Host",
    "HostProof",
    "HostState",
    "Invitation",
    "Job",
    "JobLine",
    "JobSite",
    "JobState",
    "Listings",
    "Mail",
    "MailState",
    "NewJob",
    "NewOwner",
    "NewestBackup",
    "Node",
    "Page",
    "Passkey",
    "Role",
    "Run",
    "RunState",
    "SiteState",
    "Slice",
    "Step",
    "StepState",
    "Store",
    "TenantFilter",
    "TenantRow",
    "Webhook",
    "WebhookDelivery",
    "canonical_email",
    "check_account_password",
    "open_catalog",
    "setup_lifetime",
]
