"""The pages that a worker keeps in memory, within limits for each site and for all together."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Hashable

SHARE = 8
"""One site has at most this part of the room, however few others there are."""
LARGEST = 4
"""One page has at most this part of its site's room."""
OVERHEAD = 1500
"""Bytes that a page takes beside its body, its headers and its key."""


@dataclass(eq=False, slots=True)
class KeptPage:
    """What was answered."""

    body: bytes
    headers: tuple[tuple[str, str], ...]
    packed: bytes | None = None
    """The body with gzip, once somebody has asked for it."""
    until: float | None = None
    """Unix time at which it stops being what the view shows; ``None``: only a write ends it."""

    @property
    def size(self) -> int:
        """Bytes in memory, about; there is always room for the packed body."""
        head = sum(len(name) + len(value) for name, value in self.headers)
        return len(self.body) * 3 // 2 + head + OVERHEAD


@dataclass(slots=True)
class _Site:
    """The pages of one site, the least recently used one first; all are of one content."""

    content: Hashable = None
    size: int = 0
    pages: OrderedDict[Hashable, KeptPage] = field(default_factory=OrderedDict)


class KeptPages:
    """Keeps pages. The site that takes most of the room is the one that gives some up.

    :param room: Bytes in all; 0 keeps nothing.
    """

    def __init__(self, room: int) -> None:
        self.room = room
        # Owns what is below, for a few look-ups at a time.
        self._lock = threading.Lock()
        self._size = 0
        self._sites: dict[str, _Site] = {}

    def __repr__(self) -> str:
        pages = sum(len(site.pages) for site in tuple(self._sites.values()))
        return (
            f"<KeptPages: {pages} of {len(self._sites)} sites, {self._size} of {self.room} bytes>"
        )

    @property
    def size(self) -> int:
        """Bytes in use."""
        return self._size

    def has(self, tenant_id: str, key: Hashable) -> bool:
        """Say whether there is such a page, fresh or not: this costs less than to ask what is fresh."""
        site = self._sites.get(tenant_id)
        return site is not None and key in site.pages

    def find(self, tenant_id: str, content: Hashable, key: Hashable) -> KeptPage | None:
        """Return a page that was made of this content, and whose time is not over."""
        with self._lock:
            site = self._sites.get(tenant_id)
            if site is None or site.content != content or key not in site.pages:
                return None
            until = site.pages[key].until
            if until is not None and time.time() >= until:
                self._remove(site, key)
                return None
            site.pages.move_to_end(key)
            return site.pages[key]

    def keep(self, tenant_id: str, content: Hashable, key: Hashable, page: KeptPage) -> None:
        """Keep a page that was made of this content; what was made of another one is dropped."""
        if page.size > self.room // SHARE // LARGEST:
            return
        with self._lock:
            site = self._sites.setdefault(tenant_id, _Site())
            if site.content != content:
                self._empty(site)
                site.content = content
            if key in site.pages:
                self._remove(site, key)
            site.pages[key] = page
            site.size += page.size
            self._size += page.size
            while site.size > self.room // SHARE:
                self._remove(site, next(iter(site.pages)))
            while self._size > self.room:
                self._make_room()

    def _make_room(self) -> None:
        tenant_id, largest = max(self._sites.items(), key=lambda item: item[1].size)
        self._remove(largest, next(iter(largest.pages)))
        if not largest.pages:
            del self._sites[tenant_id]

    def _empty(self, site: _Site) -> None:
        self._size -= site.size
        site.pages.clear()
        site.size = 0

    def _remove(self, site: _Site, key: Hashable) -> None:
        size = site.pages.pop(key).size
        site.size -= size
        self._size -= size
