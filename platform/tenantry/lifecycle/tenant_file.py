"""Reads a CSV file of tenants to be created, as the command line and the console take it."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from tenantry.catalog import canonical_email
from tenantry.errors import BadEmailError, BadSlugError, TenantExistsError, TenantryError
from tenantry.lifecycle.create_many import Order
from tenantry.values.slugs import check_slug
from tenantry.values.tenant import TenantState

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from tenantry.catalog import Catalog

COLUMNS = ("slug", "name", "owner_email")


class TenantFileError(TenantryError):
    """The file as a whole cannot be used; no tenant was created."""

    message = "{path}: {problem}. Nothing was created."
    status = 422
    path: Path
    problem: str


class BadLineError(TenantryError):
    """One line of the file names no tenant."""

    message = "{problem}"
    problem: str


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the file: a tenant to be, or what is wrong with it."""

    number: int
    order: Order | None
    problem: str = ""

    def get_order(self) -> Order:
        """Return the tenant to be.

        :raises BadLineError: There is something wrong with it.
        """
        if self.order is None or self.problem:
            raise BadLineError(self.problem)
        return self.order


def read_lines(path: Path, *, plan: str | None = None, placement: str | None = None) -> list[Line]:
    """Read the whole file.

    :param plan: Of each tenant; so is *placement*.
    :raises TenantFileError: It is not CSV in UTF-8 with exactly the columns :data:`COLUMNS`.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise TenantFileError(path, str(error.strerror)) from error
    return parse_lines(content, path=path, plan=plan, placement=placement)


def parse_lines(
    content: bytes, *, path: Path, plan: str | None = None, placement: str | None = None
) -> list[Line]:
    """Read the content of a file; see :func:`read_lines`.

    :param path: What the file is called.
    """
    try:
        # utf-8-sig: spreadsheets put a byte order mark in front.
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise TenantFileError(path, f"not UTF-8 at byte {error.start}") from error
    records = _records(path, text)
    header = next(records, (1, []))[1]
    positions = _positions(path, header)
    every = {"plan": plan, "placement": placement}
    return [_line(number, record, positions, every) for number, record in records if any(record)]


def check_together(lines: Sequence[Line], catalog: Catalog) -> Iterator[Line]:
    """Yield the lines with what is wrong among them and with the catalog."""
    first: dict[str, int] = {}
    for line in lines:
        if line.order is None:
            yield line
            continue
        slug = line.order.slug
        if slug in first:
            yield replace(line, problem=f"{slug!r} is on line {first[slug]} already")
        elif problem := _find_problem(slug, catalog):
            yield replace(line, problem=problem)
        else:
            yield line
        first.setdefault(slug, line.number)


def _find_problem(slug: str, catalog: Catalog) -> str:
    found = catalog.tenants.find(slug)
    if found is not None and found.state is TenantState.PROVISIONING:
        # What an interruption has left half-made is no obstacle; create_tenants checks for that.
        return ""
    try:
        catalog.names.check(slug)
    except (BadSlugError, TenantExistsError) as error:
        return str(error)
    return ""


def _records(path: Path, text: str) -> Iterator[tuple[int, list[str]]]:
    """Yield each record with the number of its first line."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    while True:
        number = reader.line_num + 1
        try:
            yield number, next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise TenantFileError(path, f"line {number} is not CSV ({error})") from error


def _positions(path: Path, header: list[str]) -> list[int]:
    names = [name.strip() for name in header]
    missing = [name for name in COLUMNS if name not in names]
    extra = [name for name in names if name not in COLUMNS]
    twice = sorted({name for name in names if names.count(name) > 1} - set(extra))
    problems = [
        f"{label} {', '.join(map(repr, found))}"
        for label, found in (("missing", missing), ("unknown", extra), ("twice", twice))
        if found
    ]
    if problems:
        wanted = ",".join(COLUMNS)
        problem = f"the first line must be {wanted}; {'; '.join(problems)}"
        raise TenantFileError(path, problem)
    return [names.index(name) for name in COLUMNS]


def _line(number: int, record: list[str], positions: list[int], every: dict[str, Any]) -> Line:
    if len(record) != len(COLUMNS):
        return Line(number, None, f"{len(record)} columns instead of {len(COLUMNS)}")
    slug, name, email = (record[position].strip() for position in positions)
    try:
        order = Order(check_slug(slug), name or slug, canonical_email(email), **every)
    except (BadSlugError, BadEmailError) as error:
        return Line(number, None, str(error))
    return Line(number, order)
