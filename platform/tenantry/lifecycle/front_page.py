"""Changes the front page, on all nodes of a fleet."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tenantry.lifecycle.everywhere import obeyed_everywhere

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tenantry.lifecycle.operations import Operations
    from tenantry.values.front_page import FrontPage


@obeyed_everywhere
def change_front_page(
    operations: Operations, changes: Mapping[str, Any], *, after: int
) -> FrontPage:
    """Save a revision of the front page; see :meth:`~tenantry.catalog.front_pages.FrontPages.save`.

    :param after: The revision that the author of the changes has seen.
    :raises BadArgumentError: A text is too long or missing, or a colour is none.
    :raises BadImageError: The logo cannot be used.
    :raises FrontPageConflictError: There is a newer revision than that.
    """
    return operations.catalog.front_pages.save(changes, after=after, by=operations.actor)
