"""Where data is, said without a tenant: of one that moves there are two."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Location:
    """A tenant's place on a placement, whatever else is known of the tenant."""

    id: str
    """The tenant's, which names its file, or its schema and role."""
    placement: str
