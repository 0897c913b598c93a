"""Second factors: each code once, each passkey one account's, and none left means none is asked for."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from tenantry.catalog import SYSTEM, Account, Catalog
from tenantry.catalog.models import RecoveryCodeRecord
from tenantry.catalog.second_factors import MOST_PASSKEYS
from tenantry.errors import PasskeyTakenError
from tests.tenantry.support import at_once


@pytest.fixture
def olga(any_catalog: Catalog) -> Account:
    """Return an account without a second factor."""
    return any_catalog.accounts.add("olga@example.com", by=SYSTEM)


def is_asked(catalog: Catalog, account: Account) -> bool:
    """Say whether the account needs more than a password."""
    found = catalog.accounts.find_by_id(account.id)
    assert found is not None
    return found.second_factor


def add_passkey(catalog: Catalog, account: Account, name: str = "key") -> None:
    catalog.second_factors.add_passkey(
        account.id, name, public_key="cose", sign_count=0, name=name, by=SYSTEM
    )


def test_a_time_step_counts_once(any_catalog: Catalog, olga: Account) -> None:
    """R52: a code that was seen is worthless, also when it comes many times at once."""
    factors = any_catalog.second_factors
    factors.set_secret(olga.id, "sealed", step=100, by=SYSTEM)
    assert factors.find_secret(olga.id) == "sealed"
    assert is_asked(any_catalog, olga)
    assert not factors.use_step(olga.id, 100)
    answers = at_once(4, lambda _: factors.use_step(olga.id, 101))
    assert sorted(answers) == [False, False, False, True]
    assert not factors.use_step(olga.id, 99)
    factors.remove_secret(olga.id, by=SYSTEM)
    assert not is_asked(any_catalog, olga)


def test_recovery_codes_are_hashed_and_work_once(any_catalog: Catalog, olga: Account) -> None:
    """R52: ten codes, none of them readable in the catalog; new ones replace them."""
    factors = any_catalog.second_factors
    older = factors.make_recovery_codes(olga.id, by=SYSTEM)
    codes = factors.make_recovery_codes(olga.id, by=SYSTEM)
    assert len({*older, *codes}) == 20
    assert factors.count_recovery_codes(olga.id) == 10
    assert not factors.use_recovery_code(olga.id, older[0], by=SYSTEM)
    typed = codes[0].upper().replace("-", " ")
    assert factors.use_recovery_code(olga.id, typed, by=SYSTEM)
    assert not factors.use_recovery_code(olga.id, codes[0], by=SYSTEM)
    assert factors.count_recovery_codes(olga.id) == 9
    with any_catalog.store.reading() as session:
        kept = session.scalars(select(RecoveryCodeRecord.hash)).all()
    assert not {*codes} & {*kept}


def test_a_passkey_is_one_accounts(any_catalog: Catalog, olga: Account) -> None:
    """Another account can neither add nor remove it; the last one that goes takes the demand along."""
    factors = any_catalog.second_factors
    otto = any_catalog.accounts.add("otto@example.com", by=SYSTEM)
    add_passkey(any_catalog, olga)
    with pytest.raises(PasskeyTakenError):
        add_passkey(any_catalog, otto)
    assert is_asked(any_catalog, olga)
    assert not is_asked(any_catalog, otto)
    assert not factors.remove_passkey(otto.id, "key", by=SYSTEM)
    factors.note_passkey_used("key", sign_count=7)
    found = factors.find_passkey("key")
    assert found is not None
    assert (found[0].sign_count, found[1].id) == (7, olga.id)
    assert found[0].used_at is not None

    factors.set_secret(olga.id, "sealed", step=1, by=SYSTEM)
    factors.make_recovery_codes(olga.id, by=SYSTEM)
    assert factors.remove_passkey(olga.id, "key", by=SYSTEM)
    assert is_asked(any_catalog, olga)
    factors.remove_secret(olga.id, by=SYSTEM)
    assert not is_asked(any_catalog, olga)
    assert factors.count_recovery_codes(olga.id) == 0


def test_an_account_has_so_many_passkeys(any_catalog: Catalog, olga: Account) -> None:
    """Law 6: whatever people add has an end."""
    for number in range(MOST_PASSKEYS):
        add_passkey(any_catalog, olga, f"key {number}")
    with pytest.raises(PasskeyTakenError):
        add_passkey(any_catalog, olga, "one more")
    any_catalog.second_factors.clear(olga.id, by=SYSTEM)
    assert any_catalog.second_factors.list_passkeys(olga.id) == ()
    assert not is_asked(any_catalog, olga)
