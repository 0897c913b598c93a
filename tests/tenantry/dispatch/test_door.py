"""The whole way of a request: mounts, internal endpoints and every answer of the door's own."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tenantry.errors import BadHostError
from tenantry.ui import asset_url
from tenantry.values.hosts import parse_host
from tests.conftest import DOMAIN
from tests.tenantry.support import ask

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.tenantry.door import Door

    MakeDoor = Callable[..., Door]


# --- the backend --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "text"),
    [
        pytest.param("/backend", "backend|/backend|", id="the mount itself"),
        pytest.param("/backend/", "backend|/backend|/", id="its root"),
        pytest.param("/backend/a/b", "backend|/backend|/a/b", id="below"),
        pytest.param("/backend//a", "backend|/backend|//a", id="doubled slash below"),
        pytest.param("/backendoor", "site acme||/backendoor", id="no segment border"),
        pytest.param("//backend/", "site acme||//backend/", id="doubled slash before"),
        pytest.param("/Backend/", "site acme||/Backend/", id="case"),
        pytest.param("/a/backend/", "site acme||/a/backend/", id="further down"),
        pytest.param("/backend%2fx", "backend|/backend|/x", id="decoded by the server"),
        pytest.param("/sites/acme/", "site acme||/sites/acme/", id="another prefix"),
    ],
)
def test_the_backend_is_mounted_on_every_site(door: Door, path: str, text: str) -> None:
    """R11: a mount is whole segments at the start; on a tenant's host the backend knows whose."""
    answer = door.ask(path, "acme")

    assert (answer.status, answer.text) == (200, text)
    assert door.seen[-1]["tenantry.tenant"].slug == "acme"


def test_on_the_apex_the_backend_is_the_platforms(door: Door) -> None:
    """R16: on the apex there is no tenant in the environ, so the backend is the operators'."""
    assert door.ask("/backend/tenants").text == "backend|/backend|/tenants"
    assert "tenantry.tenant" not in door.seen[0]


def test_a_free_name_has_no_backend(door: Door) -> None:
    """Law 1: a name that nobody has leads to the front app whatever the path."""
    assert door.ask("/backend/tenants", "bolt").text == "front||/backend/tenants"
    assert door.seen[0]["tenantry.unknown_slug"] == "bolt"


def test_a_free_name_routes_to_no_path(make_door: MakeDoor) -> None:
    """Law 1: only the apex routes by path; a host that nobody has shows nobody's site."""
    door = make_door(routing="both", allow_shared_origin=True)
    door.add("acme")

    assert door.ask("/sites/acme/", "bolt").text == "front||/sites/acme/"
    assert door.built == []


def test_the_backend_can_have_a_host_of_its_own(make_door: MakeDoor) -> None:
    """R21: with a host of its own, the operators' backend answers nowhere else."""
    door = make_door(backend_host=f"ops.{DOMAIN}")
    door.add("acme")
    away = f"http://ops.{DOMAIN}/backend/"

    assert door.ask("/backend/x", "ops").text == "backend|/backend|/x"
    assert door.ask("/account", "ops").text == "front||/account", "accounts are there, too"
    assert door.ask("/backend/x").headers["location"] == away
    assert door.ask("/backend/x").status == 308
    assert door.ask("/backend/x", "acme").text == "backend|/backend|/x"


@pytest.mark.parametrize("shared", [False, True], ids=["apart", "shared"])
def test_path_routed_sites_share_no_origin_with_the_backend(
    make_door: MakeDoor, *, shared: bool
) -> None:
    """R21: below /sites/acme/ there is a backend only if the operator allows the shared origin."""
    door = make_door(
        routing="both",
        allow_shared_origin=shared,
        backend_host="" if shared else f"ops.{DOMAIN}",
    )
    door.add("acme")
    text = door.ask("/sites/acme/backend/x").text

    if shared:
        assert text == "backend|/sites/acme/backend|/x"
    else:
        assert text == "site acme|/sites/acme|/backend/x"
    assert door.ask("/backend/x").status == (200 if shared else 308)


# --- internal endpoints -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "host", [f"acme.{DOMAIN}", "nobody.org", "127.0.0.1:8000", "", None, "a b"]
)
def test_health_answers_on_any_host(door: Door, host: str | None) -> None:
    """A balancer asks by address: it hears that the process answers, and nothing more."""
    answer = door.ask("/-/health", environ={"HTTP_HOST": host})

    assert (answer.status, answer.body) == (200, b"ok\n")
    assert answer.headers["cache-control"] == "no-store"
    assert set(answer.headers) == {"content-type", "content-length", "cache-control"}
    assert door.ask("/-/health", method="HEAD").body == b""


@pytest.mark.parametrize("slug", ["acme", "bolt", "www", None], ids=str)
def test_assets_are_served_on_every_host(door: Door, slug: str | None) -> None:
    """A page about a suspended site or a free name needs its style too."""
    answer = door.ask(asset_url("tenantry.css"), slug)

    assert answer.status == 200
    assert answer.headers["content-type"].startswith("text/css")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert door.built == []


@pytest.mark.parametrize(
    "path",
    [
        "/-/",
        "/-/ready",
        "/-/metrics",
        "/-/ask",
        "/-/assets/",
        "/-/assets/../tenantry.css",
        "/-/assets/%2e%2e/templates/door.html",
        "/-/assets/nothing.css",
        "/-/assets//etc/passwd",
        "/-/health/",
    ],
)
def test_the_internal_prefix_is_never_a_tenants(door: Door, path: str) -> None:
    """Law 1: what is not public below /-/ is not there, and no site can take its place."""
    answer = door.ask(path, "acme")

    assert answer.status in {400, 404}
    assert door.built == []


# --- behind proxies -----------------------------------------------------------------------------

FORWARDED = {
    "REMOTE_ADDR": "127.0.0.1",
    "HTTP_X_FORWARDED_FOR": "192.0.2.7",
    "HTTP_X_FORWARDED_PROTO": "https",
    "HTTP_X_FORWARDED_HOST": f"bolt.{DOMAIN}",
    "HTTP_X_FORWARDED_PREFIX": "//evil.test",
    "HTTP_X_FORWARDED_PORT": "1",
}


@pytest.mark.parametrize(
    ("hops", "address", "scheme"),
    [
        pytest.param(0, "127.0.0.1", "http", id="nobody in front: nothing is believed"),
        pytest.param(1, "192.0.2.7", "https", id="one in front: address and scheme are"),
    ],
)
def test_a_proxy_tells_the_client_and_never_the_tenant(
    make_door: MakeDoor, hops: int, address: str, scheme: str
) -> None:
    """R1, R4: however many proxies are trusted, Host alone names the tenant and nothing the mount."""
    door = make_door(trusted_proxies=hops)
    door.add("acme")
    door.add("bolt")
    answer = door.ask("/a", "acme", environ=FORWARDED)
    (environ,) = door.seen

    assert answer.text == "site acme||/a"
    assert (environ["REMOTE_ADDR"], environ["wsgi.url_scheme"]) == (address, scheme)
    assert environ["HTTP_HOST"] == f"acme.{DOMAIN}"


def test_one_value_too_many_is_the_clients(make_door: MakeDoor) -> None:
    """R2: what a client smuggles past the proxy makes the count wrong: 400."""
    door = make_door(trusted_proxies=1)
    door.add("acme")
    forged = {**FORWARDED, "HTTP_X_FORWARDED_FOR": "127.0.0.1, 192.0.2.7"}

    assert door.ask("/", "acme", environ=forged).status == 400
    assert door.seen == []


# --- the door's own answers ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "status", "retry_after"),
    [
        ("provisioning", 503, "5"),
        ("active", 200, None),
        ("maintenance", 503, "60"),
        ("suspended", 403, None),
        ("archived", 410, None),
        ("deleted", 410, None),
    ],
)
def test_every_state_has_its_answer(
    door: Door, state: str, status: int, retry_after: str | None
) -> None:
    """The state decides before anything is built; 503 says when to come back."""
    door.add("bolt", state=state)
    answer = door.ask("/", "bolt")

    assert answer.status == status
    assert answer.headers.get("retry-after") == retry_after
    assert door.built == (["bolt"] if state == "active" else [])
    if state != "active":
        assert answer.headers["cache-control"] == "no-store"
        assert "default-src 'self'" in answer.headers["content-security-policy"]
        assert answer.headers["x-request-id"] in answer.text


def test_programs_get_a_problem(door: Door) -> None:
    """RFC 9457: who asks for JSON gets type, title, status and detail, and the ids to ask about."""
    door.add("bolt", state="suspended")
    answer = door.ask("/", "bolt", headers={"Accept": "application/json"})
    problem = json.loads(answer.body)

    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["vary"] == "Accept"
    assert (problem["type"], problem["status"]) == ("about:blank", 403)
    assert problem["title"]
    assert problem["detail"] == "This site has been suspended. Its content is safe."
    assert problem["request_id"] == answer.headers["x-request-id"]


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("application/json", "application/problem+json"),
        ("application/problem+json, application/json", "application/problem+json"),
        ("text/html,application/xhtml+xml,application/json;q=0.9", "text/html; charset=utf-8"),
        ("*/*", "text/html; charset=utf-8"),
        ("", "text/html; charset=utf-8"),
        ("\xff\x00json", "text/html; charset=utf-8"),
        ("application/json;q=0.3, text/html;q=0.7", "text/html; charset=utf-8"),
        ("text/html;q=0.3, application/json", "application/problem+json"),
    ],
)
def test_browsers_get_a_page(door: Door, accept: str, kind: str) -> None:
    """HTML unless JSON is asked for, and preferred by its quality value."""
    answer = door.ask(host="nobody.org", environ={"HTTP_ACCEPT": accept})

    assert answer.headers["content-type"] == kind


@pytest.mark.parametrize(
    ("options", "status"),
    [
        pytest.param({"slug": "bolt"}, 503, id="state"),
        pytest.param({"host": "nobody.org"}, 421, id="foreign"),
        pytest.param({"host": "a b"}, 400, id="malformed"),
        pytest.param({"path": "/\x00"}, 400, id="gate"),
        pytest.param({"path": "/-/nothing"}, 404, id="assets"),
        pytest.param({"slug": "www"}, 308, id="redirect"),
    ],
)
def test_head_has_no_body(door: Door, options: dict[str, Any], status: int) -> None:
    """RFC 9110: HEAD is answered with the headers of GET and nothing else."""
    door.add("bolt", state="maintenance")
    head = door.ask(method="HEAD", **options)
    get = door.ask(**options)

    assert (head.status, head.body) == (status, b"")
    assert head.headers.get("content-length") == get.headers.get("content-length")


def test_a_flood_of_strangers_is_429(make_door: MakeDoor) -> None:
    """Law 6: beyond the budget of look-ups strangers are told to wait; known sites are served."""
    door = make_door(limit_lookups=1)
    door.add("acme")
    assert door.ask("/", "acme").status == 200
    answers = [door.ask(host=f"h{number}.org") for number in range(20)]

    assert {answer.status for answer in answers} == {421, 429}
    assert answers[-1].headers["retry-after"] == "1"
    assert door.ask("/", "acme").status == 200


def test_without_the_catalog_known_sites_are_served(door: Door) -> None:
    """Law 8: strangers get a 503 that tells nothing of the database; the rest goes on."""
    assert door.ask("/", "acme").status == 200
    with door.catalog.store.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE tenants RENAME TO hidden")
    unknown = door.ask("/", "bolt")

    assert (unknown.status, unknown.headers["retry-after"]) == (503, "5")
    assert "tenants" not in unknown.text
    assert door.ask("/", "acme").status == 200


@pytest.mark.parametrize(
    ("settings", "kept"),
    [({}, False), ({"trusted_proxies": 1}, True), ({"socket": "/run/tenantry/app.sock"}, True)],
)
def test_every_answer_has_an_id(
    make_door: MakeDoor, settings: dict[str, Any], *, kept: bool
) -> None:
    """R56: whatever the answer, its id leads to the log; only a proxy's id is kept, if harmless."""
    door = make_door(**settings)
    door.add("acme")
    door.add("bolt", state="suspended")
    for options in ({"slug": "acme"}, {"slug": "bolt"}, {"host": "a b"}, {"path": "/-/x"}, {}):
        given = door.ask(headers={"X-Request-ID": "my-own-id-1"}, **options)
        made = door.ask(headers={"X-Request-ID": "bad id"}, **options)
        assert (given.headers["x-request-id"] == "my-own-id-1") == kept
        assert made.headers["x-request-id"] not in {"", "bad id"}


# --- anything at all ----------------------------------------------------------------------------

HOSTS = st.sampled_from(
    [
        DOMAIN,
        f"acme.{DOMAIN}",
        f"bolt.{DOMAIN}",
        f"gone.{DOMAIN}",
        "www.acme.org",
        f"a.acme.{DOMAIN}",
    ]
)
LATIN = st.text(st.characters(max_codepoint=255), max_size=20)
ODD_HOSTS = st.tuples(LATIN, HOSTS, LATIN).map("".join) | LATIN | HOSTS | HOSTS
PATHS = st.lists(
    st.sampled_from(
        [
            "/",
            "..",
            ".",
            "sites",
            "acme",
            "bolt",
            "backend",
            "-",
            "health",
            "%2e",
            "\\",
            "\x00",
            "\xff",
        ]
    )
    | LATIN,
    max_size=6,
).map("".join)
HEADERS = st.dictionaries(
    st.sampled_from(
        [
            "HTTP_X_FORWARDED_HOST",
            "HTTP_X_FORWARDED_FOR",
            "HTTP_X_FORWARDED_PROTO",
            "HTTP_X_FORWARDED_PREFIX",
            "HTTP_FORWARDED",
            "HTTP_X_SCRIPT_NAME",
            "HTTP_TRANSFER_ENCODING",
            "CONTENT_LENGTH",
            "HTTP_ACCEPT",
            "HTTP_RANGE",
            "HTTP_IF_MODIFIED_SINCE",
            "HTTP_IF_NONE_MATCH",
            "HTTP_ACCEPT_ENCODING",
            "HTTP_COOKIE",
            "HTTP_X_REQUEST_ID",
            "HTTP_USER_AGENT",
        ]
    ),
    st.sampled_from([f"bolt.{DOMAIN}", "/bolt", "chunked", "identity", "0", "-1", "https", "a, b"])
    | LATIN,
    max_size=4,
)
METHODS = st.sampled_from(["GET", "GET", "HEAD", "POST", "OPTIONS", "TRACE", "get", "", "\x00"])


@settings(
    max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(host=ODD_HOSTS, path=PATHS, query=LATIN, headers=HEADERS, method=METHODS)
@example(host=f"acme.{DOMAIN}", path="/sites/../backend", query="", headers={}, method="GET")
@example(host=f"acme.{DOMAIN}", path=f"http://bolt.{DOMAIN}/", query="", headers={}, method="GET")
@example(host=DOMAIN, path="/sites/acme\x00/", query="", headers={}, method="GET")
@example(
    host=DOMAIN,
    path="/-/assets/tenantry.css",
    query="",
    headers={"HTTP_RANGE": "bytes=-"},
    method="GET",
)
@example(
    host=DOMAIN,
    path="/-/assets/tenantry.css",
    query="",
    headers={"HTTP_IF_MODIFIED_SINCE": "\xff"},
    method="GET",
)
def test_no_request_selects_another_tenant(
    any_door: Door, *, host: str, path: str, query: str, headers: dict[str, str], method: str
) -> None:
    """Law 1, 6, R1: whatever is sent, only Host, or the path's first segment, chooses; strangers build
    nothing, and no request breaks the platform.
    """  # noqa: D205 - one sentence
    door = any_door
    del door.seen[:]
    answer = ask(
        door.app,
        "/",
        environ={
            "HTTP_HOST": host,
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "REQUEST_METHOD": method,
            **headers,
        },
    )

    assert answer.status < 500 or answer.status in {501, 503}
    assert set(door.built) <= {"acme", "bolt"}
    for environ in door.seen:
        tenant = environ.get("tenantry.tenant")
        assert tenant == _owner(door, parse_host(host), environ)
        assert not any(name.startswith("HTTP_X_FORWARDED") for name in environ)
    if not door.seen:
        return
    try:
        assert door.seen[0]["tenantry.host"] == parse_host(host)
    except BadHostError:
        pytest.fail("an app was asked for a malformed host")


def _owner(door: Door, host: str, environ: Any) -> Any:
    """Say by the plain words of the design whose the request is."""
    if host == DOMAIN:
        mounts = environ["SCRIPT_NAME"].split("/")
        return door.catalog.tenants.get(mounts[2]) if mounts[1:2] == ["sites"] else None
    if host == "www.acme.org":
        return door.catalog.tenants.get("acme")
    slug, _, rest = host.partition(".")
    return door.catalog.tenants.find(slug) if rest == DOMAIN else None


@pytest.fixture
def any_door(make_door: MakeDoor) -> Door:
    """Return a door with both routings and three tenants, of which one is gone."""
    door = make_door(routing="both", allow_shared_origin=True, limit_lookups=10**6)
    door.add("acme", hosts=("www.acme.org",))
    door.add("bolt")
    door.add("gone", state="deleted")
    return door
