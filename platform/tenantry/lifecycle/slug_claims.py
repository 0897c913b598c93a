"""Claims the slugs of tenants in creation, for the lifetime of a process."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING, Self

from tenantry.errors import TenantExistsError
from tenantry.files.locks import lock_number

if TYPE_CHECKING:
    from tenantry.settings import Settings


class Claims:
    """Slugs that no other command creates meanwhile; a context manager that releases all of them.

    One file for all: a claim is a lock on the number that is the slug's hash.
    """

    def __init__(self, settings: Settings) -> None:
        self._path = settings.run_dir / "creating.lock"
        self._taken: set[str] = set()

    def __enter__(self) -> Self:
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._file = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._file)

    def take(self, slug: str) -> None:
        """Claim the slug.

        :raises TenantExistsError: Another command is creating it now, or it is claimed here already.
        """
        if slug in self._taken:
            raise TenantExistsError(slug)
        number = int.from_bytes(hashlib.sha256(slug.encode()).digest()[:7], "big")
        try:
            lock_number(self._file, number)
        except BlockingIOError as error:
            raise TenantExistsError(slug) from error
        self._taken.add(slug)
