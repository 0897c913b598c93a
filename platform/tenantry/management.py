"""The protocol by which a tenant's app offers its owner tables and actions in the backend.

A factory hands a :class:`SiteManagement` to :func:`init_management`. The backend renders its sections
as tables and calls everything within the app's own context.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flask import Flask

EXTENSION = "tenantry.management"


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a section's table."""

    name: str
    label: str


@dataclass(frozen=True, slots=True)
class Action:
    """Something that can be done with a row."""

    name: str
    label: str
    style: str = "secondary"
    """``"secondary"``, or ``"danger"`` for what cannot be taken back."""
    confirm: str | None = None
    """A question to answer first."""
    choices: tuple[str, ...] = ()
    """What to choose from, as the roles of a member."""


@dataclass(frozen=True, slots=True)
class Row:
    """One thing in a section."""

    id: str
    cells: Mapping[str, Any]
    url: str | None = None
    """Path on the tenant's own site."""
    actions: tuple[str, ...] = ()
    """Names of the actions that make sense for this row now."""


@dataclass(frozen=True, slots=True)
class Listing:
    """One page of rows."""

    rows: tuple[Row, ...] = field(default=())
    total: int = 0


class Section(Protocol):
    """A kind of thing that the owner manages: posts, members."""

    name: str
    label: str
    columns: tuple[Column, ...]
    actions: tuple[Action, ...]

    def find(self, *, search: str, page: int, size: int) -> Listing:
        """Return one page of the rows that match *search*; pages count from 1."""
        ...

    def act(self, action: str, row_id: str, *, choice: str | None, actor: str) -> str:
        """Do *action* with a row; return a sentence that says what was done.

        :param actor: E-mail address of who does it.
        :raises LookupError: The row is gone.
        :raises ValueError: It is refused; the message is a sentence for the page.
        """
        ...


class SiteManagement(Protocol):
    """All that the backend can do with a site."""

    sections: tuple[Section, ...]

    def entry_path(self, *, email: str, name: str) -> str:
        """Return a one-use path on the site that signs its owner in, good for a minute."""
        ...


def init_management(app: Flask, management: SiteManagement) -> None:
    """Offer the site's owner what *management* has, at ``/backend/`` on the site's host."""
    app.extensions[EXTENSION] = management
