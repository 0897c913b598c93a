"""What checks of a custom host's DNS have found, and when it is checked again.

A pending host is checked with growing pauses until it is proved, for a week. A verified one is checked
daily. If its records are wrong, it stays verified for two days and some checks more, and its owners
are told first: a mistake in a zone must not take a site off the net.
"""

from __future__ import annotations

import random
from datetime import timedelta
from typing import TYPE_CHECKING

from sqlalchemy import select

from tenantry.catalog.custom_hosts import (
    Lookalike,
    check_free,
    check_look,
    find_lookalike,
    get_entry,
    take_from_rest,
    verify,
)
from tenantry.catalog.models import HostRecord, TenantRecord, new_token, now
from tenantry.catalog.values import SYSTEM, Host, HostState
from tenantry.errors import BadHostError, HostRestingError, HostTakenError
from tenantry.values.domain_proof import Finding, Verdict
from tenantry.values.hosts import canonical_host
from tenantry.values.tenant import TenantState

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import Select

    from tenantry.catalog.store import Store, Writer
    from tenantry.catalog.values import Actor

DAILY = timedelta(days=1)
"""Between two checks of a host whose records are right."""

FIRST_PAUSES = {HostState.PENDING: timedelta(minutes=1)}
"""After the first check that fails; each further one doubles it."""
FIRST_PAUSE = timedelta(hours=1)

LONGEST_PAUSES = {HostState.PENDING: timedelta(hours=1)}
LONGEST_PAUSE = DAILY

NO_ANSWER_PAUSE = timedelta(minutes=10)
"""After a check that could not be made. It counts as no failure."""

PROOF_TIMES = {HostState.PENDING: timedelta(days=7), HostState.LOST: timedelta(days=30)}
"""How long a host may wait for its proof before it expires."""

LOST_AFTER = timedelta(hours=48)
LOST_FAILURES = 3
"""A verified host is lost after so long *and* so many checks that failed, once its owners know."""

WARNED_FAILURES = 2
"""After so many, the owners are told: a single one may be an accident."""

CLAIMED = timedelta(minutes=5)
"""How long a worker that has taken a host to check it keeps others from doing the same."""


class HostChecks:
    """The schedule of checks, and what each one changes."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def has_due(self) -> bool:
        """Say whether the time of a host has come."""
        with self._store.reading() as session:
            return session.scalar(_find_due().limit(1)) is not None

    def claim_due(self, *, limit: int) -> tuple[Host, ...]:
        """Return hosts whose time has come, the longest due first, to be checked by the caller alone.

        If the caller dies, they are due again after :data:`CLAIMED`.
        """
        if not self.has_due():
            return ()  # then nobody waits for a lock
        with self._store.writing(SYSTEM) as writer:
            entries = writer.session.scalars(_find_due().limit(limit)).all()
            for entry in entries:
                entry.check_at = now() + CLAIMED
            return tuple(entry.to_host() for entry in entries)

    def record(self, tenant_id: str, host: str, finding: Finding, *, by: Actor) -> Host:
        """Note what a check has found, and change the host's state accordingly.

        A host on an operator's word stays as it is.

        :raises HostNotFoundError: It was removed meanwhile.
        """
        name = canonical_host(host)
        lookalike = Lookalike("", None)
        if finding.verdict is Verdict.PROVED:
            lookalike = find_lookalike(self._store, name, tenant_id)
        with self._store.writing(by) as writer:
            record = writer.get_tenant(tenant_id)
            entry = get_entry(record, name)
            if entry.proof == "operator":
                return entry.to_host()
            entry.checked_at, entry.problem = now(), finding.problem
            if finding.verdict is Verdict.PROVED:
                _note_proof(writer, record, entry, lookalike)
            else:
                _note_failure(writer, record, entry, counts=finding.verdict is Verdict.FAILED)
            return entry.to_host()

    def renew(self, tenant_id: str, host: str, *, by: Actor) -> Host:
        """Begin a new attempt at the proof of an expired host, with a new token.

        :raises HostNotFoundError: The tenant has no such host.
        """
        with self._store.writing(by) as writer:
            record = writer.get_tenant(tenant_id)
            entry = get_entry(record, canonical_host(host))
            if entry.state == HostState.EXPIRED:
                entry.state, entry.token = HostState.PENDING, new_token()
                entry.waiting_since = entry.check_at = now()
                entry.failures, entry.failing_since, entry.problem = 0, None, ""
                writer.audit("host.renew", tenant=record, detail={"host": entry.name})
            return entry.to_host()

    def note_warning(self, tenant_id: str, host: str) -> None:
        """Note that the owners know that the host will be lost."""
        with self._store.writing(SYSTEM) as writer:
            entry = get_entry(writer.get_tenant(tenant_id), host)
            entry.warned_at = now()
            writer.audit("host.warn", tenant=tenant_id, detail={"host": host})


def _find_due() -> Select[tuple[HostRecord]]:
    return (
        select(HostRecord)
        .join(TenantRecord)
        .where(HostRecord.check_at <= now(), TenantRecord.state != TenantState.DELETED)
        .order_by(HostRecord.check_at)
    )


def needs_warning(host: Host) -> bool:
    """Say whether the owners should hear that a host of theirs will be lost."""
    return (
        host.state is HostState.VERIFIED
        and host.failures >= WARNED_FAILURES
        and host.warned_at is None
    )


def _note_proof(
    writer: Writer, record: TenantRecord, entry: HostRecord, lookalike: Lookalike
) -> None:
    if entry.state != HostState.VERIFIED:
        try:
            check_free(writer.session, entry.name)
            check_look(writer.session, entry.name, record.id, lookalike)
            take_from_rest(writer.session, entry.name, record.id)
        except (HostTakenError, HostRestingError, BadHostError) as error:
            # Its DNS names this tenant, and the host is another one's all the same.
            entry.problem = _short(error)
            _note_failure(writer, record, entry, counts=True)
            return
        verify(entry, "dns")
        writer.change(record, "host.verify", {"host": entry.name, "proof": "dns"})
    entry.failures, entry.failing_since, entry.warned_at = 0, None, None
    entry.check_at = now() + _spread(DAILY)


def _note_failure(writer: Writer, record: TenantRecord, entry: HostRecord, *, counts: bool) -> None:
    """Note a check that did not prove the host.

    :param counts: Whether the records are wrong, not only out of reach.
    """
    at, state = now(), HostState(entry.state)
    if counts:
        entry.failures += 1
        entry.failing_since = entry.failing_since or at
    entry.check_at = at + (_pause(state, entry.failures) if counts else NO_ANSWER_PAUSE)
    if counts and state is HostState.VERIFIED and _is_lost(entry, at):
        entry.state, entry.proof, entry.verified_at = HostState.LOST, "", None
        entry.waiting_since = at
        detail = {"host": entry.name, "problem": entry.problem}
        writer.change(record, "host.lost", detail)
    elif state in PROOF_TIMES and at - entry.waiting_since >= PROOF_TIMES[state]:
        entry.state, entry.check_at = HostState.EXPIRED, None
        writer.audit("host.expire", tenant=record, detail={"host": entry.name})


def _is_lost(entry: HostRecord, at: datetime) -> bool:
    since = entry.failing_since
    long = since is not None and at - since >= LOST_AFTER
    return long and entry.failures >= LOST_FAILURES and entry.warned_at is not None


def _pause(state: HostState, failures: int) -> timedelta:
    first = FIRST_PAUSES.get(state, FIRST_PAUSE)
    longest = LONGEST_PAUSES.get(state, LONGEST_PAUSE)
    return _spread(min(first * 2 ** min(failures - 1, 20), longest))


def _spread(pause: timedelta) -> timedelta:
    """Vary a pause by a tenth, so that hosts which were added together are not checked together."""
    return pause * random.uniform(0.9, 1.1)  # noqa: S311 - nobody gains by guessing it


def _short(error: HostTakenError | HostRestingError | BadHostError) -> str:
    if isinstance(error, BadHostError):
        return f"It is not served: {error.problem}."
    if isinstance(error, HostTakenError):
        return "Another site has this domain; it has to be removed there first."
    return f"Another site had this domain; it is reserved until {error.until}."
