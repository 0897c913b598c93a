"""Errors of the backend for programs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.backend_app.conftest import Browser

if TYPE_CHECKING:
    from werkzeug.test import TestResponse

    from tests.backend_app.conftest import World

JSON = {"Accept": "application/json"}


def read_problem(answer: TestResponse, status: int) -> dict[str, Any]:
    """Return the problem document of an answer, which has to be one."""
    assert answer.status_code == status
    assert answer.mimetype == "application/problem+json"
    assert "Accept" in answer.vary
    document: dict[str, Any] = answer.get_json(force=True)
    assert document["status"] == status
    assert document["request_id"] == "0123456789abcdef"
    return document


def test_errors_of_the_backend_are_problems_for_programs(world: World, operator: Browser) -> None:
    """RFC 9457 for those who ask for JSON, whatever the error is."""
    read_problem(Browser(world).get("/tenants", headers=JSON), 401)
    read_problem(operator.get("/nothing", headers=JSON), 404)
    read_problem(operator.get("/tenants/nobody", headers=JSON), 404)
    read_problem(operator.open("POST", "/sign-out", data={}, headers=JSON), 400)
    read_problem(operator.post("/audit", headers=JSON), 405)
    read_problem(operator.post("/tenants/new", {"slug": "x" * 300_000}, headers=JSON), 413)
    faults = read_problem(operator.post("/tenants/new", {"slug": "-"}, headers=JSON), 422)
    assert "slug" in faults["errors"]
