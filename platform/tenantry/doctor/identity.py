"""Recognises a tenant: its names in keys, and its mark in data from its requests."""

from __future__ import annotations

import weakref
from dataclasses import dataclass
from pathlib import PurePath
from types import FunctionType
from typing import TYPE_CHECKING, Any

from tenantry.doctor.parts import LEAVES, instance_dict, slot_values

if TYPE_CHECKING:
    from tenantry.values.tenant import Tenant

DEPTH = 3
"""How deep a key is looked into."""

MOST = 50
"""Attributes of a key that are looked at."""


@dataclass(frozen=True, eq=False)
class Identity:
    """One throw-away tenant.

    :param mark: Letters that occur nowhere else; they are part of all that its visitors send, and of
        its slug and name.
    """

    tenant: Tenant
    app: Any
    mark: str

    def is_in(self, value: str | bytes) -> bool:
        """Say whether a text speaks of this tenant or comes from its visitors."""
        if isinstance(value, bytes):
            return self.mark.encode() in value or self.tenant.id.encode() in value
        return self.mark in value or self.tenant.id in value

    def keys(self, key: Any, depth: int = DEPTH) -> bool:  # noqa: PLR0911 - a table of kinds
        """Say whether *key* names this tenant, so that what is kept under it is the tenant's own.

        Its id, its slug or host, its app or itself will do; what its visitors sent will not: the
        neighbour's visitors may send the same.
        """
        kind = type(key)
        if kind is str or issubclass(kind, PurePath):
            text = str(key)
            return self.tenant.slug in text or self.tenant.id in text
        if kind is bytes:
            return self.keys(key.decode("latin-1"))
        if key is None:
            return False
        if kind is int:
            return bool(key == id(self.app)) and self.app is not None
        if key is self.app or key is self.tenant:
            return True
        if depth == 0:
            return False
        if issubclass(kind, weakref.ref):
            return self.keys(weakref.ref.__call__(key), depth - 1)
        if kind in (tuple, frozenset):
            return any(self.keys(part, depth - 1) for part in key)
        if kind in LEAVES or kind is FunctionType or issubclass(kind, type):
            return False
        parts = [*(instance_dict(key) or {}).values(), *(value for _, value in slot_values(key))]
        return any(self.keys(part, min(depth - 1, 1)) for part in parts[:MOST])

    def marks(self, key: Any, depth: int = DEPTH) -> bool:
        """Say whether something in *key* comes from this tenant's visitors."""
        if isinstance(key, str | bytes):
            return self.is_in(key)
        return (
            depth > 0
            and type(key) in (tuple, frozenset, list)
            and any(self.marks(part, depth - 1) for part in key)
        )
