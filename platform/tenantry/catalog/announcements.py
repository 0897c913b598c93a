"""Announcements: what operators tell the owners of sites, on their pages and by mail."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select

from tenantry.catalog.models import AnnouncementRecord, now
from tenantry.catalog.text import storable

if TYPE_CHECKING:
    from datetime import datetime

    from tenantry.catalog.store import Store
    from tenantry.catalog.values import Actor, Announcement

MAX_SUBJECT = 120
MAX_TEXT = 1000
SHOWN = 3
"""Announcements that one page shows, at most."""


class Announcements:
    """The record of announcements."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def add(
        self,
        subject: str,
        text: str,
        *,
        plan: str = "",
        by_mail: bool,
        ends_at: datetime,
        by: Actor,
    ) -> Announcement:
        """Announce something until *ends_at*; the mails are a job's.

        :param plan: Only to owners of sites with this plan; empty for all.
        """
        with self._store.writing(by) as writer:
            record = AnnouncementRecord(
                subject=storable(subject, MAX_SUBJECT),
                text=storable(text, MAX_TEXT),
                plan=plan,
                by_mail=by_mail,
                actor=by.label,
                ends_at=ends_at,
            )
            writer.session.add(record)
            writer.session.flush()
            detail = {"subject": record.subject, "plan": plan, "by_mail": by_mail}
            writer.audit("announcement.add", detail=detail)
            return record.to_announcement()

    def withdraw(self, announcement_id: int, *, by: Actor) -> bool:
        """Take an announcement off the pages; return whether it stood there."""
        with self._store.writing(by) as writer:
            record = writer.session.get(AnnouncementRecord, announcement_id)
            if record is None or record.ends_at <= now():
                return False
            record.ends_at = now()
            writer.audit("announcement.withdraw", detail={"subject": record.subject})
            return True

    def find(self, announcement_id: int) -> Announcement | None:
        """Return an announcement, also one that is over."""
        with self._store.reading() as session:
            record = session.get(AnnouncementRecord, announcement_id)
            return None if record is None else record.to_announcement()

    def find_current(self, plan: str) -> tuple[Announcement, ...]:
        """Return what owners of sites with this plan are told now, the newest first."""
        query = (
            select(AnnouncementRecord)
            .where(AnnouncementRecord.ends_at > now(), AnnouncementRecord.plan.in_(("", plan)))
            .order_by(AnnouncementRecord.id.desc())
            .limit(SHOWN)
        )
        with self._store.reading() as session:
            return tuple(record.to_announcement() for record in session.scalars(query))

    def list(self, *, limit: int = 50) -> tuple[Announcement, ...]:
        """Return the newest announcements, the newest first."""
        query = select(AnnouncementRecord).order_by(AnnouncementRecord.id.desc()).limit(limit)
        with self._store.reading() as session:
            return tuple(record.to_announcement() for record in session.scalars(query))
