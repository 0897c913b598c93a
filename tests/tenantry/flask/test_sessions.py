"""Session cookies: a tenant's own, and worthless anywhere else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from flask import Flask, session
from pydantic import SecretStr

from tenantry import init_security, init_tenant
from tenantry.errors import UnsafeCookieError
from tenantry.flask.binding import init_platform
from tenantry.flask.sessions import ScopedSessionInterface
from tests.conftest import KEY, OTHER_KEY
from tests.tenantry.support import Answer, a_tenant, ask

if TYPE_CHECKING:
    from collections.abc import Callable

    from tenantry.settings import Settings
    from tenantry.values.tenant import Tenant

ACME, BOLT = a_tenant("acme"), a_tenant("bolt")


def views(app: Flask) -> Flask:
    @app.get("/in")
    def sign_in() -> str:
        session["user"] = "olga"
        return "in"

    @app.get("/out")
    def sign_out() -> str:
        session.clear()
        return "out"

    @app.get("/who")
    def who() -> str:
        return str(session.get("user"))

    @app.get("/plain")
    def plain() -> str:
        return "plain"

    return app


def site(tenant: Tenant, settings: Settings) -> Flask:
    app = views(Flask(tenant.slug))
    init_tenant(app, tenant, settings=settings)
    init_security(app)
    return app


def cookie_of(answer: Answer) -> tuple[str, str, list[str]]:
    """Return the name, the value and the attributes of the only cookie."""
    (cookie,) = answer.cookies
    pair, *attributes = cookie.split("; ")
    name, _, value = pair.partition("=")
    return name, value, attributes


def who(app: Flask, *cookies: tuple[str, str], **options: Any) -> str:
    header = "; ".join(f"{name}={value}" for name, value in cookies)
    return ask(app, "/who", environ={"HTTP_COOKIE": header, **options}).text


def test_a_session_works_at_home(settings: Settings) -> None:
    """What one request puts in the next one reads; the cookie is for this host only."""
    app = site(ACME, settings)
    name, value, attributes = cookie_of(ask(app, "/in"))

    assert name == "session"
    assert {"HttpOnly", "Path=/", "SameSite=Lax"} == set(attributes)
    assert who(app, (name, value)) == "olga"


def test_a_session_is_worthless_next_door(settings: Settings) -> None:
    """R15: the neighbour's key does not verify it, under whatever name it comes."""
    name, value, _ = cookie_of(ask(site(ACME, settings), "/in"))
    for app in (
        site(BOLT, settings),
        views(_platform("account", settings)),
        views(_platform("other", settings)),
    ):
        for other in (name, "account", "other", f"session_{BOLT.id}"):
            assert who(app, (other, value)) == "None"


def _platform(name: str, settings: Settings) -> Flask:
    app = Flask(name)
    init_platform(app, name, settings=settings)
    return app


@pytest.mark.parametrize("names", [("account", "other"), ("other", "account")])
def test_the_platforms_apps_have_sessions_of_their_own(
    settings: Settings, names: tuple[str, str]
) -> None:
    """R16: apps of another name share a host, and neither a key nor a cookie name."""
    one, two = (views(_platform(name, settings)) for name in names)
    name, value, _ = cookie_of(ask(one, "/in"))

    assert name == names[0]
    assert who(one, (name, value)) == "olga"
    assert who(two, (names[1], value)) == "None"


def test_the_tenants_id_stands_in_every_session(settings: Settings) -> None:
    """R15: should two tenants come to one key, as a factory may set it, the id still tells."""
    apps = [site(ACME, settings), site(BOLT, settings)]
    for app in apps:
        app.secret_key = "the factory's own, for all of them"
    name, value, _ = cookie_of(ask(apps[0], "/in"))
    assert who(apps[0], (name, value)) == "olga"
    assert who(apps[1], (name, value)) == "None"

    interface = apps[0].session_interface
    assert isinstance(interface, ScopedSessionInterface)
    serializer = interface.get_signing_serializer(apps[0])
    assert serializer is not None
    assert who(apps[0], (name, str(serializer.dumps({"user": "olga"})))) == "None"


def test_a_renamed_tenant_keeps_its_sessions(settings: Settings) -> None:
    """R15: keys follow the id, and a name is not one."""
    renamed = a_tenant("acme-inc", revision=2)
    object.__setattr__(renamed, "id", ACME.id)
    name, value, _ = cookie_of(ask(site(ACME, settings), "/in"))

    assert who(site(renamed, settings), (name, value)) == "olga"


def test_a_tenant_made_anew_has_none_of_the_old_sessions(settings: Settings) -> None:
    """R15: whoever gets a name after somebody else gets nobody's sessions with it."""
    successor = a_tenant("acme")
    object.__setattr__(successor, "id", "f" * 32)
    name, value, _ = cookie_of(ask(site(ACME, settings), "/in"))

    assert who(site(successor, settings), (name, value)) == "None"


def test_keys_rotate_without_signing_anybody_out(make_settings: Callable[..., Settings]) -> None:
    """A new key signs, the old one still verifies; dropping the old one ends its sessions."""

    def at(*keys: str) -> Flask:
        return site(ACME, make_settings(secret_keys=tuple(SecretStr(key) for key in keys)))

    old = cookie_of(ask(at(KEY), "/in"))[:2]
    new = cookie_of(ask(at(OTHER_KEY, KEY), "/in"))[:2]

    assert who(at(OTHER_KEY, KEY), old) == "olga"
    assert who(at(OTHER_KEY), old) == "None"
    assert who(at(OTHER_KEY), new) == "olga"
    assert who(at(KEY), new) == "None"


@pytest.mark.parametrize(
    ("base_url", "scheme", "name", "secure"),
    [
        pytest.param("http://example.test", "http", "session", False, id="plain"),
        pytest.param("https://example.test", "http", "__Host-session", True, id="TLS at a proxy"),
        pytest.param("https://example.test", "https", "__Host-session", True, id="TLS"),
        pytest.param("http://example.test", "https", "__Host-session", True, id="TLS all the same"),
    ],
)
def test_over_https_the_cookie_is_bound_to_its_host(
    make_settings: Callable[..., Settings], base_url: str, scheme: str, name: str, *, secure: bool
) -> None:
    """R17: __Host-, Secure, Path=/ and no Domain, so that no sibling can plant it."""
    app = site(ACME, make_settings(base_url=base_url))
    environ = {"wsgi.url_scheme": scheme}
    found, value, attributes = cookie_of(ask(app, "/in", environ=environ))

    assert found == name
    assert ("Secure" in attributes) is secure
    assert "Path=/" in attributes
    assert not any(part.startswith("Domain") for part in attributes)
    assert who(app, (found, value), **environ) == "olga"
    if secure:
        assert who(app, ("session", value), **environ) == "None"


def test_below_a_path_the_cookie_is_the_paths(make_settings: Callable[..., Settings]) -> None:
    """R20: name and path are the tenant's; over HTTPS it is at least __Secure-."""
    app = site(ACME, make_settings(base_url="https://example.test"))
    environ = {"SCRIPT_NAME": "/sites/acme"}
    name, value, attributes = cookie_of(ask(app, "/in", environ=environ))

    assert name == f"__Secure-session_{ACME.id}"
    assert {"Path=/sites/acme/", "Secure", "HttpOnly"} <= set(attributes)
    assert who(app, (name, value), **environ) == "olga"


def test_the_backends_cookie_is_the_whole_hosts(make_settings: Callable[..., Settings]) -> None:
    """R16, R17: mounted on /backend, its cookie can still be __Host-."""
    app = views(_platform("backend", make_settings(base_url="https://example.test")))
    name, _, attributes = cookie_of(ask(app, "/in", environ={"SCRIPT_NAME": "/backend"}))

    assert name == "__Host-backend"
    assert {"Path=/", "Secure"} <= set(attributes)


def test_of_two_cookies_neither_is_believed(settings: Settings) -> None:
    """R18: a second cookie of the name was set by somebody else; which one, nobody knows."""
    app = site(ACME, settings)
    name, value, _ = cookie_of(ask(app, "/in"))
    for cookies in (
        [(name, value), (name, "x")],
        [(name, "x"), (name, value)],
        [(name, value), (name, value)],
        [(name, ""), (name, value)],
    ):
        assert who(app, *cookies) == "None"
    assert who(app, ("other", "x"), (name, value)) == "olga"


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda value: value[:-1], id="shortened"),
        pytest.param(lambda value: value[1:], id="beginning lost"),
        pytest.param(lambda value: f"x{value}", id="lengthened"),
        pytest.param(lambda value: value.replace(".", "..", 1), id="dots"),
        pytest.param(lambda value: value.split(".")[0], id="unsigned"),
        pytest.param(lambda _: "", id="empty"),
        pytest.param(lambda _: "\xff" * 50, id="not text"),
        pytest.param(lambda _: "." * 5000, id="long"),
    ],
)
def test_a_changed_cookie_is_no_session(settings: Settings, change: Callable[[str], str]) -> None:
    """R15: whatever does not verify is an anonymous visit, never an error."""
    app = site(ACME, settings)
    name, value, _ = cookie_of(ask(app, "/in"))

    assert who(app, (name, change(value))) == "None"


def test_signing_out_takes_the_cookie_back(settings: Settings) -> None:
    """The browser is told to forget exactly the cookie that it was given."""
    app = site(ACME, settings)
    name, value, _ = cookie_of(ask(app, "/in"))
    answer = ask(app, "/out", environ={"HTTP_COOKIE": f"{name}={value}"})
    again, emptied, attributes = cookie_of(answer)

    assert (again, emptied) == (name, "")
    assert "Max-Age=0" in attributes
    assert "Path=/" in attributes


def test_only_pages_that_look_at_the_session_are_private(settings: Settings) -> None:
    """R23: a page made for everybody stays cacheable, one made for somebody never is."""
    app = site(ACME, settings)
    cookie = cookie_of(ask(app, "/in"))
    environ = {"HTTP_COOKIE": f"{cookie[0]}={cookie[1]}"}

    for path in ("/in", "/who"):
        answer = ask(app, path, environ=environ)
        assert answer.headers["cache-control"] == "private, no-store"
        assert "Cookie" in answer.headers["vary"]
    plain = ask(app, "/plain", environ=environ)
    assert "cache-control" not in plain.headers
    assert "vary" not in plain.headers


@pytest.mark.parametrize(
    ("config", "name", "attribute"),
    [
        pytest.param({"SESSION_COOKIE_NAME": "visit"}, "visit", "SameSite=Lax", id="name"),
        pytest.param(
            {"SESSION_COOKIE_SAMESITE": "Strict"}, "session", "SameSite=Strict", id="strict"
        ),
        pytest.param({"SESSION_COOKIE_SECURE": True}, "session", "Secure", id="secure"),
        pytest.param(
            {"SESSION_COOKIE_PARTITIONED": True}, "session", "Partitioned", id="partitioned"
        ),
        pytest.param({"SESSION_COOKIE_PATH": "/"}, "session", "Path=/", id="root"),
    ],
)
def test_safe_cookie_settings_of_a_factory_are_honoured(
    settings: Settings, config: dict[str, Any], name: str, attribute: str
) -> None:
    """What makes the cookie no wider than the tenant's site is the factory's to choose."""
    app = views(Flask("site"))
    app.config.update(config)
    init_tenant(app, ACME, settings=settings)
    found, value, attributes = cookie_of(ask(app, "/in"))
    assert found == name
    assert attribute in attributes
    assert who(app, (name, value)) == "olga"


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("SESSION_COOKIE_DOMAIN", ".example.test"),
        ("SESSION_COOKIE_PATH", "/shop"),
        ("SESSION_COOKIE_HTTPONLY", False),
        ("SESSION_COOKIE_SAMESITE", "None"),
        ("SESSION_COOKIE_NAME", "__Host-session"),
        ("SESSION_COOKIE_NAME", "two words"),
        ("SESSION_COOKIE_NAME", ""),
    ],
)
def test_unsafe_cookie_settings_of_a_factory_are_refused(
    settings: Settings, setting: str, value: object
) -> None:
    """With a sentence that names the setting, its value and the remedy; set later, they do nothing."""
    app = views(Flask("site"))
    app.config[setting] = value
    with pytest.raises(UnsafeCookieError) as refused:
        init_tenant(app, ACME, settings=settings)
    assert str(refused.value).startswith(f"{setting}={value!r} is refused: ")

    late = site(ACME, settings)
    late.config[setting] = value
    name, _, attributes = cookie_of(ask(late, "/in"))
    assert name == "session"
    assert {"HttpOnly", "Path=/", "SameSite=Lax"} == set(attributes)
