"""What a table was asked to show: read from the query string, with every value in bounds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from flask import request

if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_PAGE = 100_000
MAX_SEARCH = 100


@dataclass(frozen=True, slots=True)
class TableQuery:
    """A page of rows, searched and sorted."""

    search: str = ""
    sort: str = ""
    page: int = 1

    @classmethod
    def from_request(cls, *, sorts: Iterable[str] = ()) -> TableQuery:
        """Read the request's query string; what it says wrongly counts as not said.

        :param sorts: Columns that the table can be sorted by, the usual one first.
        """
        allowed = list(sorts)
        wanted = request.args.get("sort", "")
        if wanted.removeprefix("-") not in allowed:
            wanted = allowed[0] if allowed else ""
        page = request.args.get("page", 1, type=int)
        search = "".join(char for char in request.args.get("search", "") if char.isprintable())
        return cls(search.strip()[:MAX_SEARCH], wanted, min(max(page, 1), MAX_PAGE))

    def sort_by(self, column: str) -> str:
        """Return the sort that a click on *column*'s heading asks for: a second click turns it."""
        return f"-{column}" if self.sort == column else column

    def direction(self, column: str) -> str:
        """Return the column's ``aria-sort``."""
        if self.sort.removeprefix("-") != column:
            return "none"
        return "descending" if self.sort.startswith("-") else "ascending"
