"""Counts requests by tenant, and stores the counts for the next generation of workers.

Each worker writes down now and then whom it was asked for. Its successor reads what all of them have
written (:mod:`tenantry.worker.warmup`).
"""

from __future__ import annotations

import json
import logging
from collections import defaultdict
from typing import TYPE_CHECKING

from tenantry.files.atomic import write_atomically

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

    from tenantry.resources.usage import Ledger

log = logging.getLogger(__name__)

MAX_LISTED = 1000
"""Tenants in a worker's list."""

BEYOND_BELIEF = 1e15
"""Nobody was asked for so often: the list is damaged."""

KEPT = 0.5
"""What the requests of the last generation of workers still count in the next one."""

LEFT_BEHIND = 600.0
"""A list that is so many seconds older than the newest one is of a worker that is no more."""


class Popularity:
    """One worker's list, and what all of them have left.

    :param folder: Where the workers' lists are.
    :param worker: This worker's number; a successor with the same number replaces the list.
    """

    def __init__(self, folder: Path, worker: int, ledger: Ledger) -> None:
        self._folder = folder
        self._file = folder / f"{worker}.json"
        self._ledger = ledger
        self._before: dict[str, float] | None = None
        """This worker's part of what the last generation left; ``None`` until it has been read."""

    def load(self) -> list[str]:
        """Read all workers' lists; return the tenants' ids, the most used one first."""
        lists = [_read(file) for file in _living(self._folder)]
        before: dict[str, float] = defaultdict(float)
        for one in lists:
            for tenant_id, requests in one.items():
                before[tenant_id] += requests * KEPT / len(lists)
        self._before = dict(sorted(before.items(), key=lambda pair: pair[1], reverse=True))
        return list(self._before)

    def save(self) -> None:
        """Write this worker's list; a reader sees the old one or the new one, nothing between."""
        if self._before is None:  # what nobody has read yet must not be overwritten
            self.load()
        counts = dict(self._before or {})
        for tenant_id, usage in self._ledger.top("requests", MAX_LISTED):
            counts[tenant_id] = counts.get(tenant_id, 0) + usage.requests
        most = sorted(counts.items(), key=lambda pair: pair[1], reverse=True)[:MAX_LISTED]
        listed = [(tenant_id, round(requests, 3)) for tenant_id, requests in most]
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            _write(self._file, dict(listed))
        except OSError as error:
            log.warning("the list of the most used tenants cannot be written: %s", error)

    def forget(self, tenant_ids: Collection[str]) -> None:
        """Leave tenants that are no more out of the lists that will be written."""
        before = self._before
        if before is not None:
            self._before = {key: value for key, value in before.items() if key not in tenant_ids}


def lists_with(folder: Path, tenant_id: str) -> list[Path]:
    """Return the workers' lists in which a tenant is."""
    return [file for file in sorted(folder.glob("*.json")) if tenant_id in _read(file)]


def take_out(folder: Path, tenant_id: str) -> None:
    """Take a tenant out of all lists. A worker that runs hears of it through the change feed."""
    for file in lists_with(folder, tenant_id):
        listed = _read(file)
        listed.pop(tenant_id, None)
        _write(file, listed)


def _write(file: Path, listed: Mapping[str, float]) -> None:
    write_atomically(file, json.dumps(listed), lasting=False)


def _living(folder: Path) -> list[Path]:
    """Return the lists, without those of workers of which there were more once."""
    files = {file: file.stat().st_mtime for file in sorted(folder.glob("*.json"))}
    newest = max(files.values(), default=0.0)
    return [file for file, written in files.items() if newest - written <= LEFT_BEHIND]


def _read(file: Path) -> dict[str, float]:
    """Return a list; what cannot be read was never written."""
    try:
        found = json.loads(file.read_text())
    except (OSError, ValueError):
        return {}
    if not isinstance(found, dict):
        return {}
    return {
        tenant_id: requests
        for tenant_id, requests in found.items()
        if isinstance(requests, int | float) and 0 < requests < BEYOND_BELIEF
    }
