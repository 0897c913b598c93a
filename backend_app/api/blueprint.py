"""The API's kind of blueprint: what is not in a schema is refused, in the query as in the body."""

from __future__ import annotations

from typing import Any

import marshmallow as ma
from flask_smorest import Blueprint as SmorestBlueprint
from webargs.flaskparser import FlaskParser


class Schema(ma.Schema):
    """A schema that refuses fields it does not know: a misspelled filter would find too much."""

    class Meta:
        """The library's place for this choice."""

        unknown = ma.RAISE


class Flag(ma.fields.Boolean):
    """A boolean as JSON has it: 1 and "yes" are none."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **options: Any) -> Any:
        if not isinstance(value, bool):
            raise self.make_error("invalid", input=value)
        return super()._deserialize(value, attr, data, **options)


class WholeNumber(ma.fields.Integer):
    """An integer as JSON Schema has it: 7.0 is one; "7" and true are none."""

    def _validated(self, value: Any) -> int:
        if isinstance(value, bool):
            raise self.make_error("invalid", input=value)
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        return super()._validated(value)


class Blueprint(SmorestBlueprint):
    """A group of the API's calls."""

    ARGUMENTS_PARSER = FlaskParser(unknown=ma.RAISE)
    """By itself the library ignores what is unknown in a query."""
