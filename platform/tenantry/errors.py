"""Every deliberate error of the core.

Facts are attributes, ``args`` equal the constructor's arguments (so that errors pickle), and the
sentence is made on demand. HTTP statuses belong to the front door and exit codes to the command line.
"""

from __future__ import annotations


class TenantryError(Exception):
    """Base class of every deliberate error."""

    retry_after: int | None = None
    """Seconds after which trying again may help; ``None`` if it will not."""


class SettingsError(TenantryError):
    """A setting is missing, unknown or wrong; the platform does not start."""

    def __init__(self, variable: str, value: str | None, problem: str) -> None:
        super().__init__(variable, value, problem)
        self.variable = variable
        self.value = value
        self.problem = problem

    def __str__(self) -> str:
        shown = "" if self.value is None else f"={self.value}"
        return f"{self.variable}{shown}: {self.problem}"


class BadHostError(TenantryError, ValueError):
    """A Host header is not the name of a host."""

    def __init__(self, value: str, problem: str) -> None:
        super().__init__(value, problem)
        self.value = value
        self.problem = problem

    def __str__(self) -> str:
        return f"{self.value[:100]!r} is not a host name: {self.problem}."


class BadSlugError(TenantryError, ValueError):
    """A name cannot be a tenant's slug."""

    def __init__(self, value: str, problem: str) -> None:
        super().__init__(value, problem)
        self.value = value
        self.problem = problem

    def __str__(self) -> str:
        return f"{self.value[:100]!r} cannot name a site: {self.problem}."


class BadEmailError(TenantryError, ValueError):
    """Not an e-mail address."""

    def __init__(self, value: str, problem: str) -> None:
        super().__init__(value, problem)
        self.value = value
        self.problem = problem

    def __str__(self) -> str:
        return f"{self.value[:100]!r} is not an e-mail address: {self.problem}"


class WeakPasswordError(TenantryError, ValueError):
    """A password is too easy to guess, or too long to hash."""

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem

    def __str__(self) -> str:
        return self.problem


class NoTenantError(TenantryError, RuntimeError):
    """Code asked for the current tenant where there is none.

    There is no default tenant: a wrong answer here would show one customer's data to another.
    """

    def __str__(self) -> str:
        return (
            "There is no tenant here. current_tenant works inside a tenant's own app: in its "
            "requests, or under `with app.app_context()` of an app that init_tenant() has bound."
        )


class CatalogError(TenantryError):
    """The catalog refused a request."""

    problem = "was refused by the catalog"
    noun = "Tenant"

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name

    def __str__(self) -> str:
        return f"{self.noun} {self.name!r} {self.problem}."


class TenantNotFoundError(CatalogError, LookupError):
    """No tenant has this slug or id."""

    problem = "does not exist"


class TenantRenamedError(TenantNotFoundError):
    """A tenant had this slug once and has another one now.

    :param redirects: Whether visitors who come by the old name are still led to the new one.
    """

    def __init__(self, name: str, now: str, *, redirects: bool = False) -> None:
        super().__init__(name)
        self.args = (name, now)
        self.now = now
        self.redirects = redirects

    def __str__(self) -> str:
        return f"Tenant {self.name!r} does not exist any more: it is called {self.now!r} now."


class TenantExistsError(CatalogError):
    """The slug is taken, or still reserved for a tenant that had it."""

    problem = "exists already; choose another name"


class NameHeldError(TenantExistsError):
    """The slug was another tenant's, and stays reserved for it."""

    noun = "The name"
    problem = "was another tenant's and stays reserved for it; choose another name"


class BadTransitionError(CatalogError):
    """A tenant cannot go from its state to the one asked for."""

    def __init__(self, name: str, current: str, wanted: str) -> None:
        super().__init__(name)
        self.args = (name, current, wanted)
        self.current = current
        self.wanted = wanted

    def __str__(self) -> str:
        return f"Tenant {self.name!r} is {self.current} and cannot become {self.wanted}."


class LastOwnerError(CatalogError):
    """The account is a tenant's only owner."""

    def __init__(self, name: str, email: str) -> None:
        super().__init__(name)
        self.args = (name, email)
        self.email = email

    def __str__(self) -> str:
        return (
            f"{self.email} is the only owner of tenant {self.name!r}; add another owner first, or "
            "transfer it."
        )


class TenantLockedError(CatalogError):
    """Another operation is at work on the tenant.

    :param doing: What is done to it.
    :param process: Who does it; 0 if nobody knows.
    :param since: The time of day at which that began, in UTC.
    """

    retry_after = 10

    def __init__(self, name: str, doing: str, process: int = 0, since: str = "") -> None:
        super().__init__(name)
        self.args = (name, doing, process, since)
        self.doing = doing
        self.process = process
        self.since = since

    def __str__(self) -> str:
        who = f" by process {self.process} since {self.since} UTC" if self.process else ""
        done = f"Tenant {self.name!r} is being {self.doing}{who}"
        return f"{done}; say this again when that has ended."


class UnfinishedError(CatalogError):
    """An operation on the tenant was interrupted and has to be finished first.

    :param operation: The command that does it.
    """

    def __init__(self, name: str, operation: str) -> None:
        super().__init__(name)
        self.args = (name, operation)
        self.operation = operation

    def __str__(self) -> str:
        command = f"`tenantry {self.operation} {self.name}`"
        return f"A {self.operation} was interrupted: {command} finishes it, and has to come first."


class TooLateError(CatalogError):
    """A deleted tenant is past its purge date."""

    problem = "is past its purge date and cannot come back"


class TooEarlyError(CatalogError):
    """A deleted tenant has time left in which it can come back."""

    def __init__(self, name: str, purge_at: str) -> None:
        super().__init__(name)
        self.args = (name, purge_at)
        self.purge_at = purge_at

    def __str__(self) -> str:
        until = self.purge_at or "somebody purges it"
        return f"Tenant {self.name!r} can be undeleted until {until}; --early purges it now."


class LeftoversError(CatalogError):
    """A purge looked everywhere afterwards and found something of the tenant."""

    def __init__(self, name: str, left: tuple[str, ...]) -> None:
        super().__init__(name)
        self.args = (name, left)
        self.left = left

    def __str__(self) -> str:
        left = "; ".join(self.left)
        return f"Tenant {self.name!r} is not purged, say it again when this is mended: {left}"


class HostNotFoundError(CatalogError, LookupError):
    """The tenant has no such host."""

    noun = "Host"
    problem = "does not belong to this tenant"


class HostTakenError(CatalogError):
    """The host belongs to a tenant, or to the platform itself."""

    noun = "Host"
    problem = "is taken"


class HostRestingError(CatalogError):
    """Another tenant had the host a short time ago."""

    noun = "Host"

    def __init__(self, name: str, until: str) -> None:
        super().__init__(name)
        self.args = (name, until)
        self.until = until

    def __str__(self) -> str:
        return (
            f"Host {self.name!r} was another tenant's and rests until {self.until}; "
            "`tenantry host add --take-over` gives it away now."
        )


class AccountNotFoundError(CatalogError, LookupError):
    """No account has this e-mail address or id."""

    noun = "Account"
    problem = "does not exist"


class AccountExistsError(CatalogError):
    """The e-mail address has an account."""

    noun = "Account"
    problem = "exists already"


class LinkError(TenantryError):
    """A one-use link is unknown, used, expired or meant for another place."""

    def __str__(self) -> str:
        return "This link has expired or was already used."


class SignInError(TenantryError):
    """The credentials do not open the account; the sentence never says which part was wrong."""

    def __init__(self, retry_after: int | None = None) -> None:
        super().__init__(retry_after)
        self.retry_after = retry_after

    def __str__(self) -> str:
        if self.retry_after:
            unit = "second" if self.retry_after == 1 else "seconds"
            return f"Too many tries. Try again in {self.retry_after} {unit}."
        return "Wrong e-mail or password."


class AuditAnchorError(TenantryError):
    """The file that anchors the audit trail is damaged."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.path = path

    def __str__(self) -> str:
        return (
            f"The audit trail's anchor {self.path} is damaged. Find out who changed it; then run "
            "`tenantry audit accept`."
        )


class AuditTrailError(TenantryError):
    """The audit trail is not what was written."""

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem

    def __str__(self) -> str:
        return self.problem


class HashingBusyError(TenantryError):
    """The process checks as many passwords as it may; a moment later it can check another one."""

    retry_after = 2

    def __str__(self) -> str:
        return "Many people are signing in just now. Try again in a few seconds."


class CatalogUnavailableError(TenantryError):
    """The catalog's database does not answer."""

    retry_after = 5

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem

    def __str__(self) -> str:
        return f"The catalog is not reachable: {self.problem}"


class CatalogFullError(CatalogUnavailableError):
    """There is no room for what the catalog should keep."""

    def __str__(self) -> str:
        return (
            f"The catalog's disk is full, and nothing was changed ({self.problem}). Make room there, "
            "then say the same command again."
        )


class CatalogNotReadyError(TenantryError):
    """The catalog's schema is missing or belongs to another release."""

    def __init__(self, url: str, found: str | None, wanted: str) -> None:
        super().__init__(url, found, wanted)
        self.url = url
        self.found = found
        self.wanted = wanted

    def __str__(self) -> str:
        if self.found is None:
            return f"The catalog {self.url} has not been prepared. Run `tenantry init`."
        found = f"is at revision {self.found}, not at {self.wanted}"
        return f"The catalog {self.url} {found}. Run `tenantry init`."


class LookupLimitError(TenantryError):
    """Too many unknown hosts are being asked for; known ones are not affected."""

    retry_after = 1

    def __str__(self) -> str:
        return "Too many requests for unknown hosts."


class ProvisionError(TenantryError):
    """A tenant's own data could not be prepared; nothing of it was kept."""

    def __init__(self, slug: str, problem: str) -> None:
        super().__init__(slug, problem)
        self.slug = slug
        self.problem = problem

    def __str__(self) -> str:
        return f"Tenant {self.slug!r} could not be provisioned and was not created: {self.problem}"


class PlacementError(TenantryError):
    """A placement cannot be used."""

    def __init__(self, placement: str, problem: str) -> None:
        super().__init__(placement, problem)
        self.placement = placement
        self.problem = problem

    def __str__(self) -> str:
        return f"Placement {self.placement!r}: {self.problem}"


class DatabaseUnavailableError(PlacementError):
    """The placement's server does not answer."""

    retry_after = 5

    def __str__(self) -> str:
        return f"Placement {self.placement!r} does not answer: {self.problem}"


class UnsafePlacementError(PlacementError):
    """The placement's server is set up so that tenants could reach each other's data."""

    def __init__(self, placement: str, problem: str, remedy: str) -> None:
        super().__init__(placement, problem)
        self.args = (placement, problem, remedy)
        self.remedy = remedy

    def __str__(self) -> str:
        return f"Placement {self.placement!r} is not safe: {self.problem}. {self.remedy}"


class LinkedPlaceError(PlacementError):
    """A link stands where a tenant's own folder or file has to be."""

    def __init__(self, placement: str, path: str) -> None:
        super().__init__(placement, path)
        self.path = path

    def __str__(self) -> str:
        return (
            f"{self.path} is a link, and may lead to another tenant's data; put the file or folder "
            "itself there."
        )


class UnknownPlacementError(TenantryError, LookupError):
    """``TENANTRY_DATABASES`` names no such placement."""

    def __init__(self, placement: str, known: tuple[str, ...]) -> None:
        super().__init__(placement, known)
        self.placement = placement
        self.known = known

    def __str__(self) -> str:
        known = ", ".join(self.known)
        return (
            f"There is no placement {self.placement!r}; TENANTRY_DATABASES names {known}. Add it "
            "there, or name another one."
        )


class UnknownPlanError(TenantryError, LookupError):
    """``TENANTRY_LIMIT_PLANS`` names no such plan."""

    def __init__(self, plan: str, known: tuple[str, ...]) -> None:
        super().__init__(plan, known)
        self.plan = plan
        self.known = known

    def __str__(self) -> str:
        known = ", ".join(self.known)
        return (
            f"There is no plan {self.plan[:100]!r}; the plans are {known}. Choose one of them, or add "
            "it to TENANTRY_LIMIT_PLANS."
        )


class NoRoomError(TenantryError):
    """No placement takes one more tenant."""

    def __init__(self, placements: tuple[str, ...]) -> None:
        super().__init__(placements)
        self.placements = placements

    def __str__(self) -> str:
        names = ", ".join(self.placements)
        return (
            f"No placement has room for one more tenant ({names}). Raise `tenants` of one in "
            "TENANTRY_DATABASES, or add a placement."
        )


class ConfinementError(TenantryError, RuntimeError):
    """A transaction would not have been confined to one tenant, and was not begun."""

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem

    def __str__(self) -> str:
        return f"Refused: {self.problem}"


class LostPlaceError(ConfinementError):
    """A tenant's schema or role is not where the tenant lives."""

    def __init__(self, name: str) -> None:
        super().__init__(f"the server did not lead to {name or 'the platform'}'s own schema")
        self.args = (name,)
        self.name = name

    def __str__(self) -> str:
        return f"{super().__str__()}; see `tenantry doctor`"


class FactoryError(TenantryError):
    """``TENANTRY_FACTORY`` does not lead to a factory."""

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(path, problem)
        self.path = path
        self.problem = problem

    def __str__(self) -> str:
        return f"TENANTRY_FACTORY={self.path}: {self.problem}"


class HistoryError(TenantryError):
    """A factory's ``MIGRATIONS`` is no folder of Alembic revisions."""

    def __init__(self, folder: str, problem: str) -> None:
        super().__init__(folder, problem)
        self.folder = folder
        self.problem = problem

    def __str__(self) -> str:
        return f"MIGRATIONS of the factory, {self.folder}: {self.problem}"


class UnknownSchemaError(TenantryError):
    """A database is at a schema revision that this release does not have."""

    def __init__(self, revision: str, head: str) -> None:
        super().__init__(revision, head)
        self.revision = revision
        self.head = head

    def __str__(self) -> str:
        return (
            f"The database is at schema revision {self.revision!r}, which this release does not have; "
            f"its newest is {self.head!r}. Run the release that brought it there."
        )


class UpgradeError(TenantryError):
    """A tenant's database could not be brought to the newest schema revision; it is as it was."""

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem

    def __str__(self) -> str:
        return self.problem


class MigrationRunningError(TenantryError):
    """Another run of migrations is under way."""

    def __init__(self, run_id: int, node: str) -> None:
        super().__init__(run_id, node)
        self.run_id = run_id
        self.node = node

    def __str__(self) -> str:
        return (
            f"Migration run {self.run_id} is under way on {self.node}; "
            "`tenantry migrate status` shows how far it is."
        )


class NoRunError(TenantryError):
    """There is no run of migrations to go on with."""

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem

    def __str__(self) -> str:
        return f"No migration run to go on with: {self.problem}. `tenantry migrate` begins one."


class RunLostError(TenantryError):
    """A run of migrations was taken for dead, and another one may be under way."""

    def __init__(self, run_id: int) -> None:
        super().__init__(run_id)
        self.run_id = run_id

    def __str__(self) -> str:
        return (
            f"Migration run {self.run_id} gave no sign of life for too long and was ended from "
            "elsewhere; `tenantry migrate status` shows where it got to."
        )


class PoolError(TenantryError):
    """The pool cannot lend an instance now."""

    problem = "cannot be served now"
    retry_after = 1
    error_id: str | None = None

    def __init__(self, slug: str) -> None:
        super().__init__(slug)
        self.slug = slug

    def __str__(self) -> str:
        return f"Tenant {self.slug!r} {self.problem}."


class PoolFullError(PoolError):
    """Every instance is in use, or being built, and none can be evicted."""

    problem = "does not fit: every pooled instance is in use"
    retry_after = 5


class PoolClosedError(PoolError):
    """The process is shutting down."""

    problem = "is not served any more: this process is stopping"


class TooManyWaitersError(PoolError):
    """Enough requests wait for builds already; one more would take a thread from the others."""

    problem = "is being built and enough requests wait for it"


class TenantBusyError(PoolError):
    """The tenant has all the requests at once that it may have; its neighbours need the rest."""

    problem = "has as many requests at once as it may have"


class TenantLimitError(PoolError):
    """The tenant asks more often than it may."""

    problem = "asks more often than it may"

    def __init__(self, slug: str, retry_after: int) -> None:
        super().__init__(slug)
        self.args = (slug, retry_after)
        self.retry_after = retry_after


class RateLimitError(TenantryError):
    """Somebody asks more often than they may."""

    def __init__(self, who: str, retry_after: int) -> None:
        super().__init__(who, retry_after)
        self.who = who
        self.retry_after = retry_after

    def __str__(self) -> str:
        return f"{self.who} asks more often than it may."


class ProbeError(TenantryError):
    """A new instance did not answer its first, synthetic request; the old one goes on serving."""

    def __init__(self, slug: str, status: str) -> None:
        super().__init__(slug, status)
        self.slug = slug
        self.status = status

    def __str__(self) -> str:
        return f"The new instance of {self.slug!r} answered its probe with {self.status!r}."


class BuildError(PoolError):
    """An instance is not there because of its factory. Carries the id under which it is logged."""

    def __init__(self, slug: str, error_id: str, retry_after: int) -> None:
        super().__init__(slug)
        self.args = (slug, error_id, retry_after)
        self.error_id = error_id
        self.retry_after = retry_after

    def __str__(self) -> str:
        return f"Tenant {self.slug!r} {self.problem} (error {self.error_id})."


class BuildFailedError(BuildError):
    """The factory raised. It is tried again after a delay that grows with each failure."""

    problem = "could not be built"


class BuildTimeoutError(BuildError):
    """The build takes longer than a request may wait; it goes on in the background."""

    problem = "is taking too long to build"


class BundleError(TenantryError):
    """A bundle cannot be written, or is not one that can be used."""

    def __init__(self, name: str, problem: str) -> None:
        super().__init__(name, problem)
        self.name = name
        self.problem = problem

    def __str__(self) -> str:
        return f"{self.name}: {self.problem}."


class MoveError(TenantryError):
    """A tenant cannot be moved to another placement; it is where it was."""

    def __init__(self, slug: str, problem: str) -> None:
        super().__init__(slug, problem)
        self.slug = slug
        self.problem = problem

    def __str__(self) -> str:
        return f"Tenant {self.slug!r} cannot be moved: {self.problem}."


class SiteMovingError(TenantryError):
    """A database refused a write because its tenant has just left it for another placement."""

    sentence = "This site is being moved; nothing was written. Try again in a moment."
    """For people."""

    notice = "tenantry:closed"
    """What a SQLite file says, and nothing else, when it refuses a write."""

    sqlstate = "55TNY"
    """The code of the error on PostgreSQL. It is our own, in the class that says: not now."""

    retry_after = 1

    def __str__(self) -> str:
        return self.sentence
