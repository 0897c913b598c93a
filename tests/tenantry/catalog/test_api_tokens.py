"""API tokens: opened by their secret alone, and only while their account has the rights."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select, update

from tenantry.catalog import SYSTEM, Account, Actor, Catalog
from tenantry.catalog.api_tokens import LONGEST_DAYS, MAX_TOKENS, USED_EVERY
from tenantry.catalog.models import AccountRecord, ApiTokenRecord, now
from tenantry.errors import (
    AccountNotFoundError,
    ApiTokenLimitError,
    ApiTokenNotFoundError,
    ApiTokenRightsError,
    BadScopeError,
)
from tenantry.security.api_tokens import is_api_token

if TYPE_CHECKING:
    from collections.abc import Callable

    from tenantry.catalog import ApiToken
    from tenantry.values.tenant import Tenant

BY = Actor("operator", "ada@example.com")


@pytest.fixture
def ada(any_catalog: Catalog) -> Account:
    """Return an operator."""
    return any_catalog.accounts.add("ada@example.com", operator=True, by=SYSTEM)


@pytest.fixture
def acme(any_catalog: Catalog) -> Tenant:
    """Return a site that Olga owns."""
    acme = any_catalog.tenants.add("acme", name="Acme", by=SYSTEM)
    any_catalog.memberships.add_owner(acme.id, "olga@example.com", by=SYSTEM)
    any_catalog.memberships.add_owner(acme.id, "otto@example.com", by=SYSTEM)
    return any_catalog.tenants.get("acme")


@pytest.fixture
def olga(any_catalog: Catalog, acme: Tenant) -> Account:
    """Return one of the site's owners."""
    olga = any_catalog.accounts.find("olga@example.com")
    assert olga is not None
    return olga


def create(catalog: Catalog, account: Account, **facts: Any) -> tuple[ApiToken, str]:
    """Create a token."""
    wanted = {"name": "nightly", "scopes": ["tenants:read"], "days": 30, **facts}
    return catalog.api_tokens.create(account.id, by=BY, **wanted)


def change(catalog: Catalog, token_id: str, **values: Any) -> None:
    """Do to a token what time would."""
    with catalog.store.writing(SYSTEM) as writer:
        statement = update(ApiTokenRecord).where(ApiTokenRecord.id == token_id)
        writer.session.execute(statement.values(values))


def test_a_token_is_opened_by_its_secret_only(any_catalog: Catalog, ada: Account) -> None:
    """The catalog keeps a hash; scanners know the prefix and the checksum."""
    made, secret = create(any_catalog, ada, scopes=["jobs:read", "tenants:read"])

    assert any_catalog.api_tokens.find(secret) == (made, ada)
    assert made.scopes == ("tenants:read", "jobs:read")
    assert made.tenant_id is None
    assert secret.startswith("tnt_")
    assert is_api_token(secret)
    with any_catalog.store.reading() as session:
        record = session.scalars(select(ApiTokenRecord)).one()
        kept = " ".join(str(getattr(record, column.key)) for column in record.__table__.columns)
    assert secret not in kept
    (event,) = any_catalog.audit.list(size=1).items
    assert (event.action, event.detail["name"]) == ("api-token.create", "nightly")
    assert secret not in str(event)


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda secret: secret[:-1] + ("a" if secret[-1] != "a" else "b"), id="typo"),
        pytest.param(lambda secret: secret + "x", id="longer"),
        pytest.param(lambda secret: secret + "\n", id="line"),
        pytest.param(lambda secret: secret[:0], id="empty"),
        pytest.param(lambda secret: secret.removeprefix("tnt_"), id="no prefix"),
        pytest.param(lambda secret: secret[:4] + "\N{ARABIC-INDIC DIGIT ONE}" * 38, id="not ASCII"),
    ],
)
def test_no_other_text_opens_anything(any_catalog: Catalog, ada: Account, spoil: Any) -> None:
    """Most of it is refused by its form."""
    _, secret = create(any_catalog, ada)

    assert not is_api_token(spoil(secret))
    assert any_catalog.api_tokens.find(spoil(secret)) is None


def test_a_token_expires(any_catalog: Catalog, ada: Account) -> None:
    """After its days it opens nothing, stays in the list, and leaves it with the next token."""
    made, secret = create(any_catalog, ada, days=10_000)
    assert made.expires_at - made.created_at == timedelta(days=LONGEST_DAYS)
    change(any_catalog, made.id, expires_at=now() - timedelta(seconds=1))

    assert any_catalog.api_tokens.find(secret) is None
    (listed,) = any_catalog.api_tokens.list_of(ada.id, tenant_id=None)
    assert listed.is_expired
    other, _ = create(any_catalog, ada)
    assert any_catalog.api_tokens.list_of(ada.id, tenant_id=None) == (other,)


def test_a_platform_token_dies_with_the_operator(
    any_catalog: Catalog, ada: Account, olga: Account
) -> None:
    """It counts at each use whether the account is an operator's, and nobody else gets one."""
    _, secret = create(any_catalog, ada)
    with any_catalog.store.writing(SYSTEM) as writer:
        demoted = update(AccountRecord).where(AccountRecord.id == ada.id).values(operator=False)
        writer.session.execute(demoted)

    assert any_catalog.api_tokens.find(secret) is None
    with pytest.raises(ApiTokenRightsError, match=r"ada@example\.com.* not an operator's"):
        create(any_catalog, ada)
    with pytest.raises(ApiTokenRightsError):
        create(any_catalog, olga)


def test_a_sites_token_dies_with_the_owners_role(
    any_catalog: Catalog, acme: Tenant, olga: Account
) -> None:
    """Removed, made staff, or transferred away: the token is gone, also if she owns it again."""
    endings: dict[str, Callable[[], object]] = {
        "removed": lambda: any_catalog.memberships.remove(olga.id, acme.id, by=SYSTEM),
        "staff": lambda: any_catalog.memberships.change_role(olga.id, acme.id, "staff", by=SYSTEM),
        "owner removed": lambda: any_catalog.memberships.remove_owner(
            acme.id, olga.email, by=SYSTEM
        ),
        "transferred": lambda: any_catalog.memberships.transfer(
            acme.id, "otto@example.com", by=SYSTEM
        ),
    }
    for name, end in endings.items():
        any_catalog.memberships.add(olga.id, acme.id, by=SYSTEM)
        _, secret = create(any_catalog, olga, tenant_id=acme.id)
        assert any_catalog.api_tokens.find(secret) is not None
        end()
        assert any_catalog.api_tokens.find(secret) is None, name
        any_catalog.memberships.add(olga.id, acme.id, by=SYSTEM)
        assert any_catalog.api_tokens.find(secret) is None, name
    any_catalog.memberships.change_role(olga.id, acme.id, "staff", by=SYSTEM)
    with pytest.raises(ApiTokenRightsError, match="does not own the site"):
        create(any_catalog, olga, tenant_id=acme.id)


def test_a_token_dies_with_its_account(
    any_catalog: Catalog, ada: Account, olga: Account, acme: Tenant
) -> None:
    """Deleting the account leaves no token behind."""
    _, secret = create(any_catalog, olga, tenant_id=acme.id)
    any_catalog.account_changes.remove(olga.id, by=SYSTEM)

    assert any_catalog.api_tokens.find(secret) is None
    assert any_catalog.api_tokens.list().total == 0
    with pytest.raises(AccountNotFoundError):
        create(any_catalog, olga, tenant_id=acme.id)


@pytest.mark.parametrize(
    ("scopes", "said"),
    [
        pytest.param([], "needs a scope", id="none"),
        pytest.param(["tenants:delete"], "'tenants:delete' is not a scope", id="unknown"),
        pytest.param(["accounts:read"], "of a token for one site", id="only for the platform"),
    ],
)
def test_scopes_are_of_the_list(
    any_catalog: Catalog, acme: Tenant, olga: Account, scopes: list[str], said: str
) -> None:
    """The refusal names the scope and those that there are."""
    with pytest.raises(BadScopeError, match=said) as caught:
        create(any_catalog, olga, scopes=scopes, tenant_id=acme.id)
    assert "tenants:read" in str(caught.value)
    assert any_catalog.api_tokens.list().total == 0


def test_tokens_are_bounded_per_account(any_catalog: Catalog, ada: Account) -> None:
    """The one too many is refused; a revoked one makes room."""
    made = [create(any_catalog, ada)[0] for _ in range(MAX_TOKENS)]
    with pytest.raises(ApiTokenLimitError, match=f"has {MAX_TOKENS} API tokens"):
        create(any_catalog, ada)
    any_catalog.api_tokens.revoke(made[0].id, by=BY)
    create(any_catalog, ada)
    assert any_catalog.api_tokens.list(account_id=ada.id).total == MAX_TOKENS


def test_a_token_is_revoked_by_its_account_or_an_operator(
    any_catalog: Catalog, ada: Account, olga: Account
) -> None:
    """Another account's token is not found."""
    made, secret = create(any_catalog, ada)
    with pytest.raises(ApiTokenNotFoundError):
        any_catalog.api_tokens.revoke(made.id, account_id=olga.id, by=BY)
    assert any_catalog.api_tokens.find(secret) is not None
    any_catalog.api_tokens.revoke(made.id, account_id=ada.id, by=BY)
    assert any_catalog.api_tokens.find(secret) is None
    with pytest.raises(ApiTokenNotFoundError):
        any_catalog.api_tokens.revoke(made.id, by=BY)
    (event,) = any_catalog.audit.list(size=1).items
    assert (event.action, event.detail["name"]) == ("api-token.revoke", "nightly")


def test_the_last_use_is_noted_now_and_then(any_catalog: Catalog, ada: Account) -> None:
    """A busy token costs a write every five minutes."""
    made, secret = create(any_catalog, ada)
    assert made.used_at is None
    any_catalog.api_tokens.touch(made)
    first = any_catalog.api_tokens.find(secret)
    assert first is not None
    assert first[0].used_at is not None
    any_catalog.api_tokens.touch(first[0])
    second = any_catalog.api_tokens.find(secret)
    assert second is not None
    assert second[0].used_at == first[0].used_at
    change(any_catalog, made.id, used_at=now() - 2 * USED_EVERY)
    old = any_catalog.api_tokens.find(secret)
    assert old is not None
    any_catalog.api_tokens.touch(old[0])
    renewed = any_catalog.api_tokens.find(secret)
    assert renewed is not None
    assert renewed[0].used_at is not None
    assert now() - renewed[0].used_at < timedelta(minutes=1)
