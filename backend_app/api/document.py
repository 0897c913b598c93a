"""The OpenAPI document: what the schemas say, and what holds for every call."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import flask_smorest
from flask import Blueprint, current_app, jsonify

from backend_app.api.access import needs, needs_of
from backend_app.api.matching import takes_match
from backend_app.api.schemas import ProblemSchema
from tenantry.values.api_scopes import SCOPES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flask import Flask
    from flask.typing import ResponseReturnValue
    from werkzeug.routing import Rule

bp = Blueprint("document", __name__)

DOCUMENT = "tenantry.api.document"
"""Where apps have the function that returns it."""

TITLE = "Tenantry"
VERSION = "1"
ABOUT = (
    "Manage the sites of a Tenantry platform. Every call carries a token: "
    "`Authorization: Bearer tnt_...`. Every error is a problem document (RFC 9457)."
)

ERRORS = {
    400: "The request is malformed.",
    401: "There is no token, or it is not valid.",
    403: "The token has not the scope, or is for one site.",
    404: "There is no such thing, or the token may not see it.",
    405: "The address does not take this method.",
    409: "The present state does not allow it.",
    412: "It has changed: its revision is not that of `If-Match`.",
    413: "The body is too large.",
    415: "The body is not JSON.",
    422: "A value cannot be.",
    428: "`If-Match` is missing.",
    429: "Too many calls; `Retry-After` says how long to wait.",
    500: "Something went wrong in the platform.",
    503: "Something does not answer; `Retry-After` says when to try again.",
    507: "There is no room.",
}
"""What each error status means."""

EVERYWHERE = (400, 401, 403, 404, 405, 422, 429, 500, 503)
WITH_CHANGE = (409, 412, 413, 415, 428, 507)


_TENANT, _HOOK, _JOB = ({name: "$response.body#/id"} for name in ("tenant", "webhook_id", "job_id"))
_HOST = {"tenant": "$request.path.tenant", "host": "$response.body#/name"}
_MESSAGE = {"webhook_id": "$request.path.webhook_id", "delivery_id": "$response.body#/id"}
LINKS: Mapping[str, tuple[Mapping[str, str], tuple[str, ...]]] = {
    "tenants_create": (_TENANT, ("tenants_show", "tenants_change", "operations_suspend")),
    "accounts_create": ({"account_id": "$response.body#/id"}, ("accounts_show",)),
    "hosts_add": (_HOST, ("hosts_show", "hosts_change", "hosts_check", "hosts_remove")),
    "operations_backup": (_JOB, ("jobs_show", "jobs_cancel")),
    "webhooks_create": (
        _HOOK,
        (
            *("webhooks_show", "webhooks_change", "webhooks_show_secret", "webhooks_renew_secret"),
            *("webhooks_send_test", "webhooks_list_deliveries", "webhooks_remove"),
        ),
    ),
    "webhooks_send_test": (_MESSAGE, ("webhooks_send_again",)),
}
"""What can be done next with what a call has made: the values that name it, and the calls."""


class Api(flask_smorest.Api):
    """The library's extension, without its own shape of errors and its own pages."""

    ERROR_SCHEMA = ProblemSchema

    def _register_error_handlers(self) -> None:
        """Leave errors to :mod:`backend_app.api.problems`."""


@bp.get("/openapi.json")
@needs(None)
def openapi() -> ResponseReturnValue:
    """Return the document: it has no secret, so it needs no token."""
    return jsonify(current_app.extensions[DOCUMENT]())


def build_document(api: Api, app: Flask) -> dict[str, Any]:
    """Return the document of the calls that are registered."""
    document: dict[str, Any] = api.spec.to_dict()
    document["info"]["description"] = ABOUT
    document["servers"] = [{"url": "/backend/api/v1"}]
    components = document.setdefault("components", {})
    components["securitySchemes"] = {
        "token": {
            "type": "http",
            "scheme": "bearer",
            "description": "Scopes: "
            + " ".join(f"`{name}`: {text}." for name, text in SCOPES.items()),
        }
    }
    schema = {"$ref": "#/components/schemas/Problem"}
    components["responses"] = {
        f"Error{status}": {
            "description": text,
            "content": {"application/problem+json": {"schema": schema}},
        }
        for status, text in ERRORS.items()
    }
    for rule in app.url_map.iter_rules():
        item = document["paths"].get(
            re.sub(r"<(?:\w+(?:\([^)]*\))?:)?(\w+)>", r"{\1}", rule.rule), {}
        )
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}:
            if method.lower() in item:
                _complete(item[method.lower()], rule, method, app)
    return document


def _complete(operation: dict[str, Any], rule: Rule, method: str, app: Flask) -> None:
    """Add to a call what holds for all, and what its view was marked with."""
    wanted = needs_of(app.view_functions[rule.endpoint])
    assert wanted is not None
    operation["operationId"] = rule.endpoint.replace(".", "_")
    operation["summary"] = operation["summary"].removesuffix(".")
    operation["security"] = [{"token": []}]
    kind = "a platform token" if wanted.platform else "a token"
    note = f"Needs {kind} with the scope `{wanted.scope}`."
    operation["description"] = f"{operation.get('description', '')}\n\n{note}".strip()
    statuses = EVERYWHERE if method == "GET" else (*EVERYWHERE, *WITH_CHANGE)
    if method != "GET":
        _add_headers(operation)
    if wanted.match or takes_match(method, rule):
        _add_match(operation, is_required=wanted.match)
    answers = operation["responses"]
    answers.pop("default", None)
    if operation["operationId"] in LINKS:
        _add_links(answers, *LINKS[operation["operationId"]])
    for status in statuses:
        answers[str(status)] = {"$ref": f"#/components/responses/Error{status}"}


def _add_links(answers: dict[str, Any], values: Mapping[str, str], calls: tuple[str, ...]) -> None:
    """Add to a call's success what can be done next with what it has made."""
    (made,) = (answer for status, answer in answers.items() if status in {"201", "202"})
    made["links"] = {name: {"operationId": name, "parameters": dict(values)} for name in calls}


def _add_headers(operation: dict[str, Any]) -> None:
    """Add the header that calls take which change something."""
    parameters = operation.setdefault("parameters", [])
    parameters.append(
        {
            "in": "header",
            "name": "Idempotency-Key",
            "description": "Makes the call repeatable for 24 hours: a call with the same key gets "
            "the same answer, and is not made again.",
            "schema": {"type": "string", "pattern": "^[!-~]{1,255}$"},
        }
    )


def _add_match(operation: dict[str, Any], *, is_required: bool) -> None:
    """Add the header that calls take which change what has revisions."""
    operation["parameters"].append(
        {
            "in": "header",
            "name": "If-Match",
            "description": "The ETag as it was read, or `*` for any.",
            "required": is_required,
            "schema": {"type": "string"},
        }
    )
