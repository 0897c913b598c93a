"""Requests, errors and latency as pages show them: numbers, lines over time, and their table."""

from __future__ import annotations

import logging
import sqlite3
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from flask import request

from backend_app.context import backend
from tenantry.resources.traffic import DAY, EVERYONE, HOUR, MINUTE, Traffic, TrafficFile, add_up

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tenantry.resources.traffic import Span

log = logging.getLogger(__name__)

MOST_LATE = 0.95
"""The share of requests whose latency is told: the slowest ones of all say little."""
WIDTH, HEIGHT = 240, 48
"""Units of a chart's picture; the page stretches it."""


@dataclass(frozen=True, slots=True)
class Range:
    """A stretch of time that can be chosen."""

    label: str
    span: Span
    count: int
    clock: str
    """How a moment in it is written."""


RANGES: Mapping[str, Range] = {
    "hour": Range("Last hour", MINUTE, 60, "%H:%M"),
    "day": Range("Last 24 hours", HOUR, 24, "%H:%M"),
    "month": Range("Last 30 days", DAY, 30, "%d %b"),
}
USUAL = "day"


@dataclass(frozen=True, slots=True)
class Chart:
    """One figure over time."""

    title: str
    total: str
    """The figure of the whole time, with its unit."""
    values: Sequence[float]
    unit: str = ""

    @property
    def line(self) -> str:
        """The points of an SVG polyline."""
        most = max(*self.values, 1)
        step = WIDTH / (len(self.values) - 1)
        return " ".join(
            f"{number * step:.1f},{HEIGHT - 2 - value / most * (HEIGHT - 4):.1f}"
            for number, value in enumerate(self.values)
        )

    @property
    def area(self) -> str:
        """The points of the polygon below the line."""
        return f"0,{HEIGHT} {self.line} {WIDTH},{HEIGHT}"

    @property
    def description(self) -> str:
        """What the picture shows, for those who do not see it."""
        least, most = (f"{value:,.0f}{self.unit}" for value in (min(self.values), max(self.values)))
        return f"{self.title}: between {least} and {most}"


@dataclass(frozen=True, slots=True)
class FiguresView:
    """The figures of one tenant, or of all, over a range of time."""

    name: str
    parts: Sequence[Traffic]

    @property
    def range(self) -> Range:
        """The stretch of time."""
        return RANGES[self.name]

    @property
    def charts(self) -> list[Chart]:
        """The pictures."""
        whole = add_up(self.parts)
        share = f" ({whole.errors / whole.requests:.1%})" if whole.errors else ""
        latency: Callable[[Traffic], float] = lambda part: part.quantile(MOST_LATE)  # noqa: E731
        return [
            Chart("Requests", f"{whole.requests:,}", [part.requests for part in self.parts]),
            Chart("Errors", f"{whole.errors:,}{share}", [part.errors for part in self.parts]),
            Chart(
                "Latency, 95 %",
                f"{latency(whole):,.0f} ms",
                [latency(part) for part in self.parts],
                " ms",
            ),
        ]

    @property
    def rows(self) -> list[tuple[str, Traffic, float]]:
        """The table behind the pictures: when, what, and the latency of most; the newest first."""
        clock = self.range.clock
        return [
            (time.strftime(clock, time.gmtime(part.start)), part, part.quantile(MOST_LATE))
            for part in reversed(self.parts)
            if part.requests
        ]

    @property
    def edges(self) -> tuple[str, str]:
        """When the range begins and ends."""
        first, last = self.parts[0], self.parts[-1]
        clock = self.range.clock
        return time.strftime(clock, time.gmtime(first.start)), time.strftime(
            clock, time.gmtime(last.start)
        )


def read_figures(tenant_id: str = EVERYONE) -> FiguresView | None:
    """Return this node's figures for the range that the request asks for.

    Figures are no reason to lose a page: if the file cannot be read there are none.
    """
    name = request.args.get("range", USUAL)
    name = name if name in RANGES else USUAL
    asked = RANGES[name]
    file = TrafficFile(backend().settings.figures_file)
    try:
        return FiguresView(name, file.read(asked.span, asked.count, tenant_id=tenant_id))
    except sqlite3.Error as error:
        log.warning("the figures cannot be read: %s", error)
        return None
