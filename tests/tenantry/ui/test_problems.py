"""Who gets an error as JSON, and what is in it."""

from __future__ import annotations

import json

import pytest

from tenantry.ui.problems import encode_problem, prefers_json


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        pytest.param("", False, id="nothing"),
        pytest.param("*/*", False, id="anything"),
        pytest.param("application/json", True, id="json"),
        pytest.param("application/problem+json", True, id="problem"),
        pytest.param("application/problem+json, application/json", True, id="both"),
        pytest.param("application/json, text/plain, */*", True, id="json before anything"),
        pytest.param("text/html;q=0.5, application/json;q=0.9", True, id="json preferred"),
        pytest.param("text/html, application/json;q=0.9", False, id="html preferred"),
        pytest.param("application/json;q=0.2, text/html;q=0.8", False, id="html after json"),
        pytest.param("application/json;q=0, */*", False, id="json refused"),
        pytest.param("text/html;q=0, application/json;q=0.1", True, id="html refused"),
        pytest.param("APPLICATION/JSON", False, id="not worth a parse"),
        pytest.param("\xff\x00json", False, id="no media type"),
        pytest.param("application/json;q=nonsense", False, id="no number"),
    ],
)
def test_quality_values_decide(accept: str, expected: bool) -> None:  # noqa: FBT001
    """JSON for clients that want it more than HTML; a page for all others."""
    assert prefers_json(accept) is expected


def test_empty_members_are_left_out() -> None:
    """RFC 9457: a member that says nothing is not there."""
    body = encode_problem(404, "No page", "It is gone.", request_id="", error_id=None, more=[1])
    assert json.loads(body) == {
        "type": "about:blank",
        "title": "No page",
        "status": 404,
        "detail": "It is gone.",
        "more": [1],
    }
