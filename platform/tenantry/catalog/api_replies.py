"""Answers of the API that are kept for a day: a call repeated with its key is not made twice."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from sqlalchemy import delete, select, update
from sqlalchemy.exc import IntegrityError

from tenantry.catalog.models import ApiReplyRecord, now
from tenantry.errors import RepeatedCallError, RunningCallError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import ColumnElement

    from tenantry.catalog.store import Store
    from tenantry.catalog.values import ApiReply

KEPT_FOR = timedelta(hours=24)
ABANDONED = timedelta(minutes=15)
"""A call that has no answer after so long was cut off: its worker died."""


class ApiReplies:
    """What became of calls that carry a key."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def claim(self, token_id: str, key: str, fingerprint: str) -> ApiReply | None:
        """Begin a call, or return the answer that it had before.

        :param fingerprint: A hash of all that the call says.
        :raises RepeatedCallError: The key belongs to a call that says something else.
        :raises RunningCallError: The call is being answered.
        """
        moment, table = now(), ApiReplyRecord
        over = table.created_at < moment - KEPT_FOR
        cut_short = table.status.is_(None) & (table.created_at < moment - ABANDONED)
        values = {
            "token_id": token_id,
            "key": key,
            "fingerprint": fingerprint,
            "created_at": moment,
            "headers": {},
            "body": "",
        }
        try:
            with self._store.updating() as connection:
                connection.execute(delete(table).where(over | cut_short))
                connection.execute(table.__table__.insert(), values)  # type: ignore[attr-defined]
        except IntegrityError:
            return self._find(token_id, key, fingerprint)
        return None

    def keep(
        self, token_id: str, key: str, *, status: int, headers: Mapping[str, str], body: str
    ) -> None:
        """Keep the answer of a call that was claimed."""
        statement = update(ApiReplyRecord).where(*_one(token_id, key))
        with self._store.updating() as connection:
            values = {"status": status, "headers": dict(headers), "body": body}
            connection.execute(statement.values(values))

    def release(self, token_id: str, key: str) -> None:
        """Forget a call that came to nothing: it may be made again."""
        with self._store.updating() as connection:
            connection.execute(delete(ApiReplyRecord).where(*_one(token_id, key)))

    def _find(self, token_id: str, key: str, fingerprint: str) -> ApiReply | None:
        with self._store.reading() as session:
            record = session.scalar(select(ApiReplyRecord).where(*_one(token_id, key)))
            if record is None or record.status is None:
                raise RunningCallError(key)
            if record.fingerprint != fingerprint:
                raise RepeatedCallError(key)
            return record.to_reply()


def _one(token_id: str, key: str) -> tuple[ColumnElement[bool], ...]:
    return (ApiReplyRecord.token_id == token_id, ApiReplyRecord.key == key)
