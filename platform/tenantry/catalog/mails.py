"""Mails: how many go to an address and from a tenant, and what became of them."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import TYPE_CHECKING, cast

from sqlalchemy import delete, func, select, update

from tenantry.catalog.job_adding import add_job, find_keyed
from tenantry.catalog.models import MailRecord
from tenantry.catalog.text import without_addresses
from tenantry.catalog.values import MailState

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from sqlalchemy import Connection, Table

    from tenantry.catalog.jobs import Jobs
    from tenantry.catalog.store import Store
    from tenantry.catalog.values import Actor, Job, Mail, NewJob, Page

HOUR = timedelta(hours=1)
BOUNCED_FOR = timedelta(days=30)
MAX_BOUNCES = 3
"""Mails to an address that came back within :data:`BOUNCED_FOR`. It gets no further ones."""

mails = cast("Table", MailRecord.__table__)


class Mails:
    """The record of mails. It knows no address and no text: a keyed hash counts an address."""

    def __init__(self, store: Store, jobs: Jobs) -> None:
        self._store = store
        self._jobs = jobs

    def add(
        self,
        prepare: Callable[[str, datetime], NewJob],
        *,
        template: str,
        tenant_id: str | None,
        address_hash: str,
        key: str | None = None,
        per_address: int | None,
        per_tenant: int,
        by: Actor,
    ) -> Job | None:
        """Add the job that sends a mail, unless its address has had enough.

        A tenant that sends more than it may is slowed down: the job waits until there is room.

        :param prepare: Makes the job from the mail's id and the time at which it may be sent.
        :param key: Of the job; a second one with the same key is not added, and not counted.
        :param per_address: Mails to one address per hour that count against this limit, this one
            included; ``None`` neither limits nor counts.
        :param per_tenant: Mails of one tenant per hour.
        :return: The job; ``None`` if the mail is dropped.
        :raises JobQueueFullError: Too many jobs of the tenant wait.
        """
        mail_id, moment = uuid.uuid4().hex, self._jobs.clock()
        with self._store.updating() as connection:
            _lock(connection, address_hash, tenant_id)
            due_at = _find_room(connection, tenant_id, per_tenant, moment)
            wanted = prepare(mail_id, due_at)
            if key is not None and (found := find_keyed(connection, wanted)) is not None:
                return found
            if _is_refused(connection, address_hash, per_address, moment):
                return None
            job = add_job(connection, wanted, by, moment=moment)
            row = {
                "id": mail_id,
                "tenant_id": tenant_id,
                "address_hash": address_hash,
                "template": template[:80],
                "by_visitor": per_address is not None,
                "due_at": due_at,
                "state": MailState.QUEUED,
                "error": "",
            }
            connection.execute(mails.insert(), row)
            self._jobs.notify(connection)
        self._jobs.pipe.wake()
        return job

    def record(self, mail_id: str, state: MailState, *, error: str = "") -> bool:
        """Note what became of a mail; return whether it is known.

        :param error: What a mail server said; addresses in it are left out.
        """
        told = without_addresses(error)[:500]
        written = update(mails).where(mails.c.id == mail_id).values(state=state, error=told)
        with self._store.updating() as connection:
            return bool(connection.execute(written).rowcount)

    def record_bounce(self, address_hash: str, *, error: str) -> bool:
        """Note that the last mail to an address came back; return whether there is one."""
        last = (
            select(mails.c.id)
            .where(mails.c.address_hash == address_hash)
            .order_by(mails.c.due_at.desc())
        )
        with self._store.reading() as session:
            mail_id = session.scalar(last.limit(1))
        return mail_id is not None and self.record(mail_id, MailState.BOUNCED, error=error)

    def list(self, *, tenant_id: str | None = None, page: int = 1, size: int = 50) -> Page[Mail]:
        """Return one page of the mails, newest first."""
        query = select(MailRecord)
        if tenant_id is not None:
            query = query.where(MailRecord.tenant_id == tenant_id)
        return self._store.read_page(
            query, MailRecord.due_at.desc(), convert=MailRecord.to_mail, page=page, size=size
        )

    def count_by_state(self, *, tenant_id: str | None = None) -> dict[MailState, int]:
        """Return how many mails are in each state; every state is there."""
        conditions = () if tenant_id is None else (MailRecord.tenant_id == tenant_id,)
        found = self._store.count_by(MailRecord.state, *conditions)
        return {state: found.get(state.value, 0) for state in MailState}

    def remove_old(self, before: datetime) -> int:
        """Forget mails that were due before this moment; return how many."""
        with self._store.updating() as connection:
            return connection.execute(delete(mails).where(mails.c.due_at < before)).rowcount


def _lock(connection: Connection, *names: str | None) -> None:
    """Let others who count the same mails wait; SQLite's transaction has everything already."""
    if connection.dialect.name == "postgresql":
        for name in sorted(name for name in names if name):
            lock = func.pg_advisory_xact_lock(func.hashtextextended(f"tenantry mail {name}", 0))
            connection.execute(select(lock))


def _find_room(
    connection: Connection, tenant_id: str | None, per_tenant: int, moment: datetime
) -> datetime:
    """Return when the tenant may send the next mail."""
    if tenant_id is None:
        return moment
    before = (
        select(mails.c.due_at)
        .where(mails.c.tenant_id == tenant_id)
        .order_by(mails.c.due_at.desc())
        .offset(per_tenant - 1)
        .limit(1)
    )
    found: datetime | None = connection.scalar(before)
    return moment if found is None else max(moment, found + HOUR)


def _is_refused(
    connection: Connection, address_hash: str, per_address: int | None, moment: datetime
) -> bool:
    to_it = select(func.count()).select_from(mails).where(mails.c.address_hash == address_hash)
    bounced = to_it.where(mails.c.state == MailState.BOUNCED, mails.c.due_at > moment - BOUNCED_FOR)
    if (connection.scalar(bounced) or 0) >= MAX_BOUNCES:
        return True
    if per_address is None:
        return False
    recent = to_it.where(mails.c.by_visitor.is_(True), mails.c.due_at > moment - HOUR)
    return (connection.scalar(recent) or 0) >= per_address
