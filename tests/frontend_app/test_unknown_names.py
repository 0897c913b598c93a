"""A name that nobody has."""

from __future__ import annotations

from html import unescape
from typing import TYPE_CHECKING

import pytest

from tenantry.values.slugs import judge_name

if TYPE_CHECKING:
    from tests.frontend_app.conftest import Front


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE"])
@pytest.mark.parametrize("path", ["/", "/directory", "/robots.txt", "/backend/", "/a/b?c=d"])
def test_every_request_gets_the_same_404(front: Front, method: str, path: str) -> None:
    """R6: whatever is asked for on the name, in whatever way; and it leads nowhere."""
    response = front.open(method, path, unknown="nobody")
    assert response.status_code == 404
    assert "Location" not in response.headers
    assert "Refresh" not in response.headers
    assert "Set-Cookie" not in response.headers
    if method != "HEAD":
        assert response.data == front.get("/", unknown="nobody").data


def test_another_sites_form_gets_it_too(front: Front) -> None:
    """No check of ours answers before it, which would tell the name apart from others."""
    response = front.open(
        "POST", "/", unknown="nobody", headers={"Sec-Fetch-Site": "cross-site"}, data=b"x" * 10
    )
    assert response.status_code == 404


def test_it_says_how_to_claim_the_name(front: Front) -> None:
    """With links to the apex, for this page stands on another host."""
    page = front.get("/", unknown="nobody").text
    assert "No site has this name yet" in page
    assert "nobody.example.test" in page
    assert 'href="http://example.test:8000/signup?name=nobody"' in page


@pytest.mark.parametrize(
    ("slug", "title"),
    [
        pytest.param("www", "This name is reserved", id="reserved"),
        pytest.param("admin", "This name is reserved", id="reserved, too"),
        pytest.param("xn--pple-43d", "No site can have this name", id="two hyphens"),
        pytest.param("1st", "No site can have this name", id="digit first"),
        pytest.param("a" * 41, "No site can have this name", id="too long"),
    ],
)
def test_a_name_that_cannot_be_claimed_is_not_offered(front: Front, slug: str, title: str) -> None:
    """Reserved and invalid names: the page says which, by the rule that the command holds to."""
    page = front.get("/", unknown=slug).text
    assert title in page
    assert f"cannot be used: {judge_name(slug).problem}" in unescape(page)
    assert "How to get a site" not in page


def test_its_size_depends_on_nothing_but_the_name(front: Front) -> None:
    """R34: two names of one length get pages of one length."""
    pages = [front.get(path, unknown=name).data for path, name in (("/", "abcd"), ("/x", "wxyz"))]
    assert len(pages[0]) == len(pages[1])


def test_programs_get_a_problem_document(front: Front) -> None:
    """RFC 9457, with the request's number."""
    response = front.get("/", unknown="nobody", headers={"Accept": "application/json"})
    assert response.status_code == 404
    assert response.mimetype == "application/problem+json"
    assert response.get_json(force=True) == {
        "type": "about:blank",
        "title": "No such site",
        "status": 404,
        "detail": "No site has this name yet.",
        "request_id": "0123456789abcdef",
    }


@pytest.mark.parametrize("accept", ["*/*", "text/html,application/json;q=0.9", ""])
def test_in_doubt_it_is_a_page(front: Front, accept: str) -> None:
    """Only who prefers JSON gets it."""
    assert front.get("/", unknown="nobody", headers={"Accept": accept}).mimetype == "text/html"


def test_it_asks_the_catalog_nothing(front: Front) -> None:
    """R26: random names cost no query; the page is there even without a catalog."""
    with front.catalog.store.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE tenants RENAME TO lost")
    assert front.get("/", unknown="nobody").status_code == 404


@pytest.mark.parametrize("accept", ["text/html", "application/json"])
def test_a_kept_page_is_each_requests_own(front: Front, accept: str) -> None:
    """Rendered once, it names each name, and nothing of whoever asked before stays in it."""
    headers = {"Accept": accept, "Cookie": "session=x"}
    first = front.get("/", unknown="acme-one", headers=headers)
    second = front.get("/?q=1", unknown="zeta", headers=headers)
    assert first.text.replace("acme-one", "zeta") == second.text
    assert "0123456789abcdef" in second.text
    assert int(second.headers["Content-Length"]) == len(second.data)


def test_a_name_seen_for_the_first_time_is_not_rendered_for(front: Front) -> None:
    """Another name of which the same is to be said gets the page that is there."""
    front.get("/", unknown="acme")

    def fail(*_: object) -> None:
        raise AssertionError("rendered again")

    front.app.before_request_funcs[None].insert(0, fail)
    assert front.get("/", unknown="zeta").status_code == 404
