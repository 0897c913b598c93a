"""Security headers and the origin check."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from flask import Flask, Response
from hypothesis import example, given
from hypothesis import strategies as st

from tenantry import init_security, init_tenant, is_local_path
from tests.tenantry.support import a_tenant, ask

if TYPE_CHECKING:
    from tenantry.settings import Settings

HOST = "acme.example.test:8000"
OWN = f"http://{HOST}"


@pytest.fixture
def app(settings: Settings) -> Flask:
    app = Flask("site")
    init_tenant(app, a_tenant(), settings=settings)
    init_security(app)
    methods = ["GET", "POST", "PUT", "PATCH", "DELETE"]
    app.add_url_rule("/", view_func=lambda: "done", methods=methods)

    @app.get("/own-headers")
    def own_headers() -> Response:
        return Response("", headers={"Content-Security-Policy": "x", "Referrer-Policy": "y"})

    return app


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        pytest.param({}, 200, id="a program: neither header"),
        pytest.param({"Sec-Fetch-Site": "same-origin"}, 200, id="own page"),
        pytest.param({"Sec-Fetch-Site": "none"}, 200, id="by the person"),
        pytest.param({"Sec-Fetch-Site": "same-site"}, 403, id="a sibling site"),
        pytest.param({"Sec-Fetch-Site": "cross-site"}, 403, id="any other site"),
        pytest.param({"Sec-Fetch-Site": ""}, 403, id="empty"),
        pytest.param({"Sec-Fetch-Site": "Same-Origin"}, 403, id="another spelling"),
        pytest.param({"Sec-Fetch-Site": "same-origin, same-site"}, 403, id="two values"),
        pytest.param(
            {"Sec-Fetch-Site": "same-site", "Origin": OWN}, 403, id="origin does not heal"
        ),
        pytest.param({"Origin": OWN}, 200, id="older browser, own page"),
        pytest.param({"Origin": "http://bolt.example.test:8000"}, 403, id="sibling origin"),
        pytest.param({"Origin": "http://acme.example.test"}, 403, id="another port"),
        pytest.param({"Origin": f"https://{HOST}"}, 403, id="another scheme"),
        pytest.param({"Origin": f"{OWN}.evil.test"}, 403, id="longer"),
        pytest.param({"Origin": "null"}, 403, id="null: a sandbox or a redirect"),
        pytest.param({"Origin": ""}, 403, id="empty origin"),
    ],
)
def test_unsafe_requests_come_from_the_sites_own_pages(
    app: Flask, method: str, headers: dict[str, str], status: int
) -> None:
    """R22: sibling sites are same-site to the browser, so only same-origin will do."""
    answer = ask(app, host=HOST, method=method, headers=headers)

    assert answer.status == status


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_safe_requests_come_from_anywhere(app: Flask, method: str) -> None:
    """R22: links from other sites are what the web is made of."""
    headers = {"Sec-Fetch-Site": "cross-site", "Origin": "http://evil.test"}

    assert ask(app, host=HOST, method=method, headers=headers).status == 200


@pytest.mark.parametrize("path", ["/", "/nothing"])
def test_every_response_has_the_headers(app: Flask, path: str) -> None:
    """R47: pages and error pages alike: no other host, no frame, no sniffing."""
    headers = ask(app, path, HOST).headers

    policy = headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cross-origin-opener-policy"] == "same-origin"
    assert "strict-transport-security" not in headers


def test_a_view_may_choose_its_own(app: Flask) -> None:
    """What the view has set stays."""
    headers = ask(app, "/own-headers", HOST).headers

    assert (headers["content-security-policy"], headers["referrer-policy"]) == ("x", "y")
    assert headers["x-content-type-options"] == "nosniff"


def test_https_is_asked_for_again(app: Flask) -> None:
    """Over TLS the browser is told to keep to it."""
    answer = ask(app, host=HOST, environ={"wsgi.url_scheme": "https"})

    assert answer.headers["strict-transport-security"].startswith("max-age=")


@pytest.mark.parametrize("path", ["/", "/a/b?c=d#e", "/a//b", "/\u00e4", "/@evil.test", "/a:b"])
def test_a_path_on_this_host_is_local(path: str) -> None:
    """R12: these may stand in next=."""
    assert is_local_path(path)


@pytest.mark.parametrize(
    "target",
    [
        None,
        "",
        "a",
        "//evil.test",
        "///evil.test",
        "/\\evil.test",
        "\\\\evil.test",
        "http://evil.test/",
        "javascript:alert(1)",
        "/\t/evil.test",
        "/\n/evil.test",
        "/a\r\nX: y",
        "/\x00",
        "/\x7f",
        " /a",
        "@evil.test",
        "\u2028/a",
    ],
)
def test_what_could_lead_elsewhere_is_not(target: str | None) -> None:
    """R12: another host, a scheme, or what a browser would read as one."""
    assert not is_local_path(target)


@given(st.text("/\\.:@?#[]%a\t\r\n\x00 \u2028e", max_size=12))
@example("/[")
@example("//[")
def test_no_target_breaks_the_check(target: str) -> None:
    """R12: the answer is yes or no, and yes only for one slash in front."""
    if is_local_path(target):
        assert target.startswith("/")
        assert not target.startswith(("//", "/\\"))
