"""The catalog's tables. Rows of these classes never leave the package."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from sqlalchemy import (
    JSON,
    BigInteger,
    DateTime,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Text,
    TypeDecorator,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship, validates

from tenantry.catalog.values import (
    Account,
    AccountSession,
    Announcement,
    ApiReply,
    ApiToken,
    AuditEvent,
    DeliveryState,
    Host,
    HostState,
    Invitation,
    Job,
    JobLine,
    JobState,
    Mail,
    MailState,
    NewestBackup,
    Passkey,
    TenantRow,
    Webhook,
    WebhookDelivery,
)
from tenantry.databases.platform_classes import PlatformMapper
from tenantry.values.front_page import CONTENT, FrontPage, FrontPageRevision
from tenantry.values.search_terms import MAX_WORD
from tenantry.values.slugs import looks_of
from tenantry.values.tenant import Tenant, TenantState

if TYPE_CHECKING:
    from collections.abc import Iterable

    from _typeshed import DataclassInstance


T = TypeVar("T", bound="DataclassInstance")

BIG = BigInteger().with_variant(Integer, "sqlite")
"""A number that the database counts up; SQLite does so for its own integers only."""


WORD = String(MAX_WORD).with_variant(String(MAX_WORD, collation="C"), "postgresql")
"""A word of a name, in the order of its code points: words that begin alike stand together."""


class UtcDateTime(TypeDecorator[datetime]):
    """Aware UTC datetimes on every database; SQLite keeps no zone."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        return value and value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        if value is None or value.tzinfo is not None:
            return value and value.astimezone(UTC)
        return value.replace(tzinfo=UTC)


def now() -> datetime:
    """Return the time in UTC."""
    return datetime.now(UTC)


def new_token() -> str:
    """Return what proves that a host is a tenant's, once its DNS says it (R30)."""
    return f"tenantry-{secrets.token_hex(16)}"


def copy_to(kind: type[T], record: Any, **other: Any) -> T:
    """Return a value of this kind, whose fields are the record's columns of the same names.

    :param other: Fields that are none, or not of the column's type.
    """
    names = kind.__dataclass_fields__.keys() - other.keys()
    return kind(**{name: getattr(record, name) for name in names}, **other)


class Base(DeclarativeBase):
    """The catalog's metadata."""

    __mapper_cls__ = PlatformMapper

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map: ClassVar = {
        datetime: UtcDateTime,
        dict[str, Any]: JSON,
        list[str]: JSON,
    }


class Head(Base):
    """The one row that every write locks, so that commit order is number order."""

    __tablename__ = "heads"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    epoch: Mapped[int] = mapped_column(BigInteger)
    audit_hash: Mapped[str] = mapped_column(String(64))
    # What the newest secret key makes of a fixed text: nodes with other keys are told.
    key_check: Mapped[str] = mapped_column(String(64), default="", server_default="")
    # "OLDEST REVISION": from which release's revision on the catalog can be used at this revision.
    usable_from: Mapped[str] = mapped_column(String(80), default="", server_default="")
    # Up to which change the words of tenants are right: nodes of an older release write none.
    words_epoch: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")


class TenantRecord(Base):
    """A tenant. Deleted ones stay: their id and slug are never given away again."""

    __tablename__ = "tenants"
    __table_args__ = (
        UniqueConstraint("slug"),
        Index(None, "listed", "state", "name"),
        # The console's table: each filter by slug, each order with the id, so that a page is a range.
        Index(None, "state", "slug"),
        Index(None, "plan", "slug"),
        Index(None, "placement", "slug"),
        Index(None, "schema_revision", "slug"),
        Index(None, "name", "id"),
        Index(None, "created_at", "id"),
        Index(None, "purge_at"),
        Index(None, "held_until"),
        Index(None, "looks"),
    )

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    slug: Mapped[str] = mapped_column(String(63))
    # What the slug looks like: no other tenant's may look the same.
    looks: Mapped[str] = mapped_column(String(63), default="")
    name: Mapped[str] = mapped_column(String(200))
    state: Mapped[str] = mapped_column(String(16))
    reason: Mapped[str] = mapped_column(String(500), default="")
    plan: Mapped[str] = mapped_column(String(40))
    placement: Mapped[str] = mapped_column(String(40))
    revision: Mapped[int] = mapped_column(Integer, default=1)
    settings: Mapped[dict[str, Any]]
    listed: Mapped[bool]
    created_at: Mapped[datetime] = mapped_column(default=now)
    quiet: Mapped[bool] = mapped_column(default=False)
    held_until: Mapped[datetime | None]
    schema_revision: Mapped[str] = mapped_column(String(40), default="")
    purge_at: Mapped[datetime | None]
    purged_at: Mapped[datetime | None]
    former_placement: Mapped[str] = mapped_column(String(40), default="")
    moving_to: Mapped[str] = mapped_column(String(40), default="")
    notice: Mapped[str] = mapped_column(String(300), default="")
    reopens_at: Mapped[datetime | None]
    # What the memberships say, kept here too: each look-up of a tenant would join them.
    owners: Mapped[list[str]] = mapped_column(default=list)

    hosts: Mapped[list[HostRecord]] = relationship(
        back_populates="tenant", lazy="selectin", order_by="HostRecord.created_at"
    )
    members: Mapped[list[MembershipRecord]] = relationship(back_populates="tenant")

    @validates("slug")
    def _look(self, _key: str, slug: str) -> str:
        self.looks = looks_of(slug)
        return slug

    def to_tenant(self) -> Tenant:
        served = sorted((host for host in self.hosts if host.verified_at is not None), key=_rank)
        primary = next((host.name for host in served if host.is_primary), "")
        return as_tenant(self, hosts=(host.name for host in served), primary=primary)

    def to_row(self) -> TenantRow:
        return copy_to(TenantRow, self, tenant=self.to_tenant(), owners=tuple(self.owners))


def _rank(host: HostRecord) -> tuple[bool, datetime]:
    """Return what orders served hosts: the primary one, then the one served longest."""
    assert host.verified_at is not None
    return not host.is_primary, host.verified_at


def as_tenant(row: Any, *, hosts: Iterable[str], primary: str = "") -> Tenant:
    """Return the value of a row of ``tenants``, be it a record or only its columns."""
    return Tenant(
        id=row.id,
        slug=row.slug,
        name=row.name,
        state=TenantState(row.state),
        plan=row.plan,
        placement=row.placement,
        quiet=row.quiet,
        held_until=row.held_until,
        revision=row.revision,
        hosts=tuple(hosts),
        primary=primary,
        owners=tuple(row.owners or ()),
        notice=row.notice or "",
        reopens_at=row.reopens_at,
        settings=MappingProxyType(dict(row.settings)),
    )


class TenantWordRecord(Base):
    """A word by which a tenant is found, by its beginning."""

    __tablename__ = "tenant_words"
    __table_args__ = (
        Index(None, "tenant_id", "word"),
        # The table is its key's index, then: a third of the size.
        {"sqlite_with_rowid": False},
    )

    # Whether visitors search for it too: it is of the slug or the name.
    is_public: Mapped[bool] = mapped_column(primary_key=True)
    word: Mapped[str] = mapped_column(WORD, primary_key=True)
    tenant_id: Mapped[str] = mapped_column(
        ForeignKey("tenants.id", ondelete="CASCADE"), primary_key=True
    )


class TenantCountRecord(Base):
    """How many tenants are alike. Triggers of the table of tenants keep it."""

    __tablename__ = "tenant_counts"

    state: Mapped[str] = mapped_column(String(16), primary_key=True)
    plan: Mapped[str] = mapped_column(String(40), primary_key=True)
    placement: Mapped[str] = mapped_column(String(40), primary_key=True)
    number: Mapped[int] = mapped_column(BigInteger)


class FormerSlugRecord(Base):
    """A name that a tenant once had: it leads to the new one for a time, and stays reserved."""

    __tablename__ = "former_slugs"

    slug: Mapped[str] = mapped_column(String(63), primary_key=True)
    tenant_id: Mapped[str] = mapped_column(ForeignKey("tenants.id"), index=True)
    redirects_until: Mapped[datetime]
    # What it looks like: no other tenant's name may look the same.
    looks: Mapped[str] = mapped_column(String(63), default="", server_default="", index=True)

    @validates("slug")
    def _look(self, _key: str, slug: str) -> str:
        self.looks = looks_of(slug)
        return slug


class HostRecord(Base):
    """A custom host that a tenant wants or has.

    It is served while *verified_at* is set. Several tenants may want one host, and only one of them
    can have it: the partial index holds that.
    """

    __tablename__ = "hosts"
    __table_args__ = (
        Index(
            "uq_hosts_served",
            "name",
            unique=True,
            sqlite_where=text("verified_at IS NOT NULL"),
            postgresql_where=text("verified_at IS NOT NULL"),
        ),
        Index(None, "check_at"),
        Index(None, "state", "name"),
    )

    name: Mapped[str] = mapped_column(String(253), primary_key=True)
    tenant_id: Mapped[str] = mapped_column(ForeignKey("tenants.id"), primary_key=True, index=True)
    created_at: Mapped[datetime] = mapped_column(default=now)
    state: Mapped[str] = mapped_column(String(16))
    proof: Mapped[str] = mapped_column(String(16), default="")
    verified_at: Mapped[datetime | None]
    is_primary: Mapped[bool] = mapped_column(default=False)
    token: Mapped[str] = mapped_column(String(64), default=new_token)
    waiting_since: Mapped[datetime] = mapped_column(default=now)
    checked_at: Mapped[datetime | None]
    check_at: Mapped[datetime | None]
    failures: Mapped[int] = mapped_column(default=0)
    failing_since: Mapped[datetime | None]
    warned_at: Mapped[datetime | None]
    problem: Mapped[str] = mapped_column(String(500), default="")

    tenant: Mapped[TenantRecord] = relationship(back_populates="hosts")

    def to_host(self) -> Host:
        state = HostState(self.state)
        return copy_to(Host, self, tenant_slug=self.tenant.slug, state=state)


class FormerHostRecord(Base):
    """A custom host that a tenant has given up: for a time no other tenant gets it."""

    __tablename__ = "former_hosts"

    name: Mapped[str] = mapped_column(String(253), primary_key=True)
    tenant_id: Mapped[str] = mapped_column(ForeignKey("tenants.id"), index=True)
    released_at: Mapped[datetime] = mapped_column(index=True)


class AccountRecord(Base):
    """A platform account."""

    __tablename__ = "accounts"
    __table_args__ = (
        UniqueConstraint("email"),
        Index(None, "identity", unique=True),
        Index(None, "created_at", "id"),
    )

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    email: Mapped[str] = mapped_column(String(254))
    name: Mapped[str] = mapped_column(String(200))
    operator: Mapped[bool]
    password_hash: Mapped[str | None] = mapped_column(String(255))
    created_at: Mapped[datetime] = mapped_column(default=now)
    confirmed_at: Mapped[datetime | None]
    # An address that is not the account's yet: somebody signed up with it, or wants to change to it.
    pending_email: Mapped[str] = mapped_column(String(254), default="")
    # Which side of a change of address has been confirmed: `old`, `new` or none.
    pending_confirmed: Mapped[str] = mapped_column(String(8), default="")
    language: Mapped[str] = mapped_column(String(20), default="")
    time_zone: Mapped[str] = mapped_column(String(60), default="")
    terms_version: Mapped[str] = mapped_column(String(40), default="")
    terms_at: Mapped[datetime | None]
    # Whether a password alone is not enough: kept here, because each request of an operator asks.
    second_factor: Mapped[bool] = mapped_column(default=False)
    totp_secret: Mapped[str] = mapped_column(String(200), default="")
    totp_step: Mapped[int] = mapped_column(BigInteger, default=0)
    # The digest of an OpenID Connect issuer and subject, which stays when the address changes.
    identity: Mapped[str | None] = mapped_column(String(64))

    def to_account(self) -> Account:
        return copy_to(Account, self, has_password=self.password_hash is not None)


class AccountWordRecord(Base):
    """A word by which an account is found, by its beginning."""

    __tablename__ = "account_words"
    __table_args__ = (Index(None, "account_id", "word"), {"sqlite_with_rowid": False})

    word: Mapped[str] = mapped_column(WORD, primary_key=True)
    account_id: Mapped[str] = mapped_column(
        ForeignKey("accounts.id", ondelete="CASCADE"), primary_key=True
    )


class PasskeyRecord(Base):
    """A passkey of an account: the public half of a key that a device keeps (WebAuthn)."""

    __tablename__ = "passkeys"

    id: Mapped[str] = mapped_column(String(255), primary_key=True)
    account_id: Mapped[str] = mapped_column(ForeignKey("accounts.id"), index=True)
    public_key: Mapped[str] = mapped_column(String(1000))
    sign_count: Mapped[int] = mapped_column(BigInteger, default=0)
    name: Mapped[str] = mapped_column(String(60))
    created_at: Mapped[datetime] = mapped_column(default=now)
    used_at: Mapped[datetime | None]

    def to_passkey(self) -> Passkey:
        return copy_to(Passkey, self)


class RecoveryCodeRecord(Base):
    """A code that replaces the second factor once, by its hash."""

    __tablename__ = "recovery_codes"

    account_id: Mapped[str] = mapped_column(ForeignKey("accounts.id"), primary_key=True)
    hash: Mapped[str] = mapped_column(String(64), primary_key=True)


class InvitationRecord(Base):
    """A one-use invitation of an address to a role at a site, or to sign up, by its token's hash."""

    __tablename__ = "invitations"

    hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    tenant_id: Mapped[str | None] = mapped_column(ForeignKey("tenants.id"), index=True)
    email: Mapped[str] = mapped_column(String(254), index=True)
    role: Mapped[str] = mapped_column(String(16))
    invited_by: Mapped[str] = mapped_column(String(254))
    invited_by_id: Mapped[str | None] = mapped_column(String(32))
    created_at: Mapped[datetime] = mapped_column(default=now)
    expires_at: Mapped[datetime] = mapped_column(index=True)

    def to_invitation(self) -> Invitation:
        return copy_to(Invitation, self)


class SessionRecord(Base):
    """A session of an account; its id is in a signed cookie, and alone it opens nothing."""

    __tablename__ = "sessions"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    account_id: Mapped[str] = mapped_column(ForeignKey("accounts.id"), index=True)
    tenant_id: Mapped[str | None] = mapped_column(ForeignKey("tenants.id"), index=True)
    as_operator: Mapped[bool] = mapped_column(default=False)
    device: Mapped[str] = mapped_column(String(80))
    network: Mapped[str] = mapped_column(String(50))
    created_at: Mapped[datetime] = mapped_column(default=now)
    seen_at: Mapped[datetime] = mapped_column(default=now)
    expires_at: Mapped[datetime] = mapped_column(index=True)
    # When its holder last proved who they are: sensitive actions want that to be recent.
    proved_at: Mapped[datetime] = mapped_column(default=now)

    def to_session(self) -> AccountSession:
        return copy_to(AccountSession, self)


class ApiTokenRecord(Base):
    """An API token of an account, by the hash of its secret."""

    __tablename__ = "api_tokens"
    __table_args__ = (UniqueConstraint("hash"),)

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    hash: Mapped[str] = mapped_column(String(64))
    name: Mapped[str] = mapped_column(String(60))
    account_id: Mapped[str] = mapped_column(ForeignKey("accounts.id"), index=True)
    tenant_id: Mapped[str | None] = mapped_column(ForeignKey("tenants.id"), index=True)
    scopes: Mapped[list[str]]
    created_at: Mapped[datetime] = mapped_column(default=now)
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]

    def to_token(self) -> ApiToken:
        return copy_to(ApiToken, self, scopes=tuple(self.scopes))


class ApiReplyRecord(Base):
    """A call of the API that carries a key, and what it was answered once that is known."""

    __tablename__ = "api_replies"

    token_id: Mapped[str] = mapped_column(String(32), primary_key=True)
    key: Mapped[str] = mapped_column(String(255), primary_key=True)
    fingerprint: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime] = mapped_column(default=now, index=True)
    status: Mapped[int | None]
    headers: Mapped[dict[str, Any]]
    body: Mapped[str] = mapped_column(Text)

    def to_reply(self) -> ApiReply:
        return copy_to(ApiReply, self)


class MembershipRecord(Base):
    """What an account may do with a tenant."""

    __tablename__ = "memberships"

    account_id: Mapped[str] = mapped_column(ForeignKey("accounts.id"), primary_key=True)
    tenant_id: Mapped[str] = mapped_column(ForeignKey("tenants.id"), primary_key=True, index=True)
    role: Mapped[str] = mapped_column(String(16))

    account: Mapped[AccountRecord] = relationship()
    tenant: Mapped[TenantRecord] = relationship(back_populates="members")


class LinkRecord(Base):
    """A one-use link, by the hash of its token."""

    __tablename__ = "links"

    hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    purpose: Mapped[str] = mapped_column(String(16))
    account_id: Mapped[str] = mapped_column(ForeignKey("accounts.id"))
    tenant_id: Mapped[str | None] = mapped_column(ForeignKey("tenants.id"))
    expires_at: Mapped[datetime] = mapped_column(index=True)


class ChangeRecord(Base):
    """Which tenant changed at which epoch."""

    __tablename__ = "changes"

    epoch: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    tenant_id: Mapped[str] = mapped_column(String(32))


class FrontPageRecord(Base):
    """A revision of the front page, with the legal pages. None is ever changed or removed."""

    __tablename__ = "front_pages"

    revision: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    created_at: Mapped[datetime]
    actor: Mapped[str] = mapped_column(String(254))
    changed: Mapped[list[str]]
    content: Mapped[dict[str, Any]]
    logo: Mapped[bytes] = mapped_column(LargeBinary)

    @classmethod
    def of(cls, page: FrontPage, *, revision: int, changed: Iterable[str]) -> FrontPageRecord:
        content = {name: getattr(page, name) for name in CONTENT if name != "logo"}
        return cls(revision=revision, changed=list(changed), content=content, logo=page.logo)

    def to_page(self) -> FrontPage:
        # What a later release has added to it is left out.
        known = {name: self.content[name] for name in CONTENT if name in self.content}
        return FrontPage(self.revision, logo=self.logo, **known)

    def to_revision(self) -> FrontPageRevision:
        return FrontPageRevision(self.revision, self.created_at, self.actor, tuple(self.changed))


class MigrationRunRecord(Base):
    """A run of migrations over tenants' databases; *seen_at* shows whether it lives."""

    __tablename__ = "migration_runs"

    id: Mapped[int] = mapped_column(primary_key=True)
    state: Mapped[str] = mapped_column(String(16))
    target: Mapped[str] = mapped_column(String(40))
    options: Mapped[dict[str, Any]]
    actor: Mapped[str] = mapped_column(String(254))
    started_at: Mapped[datetime]
    seen_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]


class MigrationStepRecord(Base):
    """What a run did to one tenant's database."""

    __tablename__ = "migration_steps"
    __table_args__ = (Index(None, "run_id", "state", "position"),)

    run_id: Mapped[int] = mapped_column(ForeignKey("migration_runs.id"), primary_key=True)
    tenant_id: Mapped[str] = mapped_column(String(32), primary_key=True)
    position: Mapped[int]
    state: Mapped[str] = mapped_column(String(16))
    before: Mapped[str] = mapped_column(String(40), default="")
    after: Mapped[str] = mapped_column(String(40), default="")
    seconds: Mapped[float] = mapped_column(default=0.0)
    error: Mapped[str] = mapped_column(String(500), default="")


class JobRecord(Base):
    """A job, from the moment it was asked for until its retention is over."""

    __tablename__ = "jobs"
    __table_args__ = (
        UniqueConstraint("key"),
        Index(None, "state", "position"),
        Index(None, "state", "due_at"),
        Index(None, "tenant_id", "state", "position"),
        Index(None, "finished_at"),
    )

    id: Mapped[int] = mapped_column(BIG, primary_key=True)
    name: Mapped[str] = mapped_column(String(80))
    tenant_id: Mapped[str | None] = mapped_column(ForeignKey("tenants.id"))
    needs_site: Mapped[bool]
    key: Mapped[str | None] = mapped_column(String(320))
    arguments: Mapped[dict[str, Any]]
    state: Mapped[str] = mapped_column(String(16))
    # Its place among the jobs that may start now; none while it waits for its time.
    position: Mapped[int | None] = mapped_column(BigInteger)
    due_at: Mapped[datetime]
    deadline_at: Mapped[datetime | None]
    attempts: Mapped[int] = mapped_column(default=0)
    losses: Mapped[int] = mapped_column(default=0)
    max_attempts: Mapped[int]
    cancellable: Mapped[bool]
    cancel_requested: Mapped[bool] = mapped_column(default=False)
    worker: Mapped[str] = mapped_column(String(100), default="")
    lease_until: Mapped[datetime | None]
    done: Mapped[int] = mapped_column(BigInteger, default=0)
    total: Mapped[int] = mapped_column(BigInteger, default=0)
    error: Mapped[str] = mapped_column(String(500), default="")
    result: Mapped[dict[str, Any]] = mapped_column(default=dict)
    actor_kind: Mapped[str] = mapped_column(String(16))
    actor: Mapped[str] = mapped_column(String(254))
    account_id: Mapped[str | None] = mapped_column(String(32))
    ip: Mapped[str | None] = mapped_column(String(45))
    request_id: Mapped[str | None] = mapped_column(String(64))
    created_at: Mapped[datetime] = mapped_column(default=now)
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]


def as_job(row: Any) -> Job:
    """Return the value of a row of ``jobs``, be it a record or only its columns."""
    return copy_to(Job, row, state=JobState(row.state))


class JobLineRecord(Base):
    """A line that a job has logged."""

    __tablename__ = "job_lines"

    id: Mapped[int] = mapped_column(BIG, primary_key=True)
    job_id: Mapped[int] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), index=True)
    attempt: Mapped[int]
    at: Mapped[datetime]
    text: Mapped[str] = mapped_column(String(500))

    def to_line(self) -> JobLine:
        return copy_to(JobLine, self)


class JobSiteRecord(Base):
    """A site of a job that goes through many, and what became of it."""

    __tablename__ = "job_sites"
    __table_args__ = (Index(None, "job_id", "state", "tenant_id"),)

    job_id: Mapped[int] = mapped_column(
        BIG, ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True
    )
    tenant_id: Mapped[str] = mapped_column(
        ForeignKey("tenants.id", ondelete="CASCADE"), primary_key=True, index=True
    )
    state: Mapped[str] = mapped_column(String(16))
    text: Mapped[str] = mapped_column(String(500), default="")


class BackupRecord(Base):
    """What is known of a tenant's newest backup, which lies in a node's folder."""

    __tablename__ = "backups"
    __table_args__ = (Index(None, "current_at"),)

    tenant_id: Mapped[str] = mapped_column(ForeignKey("tenants.id"), primary_key=True)
    file: Mapped[str] = mapped_column(String(80))
    made_at: Mapped[datetime]
    current_at: Mapped[datetime]
    size: Mapped[int] = mapped_column(BigInteger)
    checked_at: Mapped[datetime | None]
    problem: Mapped[str] = mapped_column(String(500), default="")
    restored_at: Mapped[datetime | None]

    def to_backup(self) -> NewestBackup:
        return copy_to(NewestBackup, self)


class AnnouncementRecord(Base):
    """What operators tell the owners of sites."""

    __tablename__ = "announcements"
    __table_args__ = (Index(None, "ends_at"),)

    id: Mapped[int] = mapped_column(BIG, primary_key=True)
    subject: Mapped[str] = mapped_column(String(120))
    text: Mapped[str] = mapped_column(String(1000))
    plan: Mapped[str] = mapped_column(String(40))
    by_mail: Mapped[bool]
    actor: Mapped[str] = mapped_column(String(254))
    created_at: Mapped[datetime] = mapped_column(default=now)
    ends_at: Mapped[datetime]

    def to_announcement(self) -> Announcement:
        return copy_to(Announcement, self)


class WebhookRecord(Base):
    """Where a site's events are sent, or those of all sites; its secret is sealed."""

    __tablename__ = "webhooks"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    tenant_id: Mapped[str | None] = mapped_column(ForeignKey("tenants.id"), index=True)
    url: Mapped[str] = mapped_column(String(500))
    events: Mapped[list[str]]
    sealed_secret: Mapped[str] = mapped_column(String(200))
    is_on: Mapped[bool] = mapped_column(default=True)
    problem: Mapped[str] = mapped_column(String(200), default="")
    failing_since: Mapped[datetime | None]
    # No message is tried before: the last one was not accepted a moment ago.
    rests_until: Mapped[datetime | None]
    missed: Mapped[int] = mapped_column(BigInteger, default=0)
    created_at: Mapped[datetime] = mapped_column(default=now)

    def to_webhook(self) -> Webhook:
        return copy_to(Webhook, self, events=tuple(self.events))


class WebhookDeliveryRecord(Base):
    """A message of a webhook and what became of it."""

    __tablename__ = "webhook_deliveries"
    __table_args__ = (Index(None, "webhook_id", "created_at"), Index(None, "state", "created_at"))

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    webhook_id: Mapped[str] = mapped_column(ForeignKey("webhooks.id", ondelete="CASCADE"))
    type: Mapped[str] = mapped_column(String(40))
    body: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(String(16))
    attempts: Mapped[int] = mapped_column(default=0)
    status: Mapped[int | None]
    problem: Mapped[str] = mapped_column(String(200), default="")
    created_at: Mapped[datetime] = mapped_column(default=now)
    tried_at: Mapped[datetime | None]

    def to_delivery(self) -> WebhookDelivery:
        return copy_to(WebhookDelivery, self, state=DeliveryState(self.state))


class ScheduleRecord(Base):
    """When a schedule was last due; the worker that moves it on enqueues the job."""

    __tablename__ = "schedules"

    name: Mapped[str] = mapped_column(String(80), primary_key=True)
    due_at: Mapped[datetime]


class MailRecord(Base):
    """A mail that was to be sent: whose, when, and what became of it; not to whom."""

    __tablename__ = "mails"
    __table_args__ = (
        Index(None, "tenant_id", "due_at"),
        Index(None, "address_hash", "due_at"),
        Index(None, "due_at"),
    )

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    tenant_id: Mapped[str | None] = mapped_column(ForeignKey("tenants.id"))
    address_hash: Mapped[str] = mapped_column(String(64))
    template: Mapped[str] = mapped_column(String(80))
    by_visitor: Mapped[bool]
    due_at: Mapped[datetime]
    state: Mapped[str] = mapped_column(String(16))
    error: Mapped[str] = mapped_column(String(500), default="")

    def to_mail(self) -> Mail:
        return copy_to(Mail, self, state=MailState(self.state))


class NodeRecord(Base):
    """A node of the fleet; *seen_at* is the database server's time of its last heartbeat."""

    __tablename__ = "nodes"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    name: Mapped[str] = mapped_column(String(255))
    release: Mapped[str] = mapped_column(String(40))
    joined_at: Mapped[datetime]
    seen_at: Mapped[datetime]  # before *joined_at* if it never served
    # The newest change that the node serves.
    epoch: Mapped[int] = mapped_column(BigInteger, default=0)
    drained: Mapped[bool] = mapped_column(default=False)


class PlacementOwnerRecord(Base):
    """Which node or folder a placement belongs to: the first one that had it."""

    __tablename__ = "placement_owners"

    name: Mapped[str] = mapped_column(String(41), primary_key=True)
    owner: Mapped[str] = mapped_column(String(32))
    node_id: Mapped[str] = mapped_column(String(32))


class OperationLockRecord(Base):
    """Who holds a lock of the fleet; the lock itself is the server's."""

    __tablename__ = "operation_locks"

    name: Mapped[str] = mapped_column(String(120), primary_key=True)
    token: Mapped[str] = mapped_column(String(32), primary_key=True)
    node: Mapped[str] = mapped_column(String(255))
    doing: Mapped[str] = mapped_column(String(40))
    pid: Mapped[int]
    since: Mapped[datetime]


class AuditRecord(Base):
    """A line of the audit trail: append-only, each with the hash of the one before."""

    __tablename__ = "audit_events"
    __table_args__ = (Index(None, "tenant_id", "number"),)

    number: Mapped[int] = mapped_column(BIG, primary_key=True)
    at: Mapped[datetime]
    actor_kind: Mapped[str] = mapped_column(String(16))
    actor: Mapped[str] = mapped_column(String(254))
    account_id: Mapped[str | None] = mapped_column(String(32))
    action: Mapped[str] = mapped_column(String(40))
    tenant_id: Mapped[str | None] = mapped_column(String(32))
    tenant_slug: Mapped[str | None] = mapped_column(String(63))
    detail: Mapped[dict[str, Any]]
    ip: Mapped[str | None] = mapped_column(String(45))
    request_id: Mapped[str | None] = mapped_column(String(64))
    hash: Mapped[str] = mapped_column(String(64))

    def to_event(self) -> AuditEvent:
        return copy_to(AuditEvent, self)
