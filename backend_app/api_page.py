"""The API's calls on a page, each with a form that tries it in the browser."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flask import Blueprint, render_template, url_for

from backend_app.access import SIGNED_IN, open_to
from backend_app.api import make_document

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from flask.typing import ResponseReturnValue

bp = Blueprint("api_page", __name__)


@dataclass(frozen=True, slots=True)
class Value:
    """Something that a call takes."""

    name: str
    place: str
    """``path``, ``query``, ``header`` or ``body``."""
    text: str
    is_required: bool


@dataclass(frozen=True, slots=True)
class Call:
    """A call as the page shows it."""

    id: str
    group: str
    method: str
    path: str
    summary: str
    text: str
    values: tuple[Value, ...]

    @property
    def example(self) -> str:
        """A body to begin with: what is required, empty."""
        body = {it.name: "" for it in self.values if it.place == "body" and it.is_required}
        return json.dumps(body)

    @property
    def takes_body(self) -> bool:
        return any(value.place == "body" for value in self.values)


@bp.get("/api")
@open_to(SIGNED_IN)
def index() -> ResponseReturnValue:
    """Show all calls, by what they are about."""
    document = make_document()
    groups: dict[str, list[Call]] = {}
    for call in read_calls(document):
        groups.setdefault(call.group, []).append(call)
    texts = {tag["name"]: tag.get("description", "") for tag in document.get("tags", ())}
    return render_template(
        "backend/api.html", groups=groups, texts=texts, base=url_for(".index") + "/v1"
    )


def read_calls(document: Mapping[str, Any]) -> Iterator[Call]:
    """Yield the calls of an OpenAPI document."""
    for path, item in document["paths"].items():
        shared = item.get("parameters", [])
        for method, operation in item.items():
            if method == "parameters":
                continue
            values = [_read_parameter(it) for it in (*shared, *operation.get("parameters", ()))]
            yield Call(
                id=operation["operationId"],
                group=operation["tags"][0],
                method=method.upper(),
                path=path,
                summary=operation["summary"],
                text=operation["description"],
                values=(*values, *_read_body(document, operation)),
            )


def _read_parameter(found: Mapping[str, Any]) -> Value:
    text = found.get("description") or found["schema"].get("description", "")
    return Value(found["name"], found["in"], text, bool(found.get("required")))


def _read_body(document: Mapping[str, Any], operation: Mapping[str, Any]) -> Iterator[Value]:
    content = operation.get("requestBody", {}).get("content", {})
    reference = content.get("application/json", {}).get("schema", {}).get("$ref")
    if reference is None:
        return
    schema = document["components"]["schemas"][reference.rpartition("/")[2]]
    for name, found in schema.get("properties", {}).items():
        is_required = name in schema.get("required", ())
        yield Value(name, "body", found.get("description", ""), is_required)
