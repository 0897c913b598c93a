"""Sessions of platform accounts: create, list and end records (R25)."""

from __future__ import annotations

import logging
import secrets
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from sqlalchemy import delete, select, update

from tenantry.catalog.models import AccountRecord, SessionRecord, now
from tenantry.errors import CatalogFullError, CatalogUnavailableError

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement

    from tenantry.catalog.store import Store, Writer
    from tenantry.catalog.values import Account, AccountSession, Actor

log = logging.getLogger(__name__)

IDLE_FOR = timedelta(hours=4)
"""A session that nobody uses for so long is over."""
SEEN_EVERY = timedelta(minutes=5)
"""How exactly it is known when a session was last used: a request writes no more often."""
LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
MAX_SESSIONS = 20
"""Of one account. A further one ends the one that was unused for longest."""


class Sessions:
    """Who is signed in, where, and since when."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def start(
        self,
        account_id: str,
        *,
        lifetime: timedelta,
        tenant_id: str | None = None,
        as_operator: bool = False,
        device: str = "",
        network: str = "",
        proved: bool = True,
        by: Actor,
    ) -> AccountSession:
        """Begin a session; ones that have expired leave the table.

        :param lifetime: After that it is over, however busy it is.
        :param tenant_id: Where it counts: on this tenant's host, or on the platform's own.
        :param as_operator: Of an operator who visits a tenant.
        :param device: What the browser says it is.
        :param network: Where it comes from.
        :param proved: Whether its holder has just proved who they are, and not only used a link.
        :raises AccountNotFoundError: No account has the id.
        """
        record = SessionRecord(
            id=secrets.token_urlsafe(32),
            account_id=account_id,
            tenant_id=tenant_id,
            as_operator=as_operator,
            device=device[:80],
            network=network[:50],
            created_at=now(),
            seen_at=now(),
            expires_at=now() + lifetime,
            proved_at=now() if proved else LONG_AGO,
        )
        with self._store.writing(by) as writer:
            session = writer.session
            writer.get_account(account_id)
            session.execute(delete(SessionRecord).where(SessionRecord.expires_at <= now()))
            kept = (
                select(SessionRecord.id)
                .where(SessionRecord.account_id == account_id)
                .order_by(SessionRecord.seen_at.desc())
            )
            for surplus in session.scalars(kept.offset(MAX_SESSIONS - 1)).all():
                session.execute(delete(SessionRecord).where(SessionRecord.id == surplus))
            session.add(record)
            session.flush()
            return record.to_session()

    def find(self, session_id: str) -> tuple[AccountSession, Account] | None:
        """Return a session that is not over, and whose it is."""
        query = (
            select(SessionRecord, AccountRecord)
            .join(AccountRecord, AccountRecord.id == SessionRecord.account_id)
            .where(SessionRecord.id == session_id, *_living())
        )
        with self._store.reading() as session:
            found = session.execute(query).one_or_none()
            return (found[0].to_session(), found[1].to_account()) if found is not None else None

    def list(self, account_id: str) -> tuple[AccountSession, ...]:
        """Return the account's sessions that are not over, the one used last first."""
        query = select(SessionRecord).where(SessionRecord.account_id == account_id, *_living())
        with self._store.reading() as session:
            rows = session.scalars(query.order_by(SessionRecord.seen_at.desc()))
            return tuple(row.to_session() for row in rows)

    def touch(self, found: AccountSession) -> None:
        """Note that a session is in use, unless that was noted a moment ago.

        It takes none of the catalog's locks, and its failure is nobody's: reading goes on where
        nothing can be written.
        """
        if now() - found.seen_at < SEEN_EVERY:
            return
        statement = (
            update(SessionRecord)
            .where(SessionRecord.id == found.id, SessionRecord.seen_at <= now() - SEEN_EVERY)
            .values(seen_at=now())
        )
        try:
            with self._store.updating() as connection:
                connection.execute(statement)
        except (CatalogUnavailableError, CatalogFullError) as error:
            log.warning("cannot record when a session was last used: %s", error)

    def note_proof(self, session_id: str) -> None:
        """Note that the session's holder has proved again who they are."""
        statement = update(SessionRecord).where(SessionRecord.id == session_id)
        with self._store.updating() as connection:
            connection.execute(statement.values(proved_at=now()))

    def end(
        self, session_id: str, *, account_id: str, action: str = "account.sign-out", by: Actor
    ) -> bool:
        """End one session of the account, and with it every copy of its cookie.

        :param action: How the audit trail calls it.
        :return: Whether there was one.
        """
        with self._store.writing(by) as writer:
            record = writer.session.get(SessionRecord, session_id)
            if record is None or record.account_id != account_id:
                return False
            writer.session.delete(record)
            detail = {"email": writer.get_account(account_id).email}
            writer.audit(action, tenant=record.tenant_id, detail=detail)
            return True

    def end_all(self, account_id: str, *, but: str | None = None, by: Actor) -> None:
        """End every session of the account.

        :param but: The id of one that goes on.
        :raises AccountNotFoundError: No account has the id.
        """
        with self._store.writing(by) as writer:
            record = writer.get_account(account_id)
            forget_sessions(writer, account_id, but=but)
            writer.audit("account.end-sessions", detail={"email": record.email})


def forget_sessions(writer: Writer, account_id: str, *, but: str | None = None) -> None:
    """End every session of the account as a part of what *writer* does."""
    statement = delete(SessionRecord).where(SessionRecord.account_id == account_id)
    if but is not None:
        statement = statement.where(SessionRecord.id != but)
    writer.session.execute(statement)


def _living() -> tuple[ColumnElement[bool], ...]:
    return (SessionRecord.expires_at > now(), SessionRecord.seen_at > now() - IDLE_FOR)
