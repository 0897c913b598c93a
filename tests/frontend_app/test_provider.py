"""Signing in with OpenID Connect, with a real provider on loopback."""

from __future__ import annotations

import http.client
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from joserfc.jwk import RSAKey

from tenantry.catalog import SYSTEM
from tests.frontend_app.provider import CLIENT, SECRET, Provider, running_provider
from tests.markup import find_flaws

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from werkzeug.test import TestResponse

    from tests.frontend_app.conftest import Front, Person

OLGA = "olga@mail.test"


@pytest.fixture
def provider() -> Iterator[Provider]:
    """Return a running provider at which Olga is signed in."""
    with running_provider() as running:
        yield running


@pytest.fixture
def front(make_front: Callable[..., Front], provider: Provider) -> Front:
    """Return a platform that trusts the provider, and Olga's account."""
    made = make_front(
        oidc_issuer=provider.issuer,
        oidc_client_id=CLIENT,
        oidc_client_secret=SECRET,
        oidc_name="Staff login",
    )
    made.add_account(OLGA)
    return made


def visit(url: str) -> str:
    """Go to the provider; return where it leads back to."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=30)
    connection.request("GET", f"{parts.path}?{parts.query}")
    location = connection.getresponse().getheader("Location") or ""
    connection.close()
    return location


def begin(person: Person, query: str = "") -> str:
    """Press the button; return the address at the provider."""
    answer = person.post(f"/signin/oidc{query}")
    assert answer.status_code == 200, answer.text
    return answer.headers["Refresh"].partition("url=")[2]


def sign_in(person: Person, query: str = "") -> TestResponse:
    """Press the button, and come back from the provider."""
    back = visit(begin(person, query))
    assert back.startswith("http://example.test:8000/signin/oidc/back?")
    return person.get(back.removeprefix("http://example.test:8000"))


def test_an_account_signs_in_with_the_provider(front: Front) -> None:
    """Back where the visitor wanted to go; another time the subject counts, not the address."""
    person = front.person()
    page = person.get("/signin").text
    assert "Sign in with Staff login" in page
    assert find_flaws(page) == []
    assert sign_in(person, "?next=/account/data").location == "/account/data"
    assert person.get("/sites").status_code == 200
    assert {"account.identity", "account.sign-in"} <= set(front.actions())


def test_the_subject_names_the_account(front: Front, provider: Provider) -> None:
    """An address that changes hands at the provider does not take the account along."""
    sign_in(front.person())
    provider.claims = {"email": "olga@new.test"}
    assert sign_in(front.person()).location == "/sites/"
    provider.claims = {"sub": "43", "email": OLGA}
    assert sign_in(front.person()).location == "/signin"


@pytest.mark.parametrize(
    "claims",
    [
        pytest.param({"email": "nobody@mail.test"}, id="no account"),
        pytest.param({"email_verified": False}, id="not verified"),
        pytest.param({"email_verified": "true"}, id="not a boolean"),
        pytest.param({"email": None}, id="no address"),
        pytest.param({"iss": "http://evil.test"}, id="another issuer"),
        pytest.param({"aud": "another client"}, id="another client"),
        pytest.param({"nonce": "made up"}, id="another nonce"),
        pytest.param({"exp": 1}, id="over"),
    ],
)
def test_what_the_provider_should_not_say(
    front: Front, provider: Provider, claims: dict[str, Any]
) -> None:
    """Nobody is signed in, and the page says what to do."""
    provider.claims = claims
    person = front.person()
    assert sign_in(person).location == "/signin"
    assert "The provider gave no account" in person.get("/signin").text
    assert person.get("/sites").status_code == 303


def test_a_token_that_another_key_signed(front: Front, provider: Provider) -> None:
    """The provider's published keys decide."""
    provider.signing_key = RSAKey.generate_key(2048, {"kid": "one"})
    assert sign_in(front.person()).location == "/signin"


def test_an_answer_belongs_to_the_browser_that_asked(front: Front) -> None:
    """Crossed and replayed answers sign nobody in."""
    one, two = front.person(), front.person()
    back = visit(begin(one)).removeprefix("http://example.test:8000")
    begin(two)
    assert two.get(back).location == "/signin"
    assert one.get(back).location == "/sites/"
    again = front.person()
    assert again.get(back).location == "/signin"
    for path in (
        "/signin/oidc/back",
        "/signin/oidc/back?code=x&state=y",
        "/signin/oidc/back?error=no",
    ):
        assert again.get(path).location == "/signin"


def test_the_second_factor_is_still_asked_for(front: Front) -> None:
    """The provider replaces the password, and nothing else."""
    account = front.catalog.accounts.find(OLGA)
    assert account is not None
    front.catalog.second_factors.set_secret(account.id, "sealed", step=1, by=SYSTEM)
    person = front.person()
    answer = sign_in(person, "?next=/account/data")
    assert answer.location == "/signin/second?next=/account/data"
    assert person.get("/sites").status_code == 303


def test_an_unconfirmed_address_is_not_connected(front: Front, provider: Provider) -> None:
    """Somebody may have signed up with it; the provider's person would get their password, too."""
    front.person().sign_up("acme", email="victim@mail.test")
    provider.claims = {"sub": "7", "email": "victim@mail.test"}
    assert sign_in(front.person()).location == "/signin"


def test_a_provider_that_is_down(make_front: Callable[..., Front]) -> None:
    """The password still works, and the page says so."""
    front = make_front(oidc_issuer="http://127.0.0.1:1", oidc_client_id=CLIENT)
    front.add_account(OLGA)
    person = front.person()
    assert person.post("/signin/oidc").location == "/signin"
    assert "Use your password" in person.get("/signin").text
    assert person.sign_in(OLGA).status_code == 303


def test_without_a_provider_there_is_no_button(make_front: Callable[..., Front]) -> None:
    """Nor anything at its address."""
    person = make_front().person()
    assert "/signin/oidc" not in person.get("/signin").text
    assert person.post("/signin/oidc").status_code == 404
    assert person.get("/signin/oidc/back").status_code == 404
