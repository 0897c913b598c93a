"""The API's kind of blueprint: what is not in a schema is refused, in the query as in the body."""

from __future__ import annotations

import marshmallow as ma
from flask_smorest import Blueprint as SmorestBlueprint
from webargs.flaskparser import FlaskParser


class Schema(ma.Schema):
    """A schema that refuses fields it does not know: a misspelled filter would find too much."""

    class Meta:
        """The library's place for this choice."""

        unknown = ma.RAISE


class Blueprint(SmorestBlueprint):
    """A group of the API's calls."""

    ARGUMENTS_PARSER = FlaskParser(unknown=ma.RAISE)
    """By itself the library ignores what is unknown in a query."""
