"""Every deliberate error of the core: what it says, what helps, and how the web answers it.

An error declares this as class attributes, and its facts as annotations. The facts are the arguments
of its constructor, in their order::

    class HostRestingError(CatalogError):
        message = "Host {name!r} was another tenant's and is reserved until {until}."
        remedy = "`tenantry host add --take-over` gives it away now."
        until: str

    raise HostRestingError("acme.example", until="2026-12-24")

An edge answers with ``error.status``, and the command line exits with 1 for each of them.
"""

from __future__ import annotations

from typing import Any, dataclass_transform


@dataclass_transform(eq_default=False)
class TenantryError(Exception):
    """Base class of every deliberate error."""

    message: str = ""
    """What happened, with the facts in braces. A class without one is a family: catch it, but do not
    raise it. A fact ``problem`` is the raising code's own words, remedy included."""
    remedy: str = ""
    """What to do about it."""
    status: int = 500
    """The HTTP status that says the same."""
    retry_after: int | None = None
    """Seconds after which trying again may help; ``None`` if it will not."""
    error_id: str | None = None
    """The id under which the cause is logged, if it has one."""
    facts: tuple[str, ...] = ()
    """The names of the constructor's arguments."""

    def __init_subclass__(cls) -> None:
        cls.facts += tuple(name for name in cls.__annotations__ if name not in cls.facts)

    def __init__(self, *values: object, **named: object) -> None:
        given = dict(zip(self.facts, values, strict=False)) | named
        wanting = [name for name in self.facts if name not in given and not hasattr(self, name)]
        if wanting or len(given) != len(values) + len(named) or not {*named} <= {*self.facts}:
            names = ", ".join(self.facts)
            raise TypeError(f"{type(self).__name__} takes {names or 'nothing'}; got {given}.")
        self.__dict__.update(given)
        # Errors are pickled, copied and shown by their arguments.
        super().__init__(*(getattr(self, name) for name in self.facts))

    def __str__(self) -> str:
        kind = type(self)
        return f"{kind.message} {kind.remedy}".strip().format_map(_Facts(self))

    @property
    def pause(self) -> str:
        """``retry_after`` in words."""
        return "1 second" if self.retry_after == 1 else f"{self.retry_after} seconds"


class _Facts(dict[str, Any]):
    """What the braces of a message stand for: the attributes of its error."""

    def __init__(self, error: TenantryError) -> None:
        self._error = error

    def __missing__(self, name: str) -> object:
        value = getattr(self._error, name)
        return ", ".join(value) if isinstance(value, tuple) else value


class SettingsError(TenantryError):
    """A setting is missing, unknown or wrong; the platform does not start."""

    message = "{variable}{assigned}: {problem}"
    variable: str
    value: str | None
    problem: str

    @property
    def assigned(self) -> str:
        """The value as it was set, unless that is a secret or nothing."""
        return "" if self.value is None else f"={self.value}"


class BadHostError(TenantryError, ValueError):
    """A Host header is not the name of a host."""

    message = "{value!r:.100} is not a host name: {problem}."
    status = 400
    value: str
    problem: str


class BadSlugError(TenantryError, ValueError):
    """A name cannot be a tenant's slug."""

    message = "{value!r:.100} cannot name a site: {problem}."
    status = 422
    value: str
    problem: str


class BadArgumentError(TenantryError, ValueError):
    """An operation was asked for with a value that it cannot work with."""

    message = "{value!r:.100} cannot be used: {problem}."
    status = 422
    value: str
    problem: str


class BadImageError(TenantryError, ValueError):
    """A file cannot be used as a picture."""

    message = "The picture cannot be used: {problem}."
    status = 422
    problem: str


class FrontPageConflictError(TenantryError):
    """Another operator saved the front page after it was opened."""

    message = "{by} has saved revision {revision} of the front page meanwhile."
    remedy = "Read it, and save again to replace it."
    status = 409
    revision: int
    by: str


class TermsFileError(TenantryError):
    """The terms are those of a file, and cannot be edited."""

    message = "The terms are those of the file TENANTRY_TERMS_FILE={file}."
    remedy = "Remove the setting to edit them."
    status = 409
    file: str


class NoFrontPageError(TenantryError, LookupError):
    """The front page has no such revision."""

    message = "The front page has no revision {revision}."
    remedy = "`tenantry front-page revisions` lists them."
    status = 404
    revision: int


class BadEmailError(TenantryError, ValueError):
    """Not an e-mail address."""

    message = "{value!r:.100} is not an e-mail address: {problem}"
    status = 422
    value: str
    problem: str


class WeakPasswordError(TenantryError, ValueError):
    """A password is too easy to guess, or too long to hash."""

    message = "{problem}"
    status = 422
    problem: str


class NoTenantError(TenantryError, RuntimeError):
    """Code asked for the current tenant where there is none.

    There is no default tenant: a wrong answer here would show one customer's data to another.
    """

    message = "There is no tenant here."
    remedy = (
        "current_tenant works inside a tenant's own app: in its requests, or under "
        "`with app.app_context()` of an app that init_tenant() has bound."
    )


# --- the catalog: tenants, hosts, accounts --------------------------------------------------------


class CatalogError(TenantryError):
    """The catalog refused a request."""

    status = 409
    name: str


class TenantNotFoundError(CatalogError, LookupError):
    """No tenant has this slug or id."""

    message = "Tenant {name!r} does not exist."
    remedy = "`tenantry tenant list` shows those that do."
    status = 404


class TenantClosedError(CatalogError, RuntimeError):
    """A tenant is in a state in which its app is not run."""

    message = "Tenant {name!r} is {state}, and its app is not run."
    remedy = "`tenantry tenant show {name}` says why."
    state: str


class TenantRenamedError(TenantNotFoundError):
    """A tenant had this slug once and has another one now.

    ``redirects`` says whether the old name still leads visitors to the new one.
    """

    message = "Tenant {name!r} was renamed to {now!r}."
    remedy = "Use that name."
    now: str
    redirects: bool = False


class TenantExistsError(CatalogError):
    """The slug is taken, or still reserved for a tenant that had it."""

    message = "Tenant {name!r} exists already."
    remedy = "Choose another name."


class NameHeldError(TenantExistsError):
    """The slug was another tenant's, and stays reserved for it."""

    message = "The name {name!r} was another tenant's and stays reserved for it."


class BadTransitionError(CatalogError):
    """A tenant cannot go from its state to the one asked for."""

    message = "Tenant {name!r} is {current} and cannot become {wanted}."
    remedy = "`tenantry tenant --help` lists the commands that change a state."
    current: str
    wanted: str


class LastOwnerError(CatalogError):
    """The account is a tenant's only owner."""

    message = "{email} is the only owner of tenant {name!r}."
    remedy = "Add another owner first, or transfer it."
    email: str


class LastOperatorError(CatalogError):
    """The account is the only one that operates the platform."""

    message = "{name} is the only operator of this platform."
    remedy = "Make another account an operator first."


class TooManyInvitationsError(CatalogError):
    """A site has as many open invitations as it may have."""

    message = "Tenant {name!r} has {most} open invitations."
    remedy = "Withdraw one first."
    status = 429
    most: int


class TenantLockedError(CatalogError):
    """Another operation is at work on the tenant: there is one at a time.

    ``doing`` says what is done to it, ``process`` who does it (0 if that is unknown), ``since``
    at which time of day it began, in UTC, and ``node`` where, if that is in a fleet.
    """

    message = "Tenant {name!r} is being {doing}{holder}."
    remedy = "Try again when that has ended."
    retry_after = 10
    doing: str
    process: int = 0
    since: str = ""
    node: str = ""

    @property
    def holder(self) -> str:
        """Who does it, if that is known."""
        if not self.process:
            return ""
        where = f" on {self.node}" if self.node else ""
        return f" by process {self.process}{where} since {self.since} UTC"


class LockLostError(TenantryError):
    """Another process has taken a lock over, because this one's connection to the catalog was lost."""

    message = "The lock {lock!r} was lost with its connection; nothing more is written."
    remedy = "Run the command again: it goes on, or begins anew."
    status = 503
    retry_after = 10
    lock: str


class UnfinishedError(CatalogError):
    """An operation on the tenant was interrupted and has to be finished first.

    ``operation`` is the command that finishes it.
    """

    message = "A {operation} of tenant {name!r} was interrupted."
    remedy = "Run `tenantry {operation} {name}` first: it finishes the work."
    operation: str


class TooLateError(CatalogError):
    """A deleted tenant is past its purge date."""

    message = "Tenant {name!r} is past its purge date and cannot come back."
    remedy = "If you have a bundle or a backup of it, `tenantry tenant import` makes a new one."


class TooEarlyError(CatalogError):
    """A deleted tenant has time left in which it can come back.

    ``purge_at`` is the day on which that ends; empty if there is none.
    """

    message = "Tenant {name!r} can be undeleted until {end}."
    remedy = "--early purges it now."
    purge_at: str

    @property
    def end(self) -> str:
        """When it will be too late."""
        return self.purge_at or "an operator purges it"


class LeftoversError(CatalogError):
    """A purge looked everywhere afterwards and found something of the tenant."""

    message = "Tenant {name!r} is not purged; this is left of it: {left}."
    remedy = "Find out what keeps it, then purge the tenant again."
    status = 500
    left: tuple[str, ...]


class HostNotFoundError(CatalogError, LookupError):
    """The tenant has no such host."""

    message = "Host {name!r} does not belong to this tenant."
    remedy = "`tenantry host list` shows those that do."
    status = 404


class HostTakenError(CatalogError):
    """The host belongs to a tenant, or to the platform itself."""

    message = "Host {name!r} is taken."
    remedy = "Choose another one, or remove it from its tenant first."


class HostRestingError(CatalogError):
    """Another tenant had the host a short time ago."""

    message = "Host {name!r} was another tenant's and is reserved until {until}."
    remedy = "`tenantry host add --take-over` gives it away now."
    until: str


class HostNotServedError(CatalogError):
    """The host is not verified, so nothing can redirect to it."""

    message = "Host {name!r} is {state}, not verified."
    remedy = "Set the DNS records that `tenantry host show` prints, then check it again."
    state: str


class HostLimitError(CatalogError):
    """Too many hosts of one tenant wait for their proof."""

    message = "{count} hosts of {name!r} wait for their proof already."
    remedy = "Prove or remove some of them first."
    count: int


class JobNotFoundError(CatalogError, LookupError):
    """There is no job with this id."""

    message = "Job {name} does not exist."
    remedy = "`tenantry job list` shows those that do; finished ones are removed after a while."
    status = 404


class JobStateError(CatalogError):
    """What was asked of a job does not fit its state."""

    message = "Job {name} {problem}."
    problem: str


class JobQueueFullError(TenantryError):
    """Too many jobs of a tenant wait."""

    message = "{most} jobs of this site wait already."
    remedy = "Try again when some of them are done."
    status = 503
    retry_after = 60
    most: int


class UnknownJobError(TenantryError, LookupError):
    """Nothing defines a job of this name."""

    message = "There is no job {name!r:.100}."
    remedy = "Those that are defined: {known}."
    status = 422
    name: str
    known: tuple[str, ...]


class BadJobError(TenantryError, ValueError):
    """A job is defined, or asked for, in a way that cannot work."""

    message = "Job {name!r:.100}: {problem}."
    status = 422
    name: str
    problem: str


class BadMailError(TenantryError, ValueError):
    """A mail's template cannot be used."""

    message = "Mail {template!r:.100}: {problem}."
    template: str
    problem: str


class MailServerError(TenantryError):
    """A mail cannot be sent now."""

    message = "The mail cannot be sent now: {problem}."
    remedy = "It is tried again; `tenantry mail test` shows whether mail works."
    status = 503
    problem: str


class MailRefusedError(TenantryError):
    """The mail server does not take a mail, and never will."""

    message = "The mail server refuses it: {problem}."
    status = 422
    problem: str


class CertificateError(TenantryError):
    """A certificate authority has given no certificate."""

    message = "There is no certificate for {subject}: {problem}."
    subject: str
    problem: str


class AcmeMissingError(TenantryError):
    """The library that talks to certificate authorities is not installed."""

    message = "The library `acme` is not installed."
    remedy = "`pip install 'tenantry[acme]'` brings it."


class AccountNotFoundError(CatalogError, LookupError):
    """No account has this e-mail address or id."""

    message = "Account {name!r} does not exist."
    remedy = "`tenantry account list` shows those that do."
    status = 404


class AccountExistsError(CatalogError):
    """The e-mail address has an account."""

    message = "Account {name!r} exists already."
    remedy = "Use that account, or another address."


class BadScopeError(TenantryError, ValueError):
    """An API token cannot have what was asked for it."""

    message = "{problem}."
    remedy = "Choose from {known}."
    status = 422
    problem: str
    known: tuple[str, ...]


class ApiTokenNotFoundError(CatalogError, LookupError):
    """No API token has this id."""

    message = "API token {name!r} does not exist."
    remedy = "`tenantry token list` shows those that do."
    status = 404


class ApiTokenRightsError(CatalogError):
    """The account has not the rights that its API token would carry."""

    message = "Account {name!r} cannot have this API token: it {problem}."
    status = 403
    problem: str


class ApiTokenLimitError(CatalogError):
    """The account has as many API tokens as it may have."""

    message = "Account {name!r} has {most} API tokens, which is as many as it may have."
    remedy = "Revoke one that is not used any more."
    most: int


class BadWebhookError(TenantryError, ValueError):
    """A URL cannot be called by a webhook."""

    message = "{url!r:.200} cannot be called by a webhook: {problem}."
    remedy = "Give a URL of the internet, as https://hooks.example.com/tenantry."
    status = 422
    url: str
    problem: str


class WebhookNotFoundError(CatalogError, LookupError):
    """No webhook, or no delivery of one, has this id."""

    message = "Webhook {name!r} does not exist."
    remedy = "*Webhooks* in the console, or the API's list, shows those that do."
    status = 404


class WebhookLimitError(CatalogError):
    """A site or the platform has as many webhooks, or as many messages waiting, as it may have."""

    message = "{name} has {most} {what}, which is as many as it may have."
    remedy = "Remove some, or wait."
    most: int
    what: str


class WebhookFailedError(TenantryError):
    """A webhook's message was not accepted."""

    message = "The message was not accepted: {problem}."
    status = 502
    retry_after = 60
    problem: str


class RepeatedCallError(TenantryError):
    """A key that makes a call of the API repeatable belongs to another call."""

    message = "The Idempotency-Key {key!r:.80} was used for a call that says something else."
    remedy = "Send a new key with each new call."
    status = 422
    key: str


class RunningCallError(TenantryError):
    """The call of the API with this key has no answer yet."""

    message = "The call with the Idempotency-Key {key!r:.80} is still being answered."
    remedy = "Repeat it in a moment."
    status = 409
    retry_after = 2
    key: str


class TenantChangedError(CatalogError):
    """A tenant is not at the revision that a change was made for."""

    message = "Tenant {name!r} has changed: it is at revision {revision}."
    remedy = "Read it again, and send the change with that revision."
    status = 412
    revision: int


class LinkError(TenantryError):
    """A one-use link is unknown, used, expired or meant for another place."""

    message = "This link has expired or was already used."
    remedy = "Ask for a new one."
    status = 404


class PasskeyTakenError(TenantryError):
    """A passkey is registered already, or the account has as many as it may have."""

    message = "This passkey cannot be added: it is registered already, or you have too many."
    remedy = "Remove one, or use another device."
    status = 409


class SignUpClosedError(TenantryError):
    """The platform takes no new sites from people without an invitation."""

    message = "{problem}"
    status = 403
    problem: str


class SignInError(TenantryError):
    """The credentials do not open the account; the sentence never says which part was wrong."""

    message = "Wrong e-mail or password."
    remedy = "Check both, and try again."
    status = 422


class TooManyTriesError(SignInError):
    """Nobody checked the credentials: there were too many tries before."""

    message = "Too many tries."
    remedy = "Try again in {pause}."
    status = 429
    retry_after: int


class HashingBusyError(TenantryError):
    """The process checks as many passwords as it may; a moment later it can check another one."""

    message = "Many people are signing in."
    remedy = "Try again in {pause}."
    status = 503
    retry_after = 2


class AuditAnchorError(TenantryError):
    """The file that anchors the audit trail is damaged."""

    message = "The audit trail's anchor {path} is damaged."
    remedy = "Find out who changed it; then run `tenantry audit accept`."
    path: str


class AuditTrailError(TenantryError):
    """The audit trail is not what was written."""

    message = "{problem}"
    problem: str


class CatalogUnavailableError(TenantryError):
    """The catalog's database does not answer. ``problem`` is what its driver said."""

    message = "The catalog is not reachable: {problem}."
    remedy = "Check its server, and TENANTRY_CATALOG_URL."
    status = 503
    retry_after = 5
    problem: str


class CatalogFullError(CatalogUnavailableError):
    """There is no room for what the catalog should keep."""

    message = "The catalog's disk is full, and nothing was changed ({problem})."
    remedy = "Make room there, then run the command again."
    status = 507


class CatalogNotReadyError(TenantryError):
    """The catalog's schema is missing (``found`` is ``None``) or belongs to another release."""

    message = "The catalog {url} {difference}."
    remedy = "Run `tenantry init`."
    status = 503
    url: str
    found: str | None
    wanted: str

    @property
    def difference(self) -> str:
        """What keeps this release from using it."""
        if self.found is None:
            return "has not been prepared"
        return f"is at revision {self.found}, not at {self.wanted}"


class NodeKeysError(TenantryError):
    """A node's secret keys are not those of the other nodes."""

    message = "The secret keys of this node, {file}, are not those with which the catalog is used."
    remedy = (
        "Copy the keys of another node: TENANTRY_SECRET_KEYS, or the file secret_keys. If you have "
        "replaced them on purpose, run `tenantry init --accept-keys`."
    )
    status = 503
    file: str


class NodeIdError(TenantryError):
    """The file with this node's id, or with that of a shared folder, is damaged."""

    message = "The file {file} holds no id, but {found!r:.80}."
    remedy = "Bring it back from a copy; `tenantry fleet status` lists the ids of all nodes."
    file: str
    found: str


class NodeNotFoundError(TenantryError, LookupError):
    """No node has this name or id, or several have it."""

    message = "{name!r:.80} names {found} nodes of this platform."
    remedy = "Give the beginning of an id that `tenantry fleet status` lists."
    status = 404
    name: str
    found: str


class NodeAliveError(TenantryError):
    """A node's placement is not taken from it while it lives."""

    message = "{node} has placement {placement!r} and was seen {seconds} s ago."
    remedy = "Stop it first, or move its tenants there: `tenantry tenant move SLUG --to ...`."
    placement: str
    node: str
    seconds: int


class LookupLimitError(TenantryError):
    """Too many unknown hosts are being asked for; known ones are not affected."""

    message = "Too many requests for unknown hosts."
    remedy = "Try again in {pause}."
    status = 429
    retry_after = 1


# --- databases and placements ---------------------------------------------------------------------


class ProvisionError(TenantryError):
    """A tenant's own data could not be prepared; nothing of it was kept."""

    message = "Tenant {slug!r} could not be provisioned and was not created: {problem}"
    slug: str
    problem: str


class PlacementError(TenantryError):
    """A placement cannot be used."""

    message = "Placement {placement!r}: {problem}"
    status = 503
    placement: str
    problem: str


class DatabaseUnavailableError(PlacementError):
    """The placement's server does not answer. ``problem`` is what its driver said."""

    message = "Placement {placement!r} does not answer: {problem}."
    remedy = "Check its server, and its URL in TENANTRY_DATABASES."
    retry_after = 5


class ElsewhereError(PlacementError):
    """The placement, or its tenants' files, belong to another node, which ``problem`` names."""

    message = "Placement {placement!r} belongs to {problem}."
    remedy = (
        "Run the command there. If that node is gone for good, `tenantry fleet take {placement}` "
        "takes it over."
    )
    retry_after = 30


class UnsafePlacementError(PlacementError):
    """The placement's server is set up so that tenants could reach each other's data."""

    message = "Placement {placement!r} is not safe: {problem}. {remedy}"
    remedy: str


class LinkedPlaceError(PlacementError):
    """A link stands where a tenant's own folder or file has to be."""

    message = "Placement {placement!r}: {problem}."
    remedy = "Put the file or folder itself there."


class UnknownPlacementError(TenantryError, LookupError):
    """``TENANTRY_DATABASES`` names no such placement."""

    message = "There is no placement {placement!r}; TENANTRY_DATABASES names {known}."
    remedy = "Add it there, or name another one."
    status = 503
    placement: str
    known: tuple[str, ...]


class UnknownPlanError(TenantryError, LookupError):
    """``TENANTRY_LIMIT_PLANS`` names no such plan."""

    message = "There is no plan {plan!r:.100}; the plans are {known}."
    remedy = "Choose one of them, or add it to TENANTRY_LIMIT_PLANS."
    status = 422
    plan: str
    known: tuple[str, ...]


class NoRoomError(TenantryError):
    """No placement takes one more tenant."""

    message = "No placement has room for one more tenant ({placements})."
    remedy = "Raise `tenants` of one in TENANTRY_DATABASES, or add a placement."
    status = 507
    placements: tuple[str, ...]


class PlacementKindError(TenantryError):
    """The app cannot live on this kind of placement."""

    message = "The app cannot live on placement {placement!r}; its factory names {kinds} only."
    remedy = "Name a placement of such a kind, or change PLACEMENTS beside the factory."
    status = 409
    placement: str
    kinds: tuple[str, ...]


class ConfinementError(TenantryError, RuntimeError):
    """A transaction would not have been confined to one tenant, and was not begun."""

    message = "Refused: {problem}."
    remedy = "Use ordinary transactions, inside the tenant's own app."
    problem: str


class LostPlaceError(ConfinementError):
    """A tenant's schema or role is not where the tenant lives."""

    remedy = "`tenantry doctor` says what is missing."
    status = 503


# --- the factory and migrations -------------------------------------------------------------------


class FactoryError(TenantryError):
    """``TENANTRY_FACTORY`` does not lead to a factory."""

    message = "TENANTRY_FACTORY={path}: {problem}"
    path: str
    problem: str


class ProjectError(TenantryError):
    """A project cannot be written or read."""

    message = "{subject}: {problem}."
    subject: str
    problem: str


class LoginError(TenantryError):
    """``tenantry doctor --login`` does not say how to sign in."""

    message = "--login {text!r} is not a path with values."
    remedy = "Write it as `--login '/login email=ada@example.com password=secret'`."
    text: str


class FrozenError(TenantryError, RuntimeError):
    """Something tried to change what all tenants share."""

    message = "{what} would change every tenant's app: the tables of a flyweight are shared."
    remedy = "Register everything in the function that builds the prototype."
    what: str


class UnfitError(TenantryError, TypeError):
    """The prototype cannot be shared between tenants."""

    message = "This app cannot be shared between tenants: {what}."
    remedy = "{instead}, or give each tenant a full app (TENANTRY_INSTANCES=full)."
    what: str
    instead: str


class BuildOnceError(TenantryError, RuntimeError):
    """A factory was called for a second tenant, and the first one's app stands in the way."""

    message = "This app can be built only once per process: {problem}."
    remedy = (
        "Set TENANTRY_INSTANCES=flyweight, and one build serves all tenants, or register it where "
        "the module is loaded."
    )
    problem: str


class SharedAppError(TenantryError, RuntimeError):
    """A factory returned an app that is not this tenant's alone."""

    message = "{factory} {problem}"
    factory: str
    problem: str


class UnsafeCookieError(TenantryError, ValueError):
    """A factory configures a session cookie that would reach further than its tenant."""

    message = "{setting}={value!r} is refused: {remedy}."
    setting: str
    value: object
    remedy: str


class HistoryError(TenantryError):
    """A factory's ``MIGRATIONS`` is no folder of Alembic revisions."""

    message = "MIGRATIONS of the factory, {folder}: {problem}"
    folder: str
    problem: str


class UnknownSchemaError(TenantryError):
    """A database is at a schema revision that this release does not have."""

    message = (
        "The database is at schema revision {revision!r}, which this release does not have; its "
        "newest is {head!r}."
    )
    remedy = "Run the release that brought it there."
    revision: str
    head: str


class UpgradeError(TenantryError):
    """A tenant's database could not be brought to the newest schema revision; it is as it was."""

    message = "{problem}"
    problem: str


class MigrationRunningError(TenantryError):
    """Another run of migrations is under way."""

    message = "Migration run {run_id} is in progress on {node}."
    remedy = "`tenantry migrate status` shows how far it is."
    status = 409
    run_id: int
    node: str


class NoRunError(TenantryError):
    """There is no migration run to continue."""

    message = "There is no migration run to continue: {problem}."
    remedy = "`tenantry migrate` starts one."
    status = 409
    problem: str


class RunLostError(TenantryError):
    """A migration run stopped reporting, and another one may be in progress."""

    message = "Migration run {run_id} did not report for too long, and another node ended it."
    remedy = "`tenantry migrate status` shows where it got to."
    status = 409
    run_id: int


# --- the pool -------------------------------------------------------------------------------------


class PoolError(TenantryError):
    """The pool cannot lend an instance now."""

    remedy = "Try again in {pause}."
    status = 503
    retry_after = 1
    slug: str


class PoolFullError(PoolError):
    """Every instance is in use, or being built, and none can be evicted."""

    message = "Tenant {slug!r} does not fit: every pooled instance is in use."
    retry_after = 5


class PoolClosedError(PoolError):
    """The process is shutting down."""

    message = "Tenant {slug!r} is no longer served: this process is stopping."


class TooManyWaitersError(PoolError):
    """Enough requests wait for builds already; one more would take a thread from the others."""

    message = "Tenant {slug!r} is being built and enough requests wait for it."


class TenantBusyError(PoolError):
    """The tenant has all the requests at once that it may have; its neighbours need the rest."""

    message = "Tenant {slug!r} has as many requests at once as it may have."


class TenantLimitError(PoolError):
    """The tenant asks more often than it may."""

    message = "Tenant {slug!r} asks more often than it may."
    status = 429
    retry_after: int


class SiteFailedError(TenantryError):
    """A tenant's app failed while the platform asked it for something."""

    message = "The app of {slug!r} failed (error {error_id})."
    remedy = "The log has the cause under that id."
    status = 503
    retry_after = 5
    slug: str
    error_id: str


class RateLimitError(TenantryError):
    """A client or a process sends more requests than it may."""

    message = "{who} asks more often than it may."
    remedy = "Try again in {pause}."
    status = 429
    who: str
    retry_after: int


class ProbeError(TenantryError):
    """A new instance did not answer its first, synthetic request; the old one goes on serving."""

    message = "The new instance of {slug!r} answered its probe with {answer!r}."
    remedy = "The log has the reason; fix the app, then run `tenantry reload` again."
    slug: str
    answer: str


class BuildError(PoolError):
    """An instance is not there because of its factory. Carries the id under which it is logged."""

    error_id: str
    retry_after: int


class BuildFailedError(BuildError):
    """The factory raised. It is tried again after a delay that grows with each failure."""

    message = "Tenant {slug!r} could not be built (error {error_id})."


class BuildTimeoutError(BuildError):
    """The build takes longer than a request may wait; it goes on in the background."""

    message = "Tenant {slug!r} is taking too long to build (error {error_id})."


# --- bundles and moves ----------------------------------------------------------------------------


class BundleError(TenantryError):
    """A bundle cannot be written, or is not one that can be used."""

    message = "{name}: {problem}."
    status = 422
    name: str
    problem: str


class BundleRoomError(BundleError):
    """The data folder has no room for what a bundle unpacks to; the bundle may be good."""


class MoveError(TenantryError):
    """A tenant cannot be moved to another placement; it is where it was."""

    message = "Tenant {slug!r} cannot be moved: {problem}."
    status = 409
    slug: str
    problem: str


class SiteMovingError(TenantryError):
    """A database refused a write because its tenant has just left it for another placement."""

    message = "This site is being moved; nothing was written."
    remedy = "Try again in a moment."
    status = 503
    retry_after = 1

    notice = "tenantry:closed"
    """What a SQLite file says, and nothing else, when it refuses a write."""

    sqlstate = "55TNY"
    """The code of the error on PostgreSQL. It is our own, in the class that says: not now."""
