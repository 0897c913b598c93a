"""One long table of the console: its search, filters, sort and place are all in its address."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from flask import Response, request, stream_with_context, url_for

from backend_app.tables import MAX_SEARCH

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from tenantry.catalog import Slice

MAX_CURSOR = 600
CSV_SIZE = 500
"""Rows that one transaction reads for a download."""
FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet takes for the beginning of a formula."""


@dataclass(frozen=True, slots=True)
class Choice:
    """A filter: one of a few values, or all."""

    name: str
    label: str
    options: Mapping[str, str]
    """Each value with its words."""
    value: str = ""

    @property
    def shown(self) -> str:
        """What is chosen, in words."""
        return self.options.get(self.value, self.value)


class Chip(NamedTuple):
    """A filter that is set, and the address without it."""

    label: str
    url: str


@dataclass(frozen=True, slots=True)
class Listing:
    """What a table was asked to show. What an address says wrongly counts as not said."""

    endpoint: str
    search: str = ""
    sort: str = ""
    usual_sort: str = ""
    cursor: str = ""
    choices: tuple[Choice, ...] = ()
    columns: tuple[str, ...] = ()
    """The columns that are shown, of those that can be chosen."""
    usual_columns: tuple[str, ...] = ()
    fixed: Mapping[str, Any] = field(default_factory=dict)
    """Further parts of the address, which no filter changes."""

    @classmethod
    def from_request(
        cls,
        endpoint: str,
        *,
        sorts: Sequence[str] = (),
        choices: Iterable[Choice] = (),
        columns: Mapping[str, bool] = MappingProxyType({}),
    ) -> Listing:
        """Read the request's query string.

        :param sorts: Columns that the table can be sorted by, the usual sort first.
        :param columns: Those that can be chosen, in their order, and whether each usually is.
        """
        usual_columns = tuple(name for name, is_usual in columns.items() if is_usual)
        wanted = request.args.getlist("column")
        asked = request.args.get
        usual = sorts[0] if sorts else ""
        sort = asked("sort", "")
        allowed = {name.removeprefix("-") for name in sorts}
        search = "".join(char for char in asked("search", "") if char.isprintable())
        chosen = (replace(choice, value=asked(choice.name, "")) for choice in choices)
        return cls(
            endpoint,
            search=search.strip()[:MAX_SEARCH],
            sort=sort if sort.removeprefix("-") in allowed else usual,
            usual_sort=usual,
            cursor=asked("at", "")[:MAX_CURSOR],
            columns=tuple(name for name in columns if name in wanted) or usual_columns,
            usual_columns=usual_columns,
            choices=tuple(
                choice if choice.value in choice.options else replace(choice, value="")
                for choice in chosen
            ),
        )

    def chosen(self, name: str) -> str:
        """Return the value of a filter; empty for all."""
        return next((choice.value for choice in self.choices if choice.name == name), "")

    @property
    def is_filtered(self) -> bool:
        """Whether something is left out."""
        return bool(self.search or any(choice.value for choice in self.choices))

    def url(self, *, endpoint: str = "", **changes: str) -> str:
        """Return the table's address with *changes*; without one of the cursor, of its first page."""
        parts = {choice.name: choice.value for choice in self.choices}
        parts |= {"search": self.search, "sort": self.sort, **changes}
        if parts["sort"] == self.usual_sort:
            parts["sort"] = ""
        kept: dict[str, Any] = {name: value for name, value in parts.items() if value}
        if self.columns != self.usual_columns:
            kept["column"] = self.columns
        return url_for(endpoint or self.endpoint, **self.fixed, **kept)

    def sort_url(self, column: str) -> str:
        """Return the address that a column's heading leads to: a second click turns the sort."""
        return self.url(sort=f"-{column}" if self.sort == column else column)

    def direction(self, column: str) -> str:
        """Return the column's ``aria-sort``."""
        if self.sort.removeprefix("-") != column:
            return "none"
        return "descending" if self.sort.startswith("-") else "ascending"

    @property
    def chips(self) -> list[Chip]:
        """The filters that are set."""
        set_choices = (choice for choice in self.choices if choice.value)
        found = [
            Chip(f"{choice.label}: {choice.shown}", self.url(**{choice.name: ""}))
            for choice in set_choices
        ]
        if self.search:
            found.insert(0, Chip(f"“{self.search}”", self.url(search="")))
        return found


def send_csv(
    name: str,
    heads: Sequence[str],
    read: Callable[[str], Slice[Any]],
    to_cells: Callable[[Any], Sequence[object]],
) -> Response:
    """Return everything that a table's filter finds, as a file to keep.

    :param read: Returns the page that a cursor leads to.
    """

    def lines() -> Iterator[str]:
        yield _to_line(heads)
        cursor = ""
        while True:
            found = read(cursor)
            yield "".join(_to_line(to_cells(item)) for item in found.items)
            if not (cursor := found.following):
                return

    response = Response(stream_with_context(lines()), mimetype="text/csv")
    response.headers["Content-Disposition"] = f'attachment; filename="{name}.csv"'
    return response


def _to_line(cells: Sequence[object]) -> str:
    line = io.StringIO()
    csv.writer(line).writerow([_to_cell(cell) for cell in cells])
    return line.getvalue()


def _to_cell(value: object) -> str:
    """Return a cell that no spreadsheet runs: names are chosen by customers."""
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(FORMULA) else text
