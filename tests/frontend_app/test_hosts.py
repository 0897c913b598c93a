"""Each page has its host: with a host for the console, accounts are there and nowhere else (R21)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.frontend_app.conftest import Front

CONSOLE = "console.example.test"


@pytest.mark.parametrize(
    ("host", "path", "leads_to"),
    [
        pytest.param("example.test", "/", None, id="public pages on the apex"),
        pytest.param(CONSOLE, "/directory?page=2", "http://example.test:8000/directory?page=2"),
        pytest.param(CONSOLE, "/", f"http://{CONSOLE}:8000/backend/", id="the console's root"),
        pytest.param("example.test", "/signin?next=/x", f"http://{CONSOLE}:8000/signin?next=/x"),
        pytest.param("example.test", "/signup?name=a", f"http://{CONSOLE}:8000/signup?name=a"),
        pytest.param("example.test", "/account/data", f"http://{CONSOLE}:8000/account/data"),
        pytest.param(CONSOLE, "/signin", None, id="accounts on their host"),
    ],
)
def test_a_page_is_on_one_host(
    make_front: Callable[..., Front], host: str, path: str, leads_to: str | None
) -> None:
    """R21: scripts of path-routed sites share the apex's origin, and reach no account."""
    front = make_front(backend_host=CONSOLE, routing="both")
    answer = front.person(host=host).get(path)
    assert answer.location == leads_to
    assert answer.status_code == (200 if leads_to is None else answer.status_code)


def test_a_form_for_the_other_host_does_nothing(make_front: Callable[..., Front]) -> None:
    """It is answered by a redirect, and nobody is signed in there."""
    front = make_front(backend_host=CONSOLE, routing="both")
    front.add_account("olga@mail.test")
    here, there = front.person(host=CONSOLE), front.person(host="example.test")
    assert here.sign_in("olga@mail.test").location == "/sites/"
    form = {"email": "olga@mail.test", "password": "x", "csrf_token": here.token()}
    answer = there.open("POST", "/signin", data=form)
    assert answer.location == f"http://{CONSOLE}:8000/signin"
    assert there.client.get_cookie("account", domain="example.test") is None


def test_my_sites_leave_room_for_path_routed_ones(make_front: Callable[..., Front]) -> None:
    """Where both would be at /sites on one host, the pages of accounts give way."""
    front = make_front(routing="both", allow_shared_origin=True)
    front.add_account("olga@mail.test")
    assert front.person().sign_in("olga@mail.test").location == "/account/sites/"
    assert front.settings.own_sites_url == "http://example.test:8000/account/sites"
    assert front.get("/sites/").status_code == 404
