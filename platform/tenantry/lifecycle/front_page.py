"""Changes the front page, on all nodes of a fleet."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tenantry.errors import NoFrontPageError, TermsFileError
from tenantry.lifecycle.everywhere import obeyed_everywhere
from tenantry.values.front_page import CONTENT, FrontPage

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tenantry.lifecycle.operations import Operations


@obeyed_everywhere
def change_front_page(
    operations: Operations, changes: Mapping[str, Any], *, after: int
) -> FrontPage:
    """Save a revision of the front page; see :meth:`~tenantry.catalog.front_pages.FrontPages.save`.

    :param after: The revision that the author of the changes has seen.
    :raises BadArgumentError: A text is too long or missing, or a colour is none.
    :raises BadImageError: The logo cannot be used.
    :raises FrontPageConflictError: There is a newer revision than that.
    :raises TermsFileError: The terms are those of a file.
    """
    _check_terms(operations, changes)
    return operations.catalog.front_pages.save(changes, after=after, by=operations.actor)


def preview_front_page(operations: Operations, changes: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the names of what :func:`change_front_page` would change now; it raises the same."""
    _check_terms(operations, changes)
    newest = operations.catalog.front_pages.get()
    return newest.change(changes).find_changed(newest)


def get_front_page(operations: Operations, revision: int) -> FrontPage:
    """Return a revision; 0 is what Tenantry comes with.

    :raises NoFrontPageError: There is no such revision.
    """
    page = FrontPage() if revision == 0 else operations.catalog.front_pages.find(revision)
    if page is None:
        raise NoFrontPageError(revision)
    return page


def get_front_page_content(operations: Operations, revision: int) -> dict[str, Any]:
    """Return the changes that show a revision again.

    :raises NoFrontPageError: There is no such revision.
    """
    page, is_fixed = (
        get_front_page(operations, revision),
        operations.settings.terms_file is not None,
    )
    return {name: getattr(page, name) for name in CONTENT if name != "terms" or not is_fixed}


def _check_terms(operations: Operations, changes: Mapping[str, Any]) -> None:
    file = operations.settings.terms_file
    if file is not None and "terms" in changes:
        raise TermsFileError(str(file))
