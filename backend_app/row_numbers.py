"""Numbers of rows in addresses: one that no row can have is not found."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from werkzeug.routing import IntegerConverter

if TYPE_CHECKING:
    from flask import Flask

LARGEST = 2**63 - 1
"""What a column of large numbers can hold, on both kinds of catalogs."""


class RowNumberConverter(IntegerConverter):
    """Finds nothing for a larger number, which a catalog would refuse with an error."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **{"max": LARGEST, **options})


def init_row_numbers(app: Flask) -> None:
    """Let ``<int:...>`` in the app's rules be the number of a row. Call it before there are rules."""
    app.url_map.converters["int"] = RowNumberConverter
