"""The menu of a site: its pages stand there beside the posts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import g

from tenants.reading import list_pages

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Row

IN_MENU = 8
"""Pages that the menu has room for; the archive lists all."""


def list_menu() -> Sequence[Row[tuple[str, str]]]:
    """Return slug and title of the pages in the menu; asked for once a request.

    While the database is out of order, there are none.
    """
    if g.get("without_database"):
        return ()
    if "menu" not in g:
        g.menu = list_pages(IN_MENU)
    menu: Sequence[Row[tuple[str, str]]] = g.menu
    return menu
