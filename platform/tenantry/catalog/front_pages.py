"""The front page's revisions: the newest one from memory, all others from the table."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select

from tenantry.catalog.models import FrontPageRecord, now
from tenantry.errors import CatalogUnavailableError, FrontPageConflictError
from tenantry.values.front_page import FrontPage

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tenantry.catalog.store import Store
    from tenantry.catalog.values import Actor, Page
    from tenantry.values.front_page import FrontPageRevision

log = logging.getLogger(__name__)

PAUSE_AFTER_FAILURE = 1.0
"""Seconds without asking a catalog that did not answer; stale beats dead."""
KEPT_SECONDS = 30.0
"""After so long the catalog is asked anyway: commands and job workers follow no other node."""


class FrontPages:
    """What the catalog knows of the front page."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._era: object = object()  # another one after each change that another node has made
        self._known: tuple[int, object, FrontPage] = (-1, None, FrontPage())
        self._asked_at = self._silent_until = 0.0

    def get(self) -> FrontPage:
        """Return the newest revision. In an unchanged world that costs no question to the catalog.

        While the catalog does not answer, it is the newest one that this process has seen.
        """
        counter, era, moment = self._store.signal.cell[0], self._era, time.monotonic()
        seen, known_era, page = self._known
        if counter == seen and era is known_era and moment < self._asked_at + KEPT_SECONDS:
            return page
        if moment < self._silent_until:
            return page
        try:
            page = self._read_newest(page)
        except CatalogUnavailableError as error:
            self._silent_until = time.monotonic() + PAUSE_AFTER_FAILURE
            log.warning("the front page stays as it was: %s", error)
        else:
            # Counter and era were read first: what is committed after that changes one of them.
            self._known, self._asked_at = (counter, era, page), moment
        return page

    def look_again(self) -> None:
        """Ask the catalog at the next call: the counter does not show what other nodes change."""
        self._era = object()

    def find(self, revision: int) -> FrontPage | None:
        """Return a revision, if there is one with this number."""
        with self._store.reading() as session:
            record = session.get(FrontPageRecord, revision)
            return record.to_page() if record is not None else None

    def list(self, *, page: int = 1, size: int = 20) -> Page[FrontPageRevision]:
        """Return a page of the revisions, the newest first."""
        query, order = select(FrontPageRecord), FrontPageRecord.revision.desc()
        convert = FrontPageRecord.to_revision
        return self._store.read_page(query, order, convert=convert, page=page, size=size)

    def save(self, changes: Mapping[str, Any], *, after: int, by: Actor) -> FrontPage:
        """Add a revision with these changes; every worker shows it at its next request.

        Without a difference there is none.

        :param changes: New content by the names of :class:`FrontPage`.
        :param after: The revision that the author of the changes has seen.
        :raises BadArgumentError: A text is too long or missing, or a colour is none.
        :raises BadImageError: The logo cannot be used.
        :raises FrontPageConflictError: There is a newer revision than that.
        """
        with self._store.writing(by) as writer:
            newest = select(FrontPageRecord).order_by(FrontPageRecord.revision.desc()).limit(1)
            record = writer.session.scalar(newest)
            found = record.to_page() if record is not None else FrontPage()
            if found.revision != after:
                raise FrontPageConflictError(found.revision, record.actor if record else "nobody")
            page = found.change(changes)
            if not (changed := page.find_changed(found)):
                return found
            record = FrontPageRecord.of(page, revision=after + 1, changed=changed)
            record.created_at, record.actor = now(), by.label[:254]
            writer.session.add(record)
            detail = {"revision": after + 1, "changed": ", ".join(changed)}
            writer.platform_changed("front.change", detail)
            return record.to_page()

    def _read_newest(self, known: FrontPage) -> FrontPage:
        """Return the newest revision; its texts are read only if it is another one."""
        with self._store.reading() as session:
            newest = session.scalar(select(func.max(FrontPageRecord.revision))) or 0
            if newest == known.revision:
                return known
            record = session.get(FrontPageRecord, newest)
            return record.to_page() if record is not None else FrontPage()
