"""The catalog's parameters and results: immutable values, never rows."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tenantry.values.tenant import Tenant

T = TypeVar("T")

Role = Literal["owner", "staff"]

HostProof = Literal["operator", "dns"]
"""How a custom host was verified: an operator said so, or its DNS did."""


@dataclass(frozen=True, slots=True)
class Actor:
    """Who asks for a change, for the audit trail."""

    kind: Literal["operator", "owner", "cli", "system", "visitor"]
    label: str
    account_id: str | None = None
    ip: str | None = None
    request_id: str | None = None


SYSTEM = Actor("system", "tenantry")


@dataclass(frozen=True, slots=True)
class Account:
    """A person with access to the platform: an operator, an owner, staff of a site."""

    id: str
    email: str
    name: str
    operator: bool
    has_password: bool
    created_at: datetime
    confirmed_at: datetime | None = None
    """When its holder proved that the address is theirs, by a link in a mail."""
    pending_email: str = ""
    """An address that is not confirmed: of a sign-up, or of a change of address."""
    pending_confirmed: str = ""
    """Which side of a change of address is confirmed: ``old``, ``new`` or neither."""
    language: str = ""
    time_zone: str = ""
    terms_version: str = ""
    """The version of the terms that its holder has accepted."""
    second_factor: bool = False
    """Whether a password alone does not sign in."""

    @property
    def is_provisional(self) -> bool:
        """Whether it has no address of its own, because another account has the one it typed."""
        return self.email.endswith(f"@{PROVISIONAL}")

    @property
    def shown_email(self) -> str:
        """The address that its holder knows it by."""
        return self.pending_email if self.is_provisional else self.email


PROVISIONAL = "provisional.invalid"
"""The domain of placeholders that stand for an address which another account has (RFC 2606)."""


@dataclass(frozen=True, slots=True)
class Passkey:
    """A passkey of an account: the public half of a key that a device keeps (WebAuthn)."""

    id: str
    """The credential's id, in base64url."""
    account_id: str
    public_key: str
    """COSE, in base64url."""
    sign_count: int
    name: str
    created_at: datetime
    used_at: datetime | None


InvitationRole = Literal["owner", "staff", "transfer", "signup"]
"""What an invitation offers: a role at a site, sole ownership of it, or a sign-up."""


@dataclass(frozen=True, slots=True)
class Invitation:
    """An invitation of an address, which works once and expires."""

    hash: str
    """The SHA-256 of its token; names it in lists."""
    tenant_id: str | None
    email: str
    role: InvitationRole
    invited_by: str
    invited_by_id: str | None
    created_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class AccountSession:
    """A session of an account: one browser, on the platform's own host or on one tenant's."""

    id: str
    account_id: str
    tenant_id: str | None
    """Where it counts; ``None`` for the platform's own host."""
    as_operator: bool
    """Whether an operator visits the tenant with it."""
    device: str
    network: str
    created_at: datetime
    seen_at: datetime
    """When it was last used, to within some minutes."""
    expires_at: datetime
    proved_at: datetime
    """When its holder last proved who they are, with a password or a passkey."""


@dataclass(frozen=True, slots=True)
class ApiToken:
    """A token with which a program uses the API in an account's name, without its secret."""

    id: str
    name: str
    account_id: str
    tenant_id: str | None
    """The one site that it is for; ``None`` for the whole platform."""
    scopes: tuple[str, ...]
    created_at: datetime
    expires_at: datetime
    used_at: datetime | None
    """When it was last used, to within some minutes."""

    @property
    def is_expired(self) -> bool:
        """Whether its time is over."""
        return self.expires_at <= datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Webhook:
    """Where events of a site are sent, or those of all sites."""

    id: str
    tenant_id: str | None
    """The one site whose events it tells; ``None`` for all sites."""
    url: str
    events: tuple[str, ...]
    """The types that it tells; none stands for all."""
    sealed_secret: str
    is_on: bool
    problem: str
    """Why it was turned off, or what its last message met; empty if that was accepted."""
    failing_since: datetime | None
    """Since when no message was accepted."""
    rests_until: datetime | None
    """Until when nothing is sent, as a message was not accepted a moment ago."""
    missed: int
    """Events that it was not told, as too many messages waited."""
    created_at: datetime


class DeliveryState(StrEnum):
    """What has become of a webhook's message."""

    WAITING = "waiting"
    ACCEPTED = "accepted"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class WebhookDelivery:
    """A message of a webhook, and what became of it."""

    id: str
    webhook_id: str
    type: str
    body: str
    state: DeliveryState
    attempts: int
    status: int | None
    """The HTTP status of the last answer."""
    problem: str
    created_at: datetime
    tried_at: datetime | None


@dataclass(frozen=True, slots=True)
class ApiReply:
    """What the API answered to a call, to be answered again."""

    status: int
    headers: Mapping[str, str]
    body: str


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """One line of the audit trail."""

    number: int
    at: datetime
    actor_kind: str
    actor: str
    action: str
    tenant_id: str | None
    tenant_slug: str | None
    detail: Mapping[str, Any]
    ip: str | None
    request_id: str | None
    hash: str
    """SHA-256 over the previous event's hash and this event (R58)."""


@dataclass(frozen=True, slots=True)
class AuditPoint:
    """An event of the audit trail by its number and hash; the hash stands for all before it, too."""

    number: int
    hash: str


@dataclass(frozen=True, slots=True)
class AuditCheck:
    """What a look at the audit trail has found."""

    newest: AuditPoint
    """The last event, or the last good one; number 0 before the first."""
    anchor: AuditPoint | None
    """What the anchor outside of the table has seen; ``None`` if there is no anchor."""
    checked: int = 0
    """Events whose hashes were followed."""
    first_bad: int | None = None
    """The number of the first event that is wrong or missing."""
    problem: str = ""
    """What is wrong, in a sentence."""


@dataclass(frozen=True, slots=True)
class TenantRow:
    """A tenant as the operators' table shows it."""

    tenant: Tenant
    created_at: datetime
    owners: tuple[str, ...]
    reason: str = ""
    """Why it is in its state, in the operator's words."""
    purge_at: datetime | None = None
    """When a deleted tenant may be purged; it can come back until then."""
    purged_at: datetime | None = None
    """When its data were gone."""
    former_placement: str = ""
    """Where its old copy is, after it has moved; empty if there is none."""
    moving_to: str = ""
    """Where it is being moved to, or was when that was interrupted; empty otherwise."""
    schema_revision: str = ""
    """Its database's, as far as the catalog knows."""

    @property
    def is_due(self) -> bool:
        """Whether its purge date is over, so that it cannot come back."""
        return self.purge_at is not None and self.purge_at <= datetime.now(UTC)

    @property
    def purge_date(self) -> str:
        """The purge date for people; empty if there is none."""
        return f"{self.purge_at:%Y-%m-%d %H:%M} UTC" if self.purge_at else ""


class HostState(StrEnum):
    """Whether a custom host may be served."""

    PENDING = "pending"
    """A tenant wants it; nobody has proved that it is the tenant's."""
    VERIFIED = "verified"
    LOST = "lost"
    """It was verified by DNS, and its records have been wrong for days. It is checked for a time."""
    EXPIRED = "expired"
    """It was not proved in time. It is not checked until its tenant asks for that."""


@dataclass(frozen=True, slots=True)
class Host:
    """A custom host of a tenant."""

    name: str
    tenant_id: str
    tenant_slug: str
    created_at: datetime
    state: HostState
    proof: str
    """A :data:`HostProof`; empty unless it is verified."""
    verified_at: datetime | None
    is_primary: bool
    """Whether the tenant's other hosts redirect to it."""
    token: str
    """What the tenant's DNS has to say; a new one for each attempt."""
    waiting_since: datetime
    """When the present attempt at a proof began."""
    checked_at: datetime | None
    """When its DNS was last asked for; ``None`` before the first time."""
    check_at: datetime | None
    """When it is asked for next by itself; ``None`` if it is not."""
    failures: int
    """How many checks in a row have found its records missing or wrong."""
    failing_since: datetime | None
    warned_at: datetime | None
    """When its owners were told that it will be lost."""
    problem: str
    """What the last check has found wrong, in a sentence; empty if nothing was."""

    @property
    def is_served(self) -> bool:
        """Whether the tenant's site answers there."""
        return self.state is HostState.VERIFIED


class RunState(StrEnum):
    """What became of a run of migrations."""

    RUNNING = "running"
    DONE = "done"
    """Every step ended well."""
    FAILED = "failed"
    """It came to its end, and some tenants could not be migrated."""
    STOPPED = "stopped"
    """Too many failures, or one among the canaries: the other steps were not begun."""
    INTERRUPTED = "interrupted"
    """It was told to stop, or died."""


class StepState(StrEnum):
    """What became of one tenant in a run."""

    PENDING = "pending"
    RUNNING = "running"
    OK = "ok"
    FAILED = "failed"
    SKIPPED = "skipped"
    """There was nothing to do any more."""


class SiteState(StrEnum):
    """What became of one site of a job that goes through many."""

    PENDING = "pending"
    DONE = "done"
    UNCHANGED = "unchanged"
    """There was nothing to do."""
    ELSEWHERE = "elsewhere"
    """A job of its own does it on the node that has its files."""
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class JobSite:
    """A site of a job that goes through many."""

    tenant_id: str
    slug: str
    state: SiteState
    text: str
    """Why it failed, or what else is to say."""


@dataclass(frozen=True, slots=True)
class Run:
    """A run of migrations over tenants' databases."""

    id: int
    state: RunState
    target: str
    """The schema revision to which it leads."""
    options: Mapping[str, Any]
    actor: str
    started_at: datetime
    seen_at: datetime
    finished_at: datetime | None
    counts: Mapping[StepState, int]
    """How many tenants are in each state; every state is there."""

    @property
    def total(self) -> int:
        """How many tenants it is about."""
        return sum(self.counts.values())


@dataclass(frozen=True, slots=True)
class Step:
    """What a run does to one tenant."""

    tenant: Tenant
    state: StepState
    before: str
    """The schema revision before; empty if nobody knows."""
    after: str = ""
    seconds: float = 0.0
    error: str = ""


@dataclass(frozen=True, slots=True)
class Behind:
    """Tenants on one placement that are at one schema revision, and not at the newest."""

    placement: str
    schema_revision: str
    tenants: int
    example: str
    """The id of one of them."""


@dataclass(frozen=True, slots=True)
class NewestBackup:
    """What is known of a tenant's newest backup."""

    tenant_id: str
    file: str
    """Its name, without the folder."""
    made_at: datetime
    current_at: datetime
    """Until when nothing had changed since it was made."""
    size: int
    """Bytes."""
    checked_at: datetime | None
    """When this backup was verified; ``None`` if it was not."""
    problem: str
    """Why it is no good; empty if nobody has found a fault."""
    restored_at: datetime | None
    """When a restore of one of the tenant's backups was last tried, and succeeded."""


@dataclass(frozen=True, slots=True)
class Announcement:
    """What operators tell the owners of sites."""

    id: int
    subject: str
    text: str
    plan: str
    """Only owners of sites with this plan are told; empty for all."""
    by_mail: bool
    """Whether it is mailed, too."""
    actor: str
    created_at: datetime
    ends_at: datetime
    """Until when it stands on the pages of the sites' consoles."""


@dataclass(frozen=True, slots=True)
class FormerName:
    """A slug that a tenant has given up. Nobody else gets it."""

    slug: str
    tenant_id: str
    now: str
    """The slug that the tenant has now, however often it was renamed."""
    redirects_until: datetime

    @property
    def redirects(self) -> bool:
        """Whether the name still leads to the tenant."""
        return datetime.now(UTC) < self.redirects_until


class JobState(StrEnum):
    """What has become of a job."""

    QUEUED = "queued"
    """It waits for a worker, or for its time."""
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    """Its last attempt failed, or its deadline passed."""
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        """Whether no worker takes it up any more."""
        return self not in {JobState.QUEUED, JobState.RUNNING}


@dataclass(frozen=True, slots=True, kw_only=True)
class NewJob:
    """A job to be added to the queue."""

    name: str
    arguments: Mapping[str, Any]
    """JSON."""
    tenant_id: str | None = None
    """Whose job it is, and whose share of the workers it takes; ``None`` is the platform's."""
    needs_site: bool = False
    """Whether it runs only while its tenant is active and not quiet."""
    key: str | None = None
    """A second job of the same name, tenant and key is not added."""
    due_at: datetime | None = None
    """When it may start; ``None`` is now."""
    deadline_at: datetime | None = None
    """It does not start any more after this moment."""
    max_attempts: int = 1
    cancellable: bool = False
    """Whether it may be cancelled while it runs."""


@dataclass(frozen=True, slots=True)
class Job:
    """A job of the queue."""

    id: int
    name: str
    tenant_id: str | None
    needs_site: bool
    key: str | None
    arguments: Mapping[str, Any]
    state: JobState
    due_at: datetime
    deadline_at: datetime | None
    attempts: int
    """How often it was started."""
    losses: int
    """How many of these ended because their worker did."""
    max_attempts: int
    cancellable: bool
    cancel_requested: bool
    worker: str
    """The last worker that took it up: its machine and process id."""
    lease_until: datetime | None
    """While it runs: its worker is dead if it does not move this on in time."""
    done: int
    total: int
    """Steps done and to be done; 0 if unknown."""
    error: str
    """Why the last attempt failed, in a sentence."""
    result: Mapping[str, Any]
    actor_kind: str
    actor: str
    account_id: str | None
    ip: str | None
    request_id: str | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None

    @property
    def by(self) -> Actor:
        """Who asked for it."""
        kind: Any = self.actor_kind
        return Actor(kind, self.actor, self.account_id, self.ip, self.request_id)


@dataclass(frozen=True, slots=True)
class JobLine:
    """A line that a job has logged."""

    at: datetime
    attempt: int
    text: str


class MailState(StrEnum):
    """What became of a mail."""

    QUEUED = "queued"
    SENT = "sent"
    """The mail server has taken it."""
    BOUNCED = "bounced"
    """It was refused, or came back."""


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail, without its address and text."""

    id: str
    tenant_id: str | None
    template: str
    due_at: datetime
    state: MailState
    error: str


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """One page of a listing."""

    items: tuple[T, ...]
    total: int
    number: int = 1
    size: int = 50
    is_counted: bool = True
    """Whether *total* is all there is; there may be more, which no page shows."""

    @property
    def pages(self) -> int:
        """How many pages there are; at least one."""
        return max(1, -(-self.total // self.size))

    @property
    def has_previous(self) -> bool:
        return self.number > 1

    @property
    def has_next(self) -> bool:
        return self.number < self.pages


LEASE_SECONDS = 10.0
"""How long a node counts as alive after its last heartbeat."""


@dataclass(frozen=True, slots=True)
class Node:
    """A node of the fleet."""

    id: str
    name: str
    """Of its host, for people."""
    release: str
    age: float | None
    """Seconds since its last heartbeat, by the database server's clock; none before the first one."""
    epoch: int
    """The newest change that it serves."""
    drained: bool

    @property
    def is_alive(self) -> bool:
        """Whether its lease holds."""
        return self.age is not None and self.age < LEASE_SECONDS

    @property
    def shown(self) -> str:
        """Name and the beginning of the id: two nodes may have one name."""
        return shown_node(self.id, self.name)


def shown_node(node_id: str, name: str) -> str:
    """Return what messages call a node."""
    return f"node {name} ({node_id[:8]})"


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose a placement is."""

    id: str
    """Of the node, or of the folder where a placement's tenants have their files."""
    node_id: str
    node: str
    """What messages call the node."""


@dataclass(frozen=True, slots=True)
class Changes:
    """What happened to tenants after some epoch."""

    epoch: int
    hosts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Each changed tenant's id with the hosts it has now."""
    slugs: Mapping[str, str] = field(default_factory=dict)
    revisions: Mapping[str, int] = field(default_factory=dict)
    gone: frozenset[str] = frozenset()
    """The changed tenants that are purged, or were never made."""
    deleted: frozenset[str] = frozenset()
    """The changed tenants that are deleted now; those that are gone need not be among them."""
    complete: bool = True
    """False when older changes have been pruned: everything may have changed."""
