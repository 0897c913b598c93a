"""The operations on a tenant that a console and an API offer: one table for both."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from tenantry.lifecycle import offered_jobs as jobs
from tenantry.lifecycle import offered_states as states

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tenantry.lifecycle.declaration import Declaration

OPERATIONS: Mapping[str, Declaration] = MappingProxyType(
    {
        declaration.name: declaration
        for declaration in (
            states.resume,
            states.suspend,
            states.maintenance,
            states.release,
            states.rename,
            states.plan,
            states.owner,
            jobs.backup,
            jobs.verify,
            jobs.drill,
            jobs.restore,
            jobs.restore_beside,
            jobs.export,
            jobs.clone,
            jobs.move,
            states.drop_former,
            jobs.migrate,
            states.archive,
            states.undelete,
            jobs.delete,
            jobs.purge,
        )
    }
)
"""Each operation by its name, in the order of a page."""
