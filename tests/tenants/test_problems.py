"""Errors of a site for programs."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

from tenants.permissions import Role

if TYPE_CHECKING:
    from werkzeug.test import TestResponse

    from tests.tenants.helpers import Site, Visitor

KINDS = ("sqlite",)
JSON = {"Accept": "application/json"}


def read_problem(answer: TestResponse, status: int) -> dict[str, Any]:
    """Return the problem document of an answer, which has to be one."""
    assert answer.status_code == status
    assert answer.mimetype == "application/problem+json"
    assert "Accept" in answer.vary
    document: dict[str, Any] = answer.get_json(force=True)
    assert document["status"] == status
    assert document["title"]
    assert document["detail"]
    return document


def test_errors_of_a_site_are_problems_for_programs(site: Site, visitor: Visitor) -> None:
    """RFC 9457 for those who ask for JSON: unknown page, wrong method, no token, too large."""
    author = site.member("ann", Role.AUTHOR)
    read_problem(visitor.get("/nothing", headers=JSON), 404)
    assert visitor.get("/nothing").mimetype == "text/html"
    wrong = visitor.post("/feed.xml", headers=JSON)
    read_problem(wrong, 405)
    assert "GET" in wrong.headers["Allow"]
    untrusted = author.client.post("/write", base_url=author.base, data={}, headers=JSON)
    read_problem(untrusted, 400)
    site.app.config["MAX_CONTENT_LENGTH"] = 1000
    read_problem(visitor.sign_in("x" * 1000, headers=JSON), 413)
    read_problem(site.member("bob").get("/write", headers=JSON), 403)


def test_forms_that_come_back_are_problems_for_programs(site: Site) -> None:
    """A form with a fault is a 422 that says which field has it."""
    author = site.member("ann", Role.AUTHOR)
    answer = author.post("/write", {"title": "", "body": "x"}, headers=JSON)
    assert read_problem(answer, 422)["errors"] == {"title": ["Give the post a title."]}
    read_problem(site.visitor().sign_in("ann@mail.test", "wrong", headers=JSON), 422)


def test_a_crash_is_a_problem_with_an_error_id(site: Site) -> None:
    """Who reports a 500 has a number under which the log has the cause."""
    author, slug = site.member("ann", Role.AUTHOR), site.add_post()
    with closing(sqlite3.connect(site.path)) as connection:
        connection.execute(
            "CREATE TRIGGER no BEFORE INSERT ON comment BEGIN SELECT RAISE(ABORT, 'bug'); END"
        )
    environ = {"tenantry.request_id": "0123456789abcdef"}
    path = f"/posts/{slug}/comments"
    answer = author.post(path, {"text": "x"}, headers=JSON, environ_overrides=environ)
    document = read_problem(answer, 500)
    assert document["error_id"] == document["request_id"] == "0123456789abcdef"


def test_programs_that_are_not_signed_in_get_401(site: Site, visitor: Visitor) -> None:
    """A program gets no sign-in page, which it would take for an answer."""
    assert site.add_member()
    read_problem(visitor.get("/write", headers=JSON), 401)
    read_problem(visitor.post("/write/preview", {"body": "x"}, headers=JSON), 401)
