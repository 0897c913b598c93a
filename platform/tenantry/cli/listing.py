"""Options and paging of all listings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tenantry.catalog import Catalog, Page
    from tenantry.values.tenant import Tenant

T = TypeVar("T")

BATCH = 500
"""Items that are read at once when all are wanted."""

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, and nothing else.")


def paged(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a listing the options ``--page``, ``--size``, ``--all`` and ``--json``."""
    options = [
        click.option("--page", type=click.IntRange(1), default=1, show_default=True),
        click.option("--size", type=click.IntRange(1, 1000), default=50, show_default=True),
        click.option("--all", "every", is_flag=True, help="All pages."),
        json_option,
    ]
    for option in reversed(options):
        command = option(command)
    return command


def pages_of(
    read: Callable[[int, int], Page[T]], *, page: int, size: int, every: bool
) -> Iterator[Page[T]]:
    """Yield the page asked for, or every page."""
    if not every:
        yield read(page, size)
        return
    part = read(1, BATCH)
    yield part
    while part.has_next:
        part = read(part.number + 1, BATCH)
        yield part


def every_tenant(catalog: Catalog) -> Iterator[Tenant]:
    """Yield all tenants, whatever their state."""
    pages = pages_of(
        lambda page, size: catalog.tenants.list(page=page, size=size), page=1, size=1, every=True
    )
    return (row.tenant for page in pages for row in page.items)


def show_rest(part: Page[Any], *, every: bool) -> None:
    """Say on stderr which page this was, if there are more: stdout is the listing's."""
    if part.pages > 1 and not every:
        more = f"Page {part.number} of {part.pages}, {part.total} in all; --page or --all for more."
        click.echo(more, err=True)
