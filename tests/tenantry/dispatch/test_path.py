"""Tenants below a path of the apex, with apps that know nothing of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from flask import Flask, Response, redirect, session, url_for

from tenantry import init_tenant
from tests.conftest import DOMAIN

if TYPE_CHECKING:
    from collections.abc import Callable

    from werkzeug.wrappers import Response as BaseResponse

    from tenantry.settings import Settings
    from tenantry.values.tenant import Tenant
    from tests.tenantry.door import Door

    MakeDoor = Callable[..., Door]


@pytest.fixture
def paths(make_door: MakeDoor, make_settings: Callable[..., Settings]) -> Door:
    """Return a door with acme and bolt below /sites, as tiny Flask apps."""
    settings = make_settings(routing="path", allow_shared_origin=True)

    def build(tenant: Tenant) -> Flask:
        app = Flask(tenant.slug)
        init_tenant(app, tenant, settings=settings)

        @app.get("/")
        def index() -> str:
            return (
                f"{tenant.slug} {url_for('page', number=7)} {url_for('static', filename='a.css')}"
            )

        @app.get("/pages/<int:number>/")
        def page(number: int) -> str:
            return url_for("page", number=number, _external=True)

        @app.get("/away")
        def away() -> BaseResponse:
            return redirect(url_for("index"))

        @app.get("/sign-in")
        def sign_in() -> str:
            session["user"] = tenant.slug
            return "in"

        @app.get("/who")
        def who() -> str:
            return str(session.get("user"))

        @app.get("/cookies")
        def cookies() -> Response:
            response = Response("")
            response.set_cookie("root", "1")
            response.set_cookie("wide", "1", domain=DOMAIN, path="/")
            response.set_cookie("own", "1", path=f"/sites/{tenant.slug}/pages")
            response.set_cookie("mount", "1", path=f"/sites/{tenant.slug}")
            response.set_cookie("near", "1", path=f"/sites/{tenant.slug}2/")
            response.set_cookie("other", "1", path="/sites/bolt/", httponly=True, max_age=60)
            response.headers.add("Set-Cookie", "raw=1;PATH=/;DOMAIN=.example.test; SameSite=Strict")
            response.headers.add("Set-Cookie", "bare=1")
            return response

        return app

    door = make_door(routing="path", allow_shared_origin=True, build=build)
    door.add("acme")
    door.add("bolt")
    return door


def test_an_app_makes_right_links_below_its_path(paths: Door) -> None:
    """url_for, static files, external links and redirects stay below the mount."""
    index = paths.ask("/sites/acme/")
    assert index.text == "acme /sites/acme/pages/7/ /sites/acme/static/a.css"
    assert paths.ask("/sites/acme/pages/7/").text == f"http://{DOMAIN}/sites/acme/pages/7/"
    assert paths.ask("/sites/acme/away").headers["location"] == "/sites/acme/"
    slash = paths.ask("/sites/acme/pages/7")
    assert slash.status == 308
    assert slash.headers["location"].endswith("/sites/acme/pages/7/")


@pytest.mark.parametrize(
    ("path", "location"),
    [
        ("/sites/acme", "/sites/acme/"),
        ("/sites/acme?a=b&c", "/sites/acme/?a=b&c"),
    ],
)
def test_the_mount_itself_gets_its_slash(paths: Door, path: str, location: str) -> None:
    """Relative links of the site's root would miss it otherwise; the query survives."""
    answer = paths.ask(path)

    assert (answer.status, answer.headers["location"]) == (308, location)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        pytest.param("/sites", 404, id="prefix"),
        pytest.param("/sites/", 404, id="prefix and slash"),
        pytest.param("/sites//acme/", 404, id="empty segment"),
        pytest.param("/sites/ACME/", 404, id="case"),
        pytest.param("/sites/crux/", 404, id="unknown"),
        pytest.param("/sites/acme.bolt/", 404, id="dot"),
        pytest.param(f"/sites/acme.{DOMAIN}/", 404, id="whole host"),
        pytest.param("/sites/acme%20/", 404, id="blank"),
        pytest.param("/sites/www/", 404, id="reserved"),
        pytest.param("/sites/%C3%A4/", 404, id="not ASCII"),
        pytest.param("/sites/acme%2Fpages/", 404, id="slash encoded: a path of acme"),
        pytest.param("/sites/../backend", 400, id="dot segments"),
        pytest.param("/sites/./acme/", 400, id="dot"),
        pytest.param("/sites/acme/../bolt/", 400, id="to the neighbour"),
        pytest.param("/sites/%2e%2e/backend/", 400, id="encoded dot segments"),
        pytest.param("/sites/acme/%2e%2e/%2e%2e/backend/", 400, id="out of the mount"),
        pytest.param("/sites/acme\\..\\bolt/", 400, id="backslash"),
        pytest.param("/sites/acme%00/", 400, id="NUL"),
        pytest.param("/sites/acme%0d%0aX:1", 400, id="CR LF"),
        pytest.param("/sites/%ff/", 400, id="not UTF-8"),
    ],
)
def test_only_a_plain_first_segment_names_a_tenant(paths: Door, path: str, status: int) -> None:
    """R11: whatever could be read in two ways selects nobody."""
    assert paths.ask(path).status == status


def test_a_slash_before_the_prefix_is_another_path(paths: Door) -> None:
    """R11: //sites/acme/ is the front app's, not the tenant's."""
    assert paths.ask("//sites/acme/").text == "front||//sites/acme/"
    assert paths.ask("/xsites/acme/").text == "front||/xsites/acme/"
    assert paths.built == []


def test_a_path_is_escaped_where_it_is_sent_back(paths: Door) -> None:
    """R12: a redirect never takes a line break, or another host, from the address."""
    assert paths.ask("/sites/acme", environ={"QUERY_STRING": "a\r\nX-Evil: 1"}).status in {308, 400}
    location = paths.ask("/sites/acme", environ={"QUERY_STRING": "a\r\nX-Evil: 1"}).headers.get(
        "location", ""
    )
    assert "\r" not in location
    assert "\n" not in location


def test_the_session_is_one_tenants_own(paths: Door) -> None:
    """R20, Law 9: name, path and key of the cookie are the tenant's."""
    acme, bolt = (paths.catalog.tenants.get(slug) for slug in ("acme", "bolt"))
    (cookie,) = paths.ask("/sites/acme/sign-in").cookies
    name, _, value = cookie.partition(";")[0].partition("=")

    assert name == f"session_{acme.id}"
    assert "Path=/sites/acme/" in cookie.split("; ")
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert "Domain" not in cookie

    def who(slug: str, cookie_name: str) -> str:
        return paths.ask(f"/sites/{slug}/who", headers={"Cookie": f"{cookie_name}={value}"}).text

    assert who("acme", name) == "acme"
    assert who("bolt", name) == "None"
    assert who("bolt", f"session_{bolt.id}") == "None"


def test_every_other_cookie_is_confined(paths: Door) -> None:
    """R20: whatever an app sets goes to its own path and host, attributes kept."""
    found = {cookie.split("=")[0]: cookie for cookie in paths.ask("/sites/acme/cookies").cookies}

    assert set(found) == {"root", "wide", "own", "mount", "near", "other", "raw", "bare"}
    for name, cookie in found.items():
        attributes = [part.strip() for part in cookie.split(";")]
        (path,) = [part[5:] for part in attributes if part.lower().startswith("path=")]
        assert path == "/sites/acme" or path.startswith("/sites/acme/"), name
        assert not any(part.lower().startswith("domain") for part in attributes), name
    assert "Path=/sites/acme/pages" in found["own"]
    assert "HttpOnly" in found["other"]
    assert "Max-Age=60" in found["other"]
    assert "SameSite=Strict" in found["raw"]


def test_states_are_answered_below_the_path_too(make_door: MakeDoor) -> None:
    """A suspended site is suspended at each of its addresses."""
    door = make_door(routing="both", allow_shared_origin=True)
    door.add("acme", state="suspended")
    door.add("bolt")

    assert door.ask("/sites/acme/").status == door.ask("/", "acme").status == 403
    assert door.ask("/sites/bolt/x").text == "site bolt|/sites/bolt|/x"
    assert door.ask("/x", "bolt").text == "site bolt||/x"
    assert door.built == ["bolt"]


def test_the_prefix_can_be_chosen(make_door: MakeDoor) -> None:
    """TENANTRY_PATH_PREFIX says where; it can be deep."""
    door = make_door(routing="path", allow_shared_origin=True, path_prefix="/our/shops")
    door.add("acme")

    assert door.ask("/our/shops/acme/x").text == "site acme|/our/shops/acme|/x"
    assert door.ask("/our/acme/x").text == "front||/our/acme/x"
