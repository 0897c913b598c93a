"""Settings: what is wrong stops the start with one sentence, and no sentence shows a secret."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tenantry.errors import SettingsError, UnknownPlanError
from tenantry.settings import get_settings, load_settings
from tenantry.values.tenant import Tenant

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

KEY = "k" * 32
ACME = Tenant("a" * 32, "acme", "Acme")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in an empty folder, which has no .env file."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def fresh() -> Iterator[None]:
    """Let the process forget its own settings, before and after."""
    get_settings.cache_clear()
    yield
    get_settings.cache_clear()


def test_nothing_needs_to_be_set(folder: Path) -> None:
    """In an empty folder everything has a default that works at once in a browser."""
    settings = load_settings()
    assert settings.domain == "localhost"
    assert settings.apex_url == "http://localhost:8000/"
    assert settings.backend_url == "http://localhost:8000/backend/"
    assert settings.data_dir == folder / "var"
    assert settings.catalog_url == f"sqlite:///{folder}/var/catalog.sqlite3"
    assert settings.secret_keys == ()
    assert not settings.https


def test_domains_lead_to_the_platform_unless_told_otherwise() -> None:
    """A name that the operator can move is best; addresses are for domains without a prefix."""
    assert load_settings(domain="example.com").domain_targets.names == ("example.com",)
    targets = load_settings(
        dns_targets="sites.example.com, 203.0.113.7, 2001:DB8::7"
    ).domain_targets
    assert targets.names == ("sites.example.com",)
    assert targets.addresses == {"203.0.113.7", "2001:db8::7"}


def test_resolvers_are_addresses() -> None:
    """A resolver's own name could not be looked up."""
    found = load_settings(dns_resolvers="10.0.0.2:5353, [2001:db8::53]:5353, ::1").dns_resolvers
    assert [(one.address, one.port) for one in found] == [
        ("10.0.0.2", 5353),
        ("2001:db8::53", 5353),
        ("::1", 53),
    ]
    assert len(load_settings().dns_resolvers) == 3


def test_the_internal_listener_has_its_own_port() -> None:
    """It is told apart from the visitors' by its address and port."""
    assert load_settings(internal_listen="[::1]:8001").internal_address == ("::1", 8001)
    assert load_settings().internal_address is None
    with pytest.raises(SettingsError, match="INTERNAL_LISTEN: the HTTP listener has port 8000"):
        load_settings(internal_listen="127.0.0.1:8000")


def test_own_settings_are_read_once(fresh: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process has one set of settings, whoever asks."""
    first = get_settings()
    monkeypatch.setenv("TENANTRY_PORT", "9000")
    assert get_settings() is first


def test_links_follow_the_port_and_the_domain(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is not chosen follows from what is: port and domain are told once."""
    monkeypatch.setenv("TENANTRY_PORT", "9000")
    assert load_settings().site_url(ACME) == "http://acme.localhost:9000/"
    monkeypatch.setenv("TENANTRY_DOMAIN", "Example.COM.")
    assert load_settings().domain == "example.com"
    assert load_settings().site_url(ACME) == "https://acme.example.com/"
    assert load_settings().https


def test_own_host_is_canonical() -> None:
    """The first custom host is where a site's links point, unless sites live under a path."""
    tenant = Tenant("a" * 32, "acme", "Acme", hosts=("www.acme.test", "acme.test"))
    settings = load_settings(base_url="https://example.com:8443")
    assert settings.site_url(tenant) == "https://www.acme.test:8443/"
    by_path = load_settings(routing="path", allow_shared_origin=True)
    assert by_path.site_url(tenant) == "http://localhost:8000/sites/acme/"


def test_folders_are_named_by_id(folder: Path) -> None:
    """A slug can change; what it named yesterday must not belong to somebody else today."""
    assert load_settings().tenant_dir(ACME.id) == folder / "var" / "tenants" / f"t_{ACME.id}"


def test_env_file_is_read_and_the_environment_wins(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """.env is for the folder; a variable is for this time. Other programs' lines are not ours."""
    (folder / ".env").write_text("TENANTRY_PORT=9001\nTENANTRY_THREADS=8\nPOSTGRES_USER=x\n")
    monkeypatch.setenv("TENANTRY_PORT", "9002")
    settings = load_settings()
    assert (settings.port, settings.threads) == (9002, 8)


def test_unknown_name_in_the_env_file_stops_the_start(folder: Path) -> None:
    """A misspelt line of .env would silently mean the default."""
    (folder / ".env").write_text("TENANTRY_PROT=9001\n")
    with pytest.raises(SettingsError, match=r"TENANTRY_PROT: there is no such setting"):
        load_settings()


def test_variable_without_value_is_no_choice(monkeypatch: pytest.MonkeyPatch) -> None:
    """`TENANTRY_PORT=` in a compose file is the default, not an error and not zero."""
    for name in ("PORT", "DOMAIN", "DATA_DIR", "CATALOG_URL"):
        monkeypatch.setenv(f"TENANTRY_{name}", "")
    assert load_settings() == load_settings(port=8000, domain="localhost")


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        pytest.param("DOMIAN", "x", "no such setting; `tenantry settings` lists", id="unknown"),
        pytest.param("DOMAIN", "a_b", "bare host name as `example.com`", id="no host"),
        pytest.param("DOMAIN", "https://example.com", "bare host name", id="URL as domain"),
        pytest.param("DOMAIN", "127.0.0.1", "addresses name no site", id="address as domain"),
        pytest.param("BACKEND_HOST", "a b", "bare host name", id="no backend host"),
        pytest.param("BASE_URL", "example.com", "must be a scheme and a host", id="no scheme"),
        pytest.param("BASE_URL", "ftp://example.com", "must be a scheme", id="wrong scheme"),
        pytest.param("BASE_URL", "https://example.com/x", "must be a scheme", id="with a path"),
        pytest.param("BASE_URL", "https://example.com?x", "must be a scheme", id="with a query"),
        pytest.param("BASE_URL", "https://example.com:x", "must be a scheme", id="port no number"),
        pytest.param(
            "BASE_URL", "https://example.com:99999", "must be a scheme", id="port too big"
        ),
        pytest.param("BASE_URL", "https://u@example.com", "must be a scheme", id="with a user"),
        pytest.param("DNS_TARGETS", "localhost", "neither an address nor", id="one label"),
        pytest.param("DNS_TARGETS", "203.0.113.7, a_b.c", "'a_b.c' is neither", id="bad target"),
        pytest.param("DNS_RESOLVERS", "dns.example.com", "is no address", id="resolver by name"),
        pytest.param("DNS_RESOLVERS", "9.9.9.9:0", "is no address", id="resolver at port zero"),
        pytest.param("INTERNAL_LISTEN", "8001", "must be a loopback", id="port alone"),
        pytest.param("INTERNAL_LISTEN", "0.0.0.0:8001", "must be a loopback", id="for everyone"),
        pytest.param("INTERNAL_LISTEN", "[127.0.0.1]:8001", "must be a", id="wrong brackets"),
        pytest.param("INTERNAL_LISTEN", "::1:8001", "must be a loopback", id="no brackets"),
        pytest.param("PATH_PREFIX", "sites", "must start with a slash", id="prefix without slash"),
        pytest.param("PATH_PREFIX", "/sites/", "not end with one", id="prefix with two slashes"),
        pytest.param("PATH_PREFIX", "/backend", "not be /backend", id="prefix of the backend"),
        pytest.param("ROUTING", "host", "'subdomain', 'path' or 'both'", id="unknown routing"),
        pytest.param("PORT", "0", "greater than or equal to 1", id="port zero"),
        pytest.param("PORT", "http", "valid integer", id="port by name"),
        pytest.param("TRUSTED_PROXIES", "-1", "greater than or equal to 0", id="negative hops"),
        pytest.param("THREADS", "many", "valid integer", id="threads"),
        pytest.param("POOL_BUILD_SECONDS", "0", "greater than 0", id="no time to build"),
        pytest.param("LIMIT_IN_FLIGHT", "-1", "greater than or equal to 0", id="negative bulkhead"),
        pytest.param(
            "LIMIT_TENANT_REQUESTS", "-1", "greater than or equal to 0", id="negative rate"
        ),
        pytest.param("LIMIT_CLIENT_REQUESTS", "-0.1", "greater than or equal to 0", id="so slow"),
        pytest.param("LIMIT_CLIENT_REQUESTS", "many", "valid number", id="rate in words"),
        pytest.param("LIMIT_CLIENT_REQUESTS", "inf", "finite number", id="endless rate"),
        pytest.param("LIMIT_TENANT_REQUESTS", "nan", "finite number", id="rate that is no number"),
        pytest.param("LIMIT_PLANS", "{free", "must be JSON", id="no JSON"),
        pytest.param(
            "LIMIT_PLANS", "[1]", "must be JSON with limits by plan", id="plans in a list"
        ),
        pytest.param("LIMIT_PLANS", '{"free": 3}', "plan 'free' has 3", id="plan without names"),
        pytest.param("LIMIT_PLANS", '{" ": {}}', "1 to 40 characters", id="plan without a name"),
        pytest.param(
            "LIMIT_PLANS",
            '{"free": {"rps": 3}}',
            "limits 'rps'; there are `in_flight`, `requests`, `statement_seconds`, `lock_seconds`",
            id="unknown limit",
        ),
        pytest.param("LIMIT_LOCK_SECONDS", "-1", "greater than or equal to 0", id="lock"),
        pytest.param("LOG_LEVEL", "loud", "'debug', 'info'", id="log level"),
        pytest.param("ALLOW_SHARED_ORIGIN", "perhaps", "valid boolean", id="neither yes nor no"),
    ],
)
def test_wrong_value_is_named_with_its_remedy(
    name: str, value: str, sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One sentence names the variable, the value and what would be right."""
    monkeypatch.setenv(f"TENANTRY_{name}", value)
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert caught.value.variable == f"TENANTRY_{name}"
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)
    if name != "DOMIAN":
        assert value in str(caught.value)


@pytest.mark.parametrize(
    ("limits", "problem"),
    [
        pytest.param('{"in_flight": 0}', "free.in_flight=0: ", id="none at once"),
        pytest.param('{"in_flight": 1.5}', "free.in_flight=1.5: ", id="one and a half"),
        pytest.param('{"requests": -1}', "free.requests=-1: ", id="negative rate"),
        pytest.param('{"requests": "many"}', "free.requests=many: ", id="rate in words"),
        pytest.param('{"requests": Infinity}', "free.requests=inf: ", id="endless rate"),
    ],
)
def test_wrong_limit_of_a_plan_is_named_with_its_place(
    monkeypatch: pytest.MonkeyPatch, limits: str, problem: str
) -> None:
    """Among many plans, the sentence says which one is meant."""
    monkeypatch.setenv("TENANTRY_LIMIT_PLANS", f'{{"pro": {{}}, "free": {limits}}}')
    with pytest.raises(SettingsError) as refusal:
        load_settings()

    assert str(refusal.value).startswith(f"TENANTRY_LIMIT_PLANS: {problem}Input should be ")


def test_plans_override_the_common_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """A plan says what it has to say, the common limits the rest; an unnamed plan is the default."""
    monkeypatch.setenv("TENANTRY_THREADS", "8")
    monkeypatch.setenv("TENANTRY_LIMIT_TENANT_REQUESTS", "40")
    plans = '{"free": {"in_flight": 2}, "gold": {"requests": 0}}'
    monkeypatch.setenv("TENANTRY_LIMIT_PLANS", plans)
    settings = load_settings()

    names = ("free", "gold", "other")
    assert [settings.in_flight_of(plan) for plan in names] == [2, 7, 2]
    assert [settings.requests_of(plan) for plan in names] == [40, 0, 40]
    monkeypatch.setenv("TENANTRY_LIMIT_IN_FLIGHT", "3")
    assert [load_settings().in_flight_of(plan) for plan in names] == [2, 3, 2]


def test_a_plan_that_is_not_named_has_the_default_plans_limits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Taking a plan out of the settings never leaves its tenants without limits."""
    monkeypatch.setenv("TENANTRY_LIMIT_PLANS", '{"basic": {"in_flight": 2, "members": 3}}')
    monkeypatch.setenv("TENANTRY_DEFAULT_PLAN", "basic")
    settings = load_settings()

    assert settings.plans == ("basic",)
    assert [settings.get_plan(name) for name in (None, "basic")] == ["basic", "basic"]
    for name in ("free", "platinumm"):
        assert (settings.in_flight_of(name), settings.limits_of(name).members) == (2, 3)
        with pytest.raises(UnknownPlanError, match="the plans are basic"):
            settings.get_plan(name)


def test_without_named_plans_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """``free``, with the common limits; another default plan has to be named."""
    assert (load_settings().plans, load_settings().default_plan) == (("free",), "free")
    monkeypatch.setenv("TENANTRY_LIMIT_PLANS", '{"gold": {}}')
    assert load_settings().plans == ("gold", "free")
    monkeypatch.setenv("TENANTRY_DEFAULT_PLAN", "gold")
    assert load_settings().plans == ("gold",)
    monkeypatch.setenv("TENANTRY_DEFAULT_PLAN", "platinumm")
    with pytest.raises(SettingsError, match=r"'platinumm' is no plan; .* names gold"):
        load_settings()


def test_placements_are_told_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a choice there are files in the data folder; a URL's password is shown nowhere."""
    assert [placement.name for placement in load_settings().databases] == ["local"]
    server = "postgresql+psycopg://tenantry:geheim@db:5432/sites"
    places = {"fast": "sqlite:////srv/fast", "eu": {"url": server, "tenants": 9, "connections": 3}}
    monkeypatch.setenv("TENANTRY_DATABASES", json.dumps(places))
    settings = load_settings()
    fast, eu = settings.databases

    assert (fast.kind, fast.shown, fast.tenants) == ("sqlite", "/srv/fast", 0)
    assert (eu.kind, eu.tenants, eu.connections) == ("postgresql", 9, 3)
    assert eu.shown == "postgresql+psycopg://tenantry:***@db:5432/sites"
    assert "geheim" not in repr(settings) + str(settings)
    assert settings.get_placement("eu") is eu


def test_a_plan_has_its_own_timeouts(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a plan says nothing of is what every tenant may."""
    monkeypatch.setenv("TENANTRY_LIMIT_LOCK_SECONDS", "3")
    plans = '{"free": {"statement_seconds": 1.5}, "gold": {"lock_seconds": 0}}'
    monkeypatch.setenv("TENANTRY_LIMIT_PLANS", plans)
    settings = load_settings()

    names = ("free", "gold", "other")
    assert [settings.statement_seconds_of(plan) for plan in names] == [1.5, 20, 1.5]
    assert [settings.lock_seconds_of(plan) for plan in names] == [3, 0, 3]


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        pytest.param("SECRET_KEYS", "geheim", "needs 32 characters", id="short key"),
        pytest.param("SECRET_KEYS", f"{KEY},geheim", "needs 32 characters", id="second one short"),
        pytest.param("CATALOG_URL", "mysql://u:geheim@h/d", "must start with", id="other database"),
        pytest.param(
            "CATALOG_URL", "postgresql://u:geheim@h/d", "postgresql+psycopg://", id="no driver"
        ),
        pytest.param(
            "CATALOG_URL",
            "postgresql+psycopg://u:geheim@h:port/d",
            "must name a database",
            id="no port",
        ),
        pytest.param(
            "CATALOG_URL", "postgresql+psycopg://u:geheim@h", "must name a database", id="no name"
        ),
        pytest.param("CATALOG_URL", "sqlite:///?x=geheim", "must name a database", id="in memory"),
        *(
            pytest.param("DATABASES", value, sentence, id=f"databases: {sentence}")
            for value, sentence in {
                "{geheim": "must be JSON with a URL for each name",
                '["geheim"]': "must be JSON",
                "{}": "must be JSON",
                '{"postgresql+psycopg://u:geheim@h/d": 1}': "A URL cannot name a placement",
                '{"EU": "postgresql+psycopg://u:geheim@h/d"}': "'EU' cannot name a placement",
                '{"eu": "mysql://u:geheim@h/d"}': "placement 'eu' needs a URL",
                '{"eu": "postgresql+psycopg://u:geheim@h"}': "must name a user and a database",
                '{"eu": "postgresql+psycopg://u:geheim@h:port/d"}': "%40",
                '{"eu": "sqlite:///geheim"}': "four slashes",
                '{"eu": {"url": "sqlite", "tenants": -1}}': "tenants=-1; give a whole number",
                '{"eu": {"url": "sqlite", "login": "own"}}': "no server to sign in to",
                '{"eu": {"url": "postgresql+psycopg://a@b/c", "login": "x"}}': "login=x; give `own`",
                '{"eu": {"url": "sqlite", "size": 1}}': "an option 'size'; there are `url`",
            }.items()
        ),
        pytest.param("MAIL_URL", "smtp://u:geheim@h:port", "%40", id="mail server"),
        pytest.param("SECRET_KEY", "geheim", "no such setting", id="misspelt name"),
        pytest.param("DATABASE_PASSWORD", "geheim", "no such setting", id="other name"),
    ],
)
def test_no_sentence_shows_a_secret(
    name: str, value: str, sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Start-up errors end in logs: keys and passwords of the catalog are never repeated there."""
    monkeypatch.setenv(f"TENANTRY_{name}", value)
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert sentence in str(caught.value)
    error: BaseException | None = caught.value
    while error is not None:
        shown = error if error.__suppress_context__ or error is caught.value else None
        assert "geheim" not in f"{shown}{shown!r}"
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def test_repr_shows_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever prints the settings prints no key."""
    monkeypatch.setenv("TENANTRY_SECRET_KEYS", KEY)
    assert KEY not in repr(load_settings())


def test_keys_come_newest_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """A key is replaced by putting a new one in front of the old one."""
    monkeypatch.setenv("TENANTRY_SECRET_KEYS", f" {'n' * 32} , {'o' * 32},")
    keys = [key.get_secret_value() for key in load_settings().secret_keys]
    assert keys == ["n" * 32, "o" * 32]


def test_keys_come_from_the_file_that_init_makes(folder: Path) -> None:
    """Without the variable the file in the data folder counts, one key a line."""
    (folder / "var").mkdir()
    (folder / "var" / "secret_keys").write_text(f"{'n' * 32}\n{'o' * 32}\n")
    keys = [key.get_secret_value() for key in load_settings().secret_keys]
    assert keys == ["n" * 32, "o" * 32]


def test_variable_is_stronger_than_the_file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who gives keys by a variable means those and no others."""
    (folder / "var").mkdir()
    (folder / "var" / "secret_keys").write_text("f" * 32)
    monkeypatch.setenv("TENANTRY_SECRET_KEYS", KEY)
    assert [key.get_secret_value() for key in load_settings().secret_keys] == [KEY]


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"geheim\n", id="short"),
        pytest.param(b"geheim\xff" * 8, id="no text"),
    ],
)
def test_unusable_key_file_stops_the_start(folder: Path, content: bytes) -> None:
    """A damaged file must not mean new keys, and its content is still a secret."""
    (folder / "var").mkdir()
    (folder / "var" / "secret_keys").write_bytes(content)
    with pytest.raises(SettingsError, match="TENANTRY_SECRET_KEYS") as caught:
        load_settings()
    assert "geheim" not in str(caught.value)


def test_unreadable_key_file_stops_the_start(folder: Path) -> None:
    """A folder in the file's place is told with the system's reason."""
    (folder / "var" / "secret_keys").mkdir(parents=True)
    with pytest.raises(SettingsError, match="Is a directory"):
        load_settings()


def test_an_empty_terms_file_stops_the_start(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages would lead to terms that are not there."""
    file = folder / "terms.md"
    file.write_text("\n")
    monkeypatch.setenv("TENANTRY_TERMS_FILE", str(file))
    with pytest.raises(SettingsError, match=r"TENANTRY_TERMS_FILE.*the file has no text"):
        load_settings()


@pytest.mark.parametrize(
    ("bind", "socket", "forced", "allowed"),
    [
        pytest.param("127.0.0.1", "", "", True, id="loopback"),
        pytest.param("[::1]", "", "", True, id="loopback by IPv6"),
        pytest.param("0.0.0.0", "", "", False, id="everybody"),  # noqa: S104 - refused
        pytest.param("192.0.2.1", "", "", False, id="a network"),
        pytest.param("0.0.0.0", "/run/t.sock", "", True, id="Unix socket"),  # noqa: S104
        pytest.param("0.0.0.0", "", "1", True, id="behind a firewall"),  # noqa: S104
    ],
)
def test_proxies_are_trusted_only_where_nobody_else_connects(
    bind: str, socket: str, forced: str, *, allowed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R3: proxy headers from whoever connects directly would be forged ones."""
    monkeypatch.setenv("TENANTRY_TRUSTED_PROXIES", "1")
    monkeypatch.setenv("TENANTRY_BIND", bind)
    monkeypatch.setenv("TENANTRY_SOCKET", socket)
    monkeypatch.setenv("TENANTRY_TRUST_ANY_PEER", forced)
    if allowed:
        assert load_settings().trusted_proxies == 1
        return
    with pytest.raises(SettingsError, match=r"TENANTRY_TRUSTED_PROXIES.*TENANTRY_TRUST_ANY_PEER=1"):
        load_settings()


@pytest.mark.parametrize("routing", ["path", "both"])
@pytest.mark.parametrize(
    ("host", "forced", "allowed"),
    [
        pytest.param("", "", False, id="shared origin"),
        pytest.param("admin.example.com", "", True, id="host of its own"),
        pytest.param("", "1", True, id="development"),
    ],
)
def test_backend_shares_no_origin_with_path_routed_sites(
    routing: str, host: str, forced: str, *, allowed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R21: a site's script on the apex could act as the operator who is signed in there."""
    monkeypatch.setenv("TENANTRY_ROUTING", routing)
    monkeypatch.setenv("TENANTRY_BACKEND_HOST", host)
    monkeypatch.setenv("TENANTRY_ALLOW_SHARED_ORIGIN", forced)
    if allowed:
        assert load_settings().routing == routing
        return
    with pytest.raises(SettingsError, match=r"TENANTRY_ROUTING.*TENANTRY_BACKEND_HOST"):
        load_settings()
