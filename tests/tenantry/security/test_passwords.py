"""Password hashes, and the rules for new ones."""

from __future__ import annotations

import subprocess
import sys

import pytest
from argon2 import PasswordHasher
from argon2.exceptions import VerifyMismatchError

from tenantry.errors import HashingBusyError, WeakPasswordError
from tenantry.security.passwords import (
    ACCOUNT_MIN_LENGTH,
    DECOY,
    check_password,
    hash_password,
    needs_rehash,
    renew_hash,
    verify_password,
)
from tests.hashing import every_place_taken

GOOD = "four brown horses walk"


@pytest.fixture(scope="module", autouse=True)
def _cheap_hashing() -> None:
    """Hash at the true cost."""


def test_a_password_opens_its_own_hash_only() -> None:
    """R49: argon2id with a salt, so that equal passwords look different."""
    one, two = hash_password(GOOD), hash_password(GOOD)

    assert one != two
    assert one.startswith("$argon2id$")
    assert verify_password(one, GOOD)
    assert not verify_password(one, GOOD + " ")
    assert not needs_rehash(one)


@pytest.mark.parametrize("hashed", [None, "", "plain", "$argon2id$v=19$m=1,t=1,p=1$", "$2b$10$x"])
def test_without_a_real_hash_nothing_opens(hashed: str | None) -> None:
    """R34: no account, no password or a damaged hash is a no; not even the stand-in's words help."""
    assert not verify_password(hashed, GOOD)
    assert not verify_password(hashed, "the time it takes is all that matters")
    assert not verify_password(hashed, "")


def test_the_stand_in_costs_what_a_hash_does() -> None:
    """It is not refused as damaged, which would be quick: it is computed, with today's parameters."""
    assert not needs_rehash(DECOY)
    with pytest.raises(VerifyMismatchError):
        PasswordHasher().verify(DECOY, "whatever it may be")


def test_old_parameters_are_noticed() -> None:
    """A hash made with less memory is renewed at the next sign-in."""
    weaker = "$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHQ$WW1LiHzMYbKhPNBF9ogPZQ"

    assert needs_rehash(weaker)


@pytest.mark.parametrize(
    "password",
    [
        pytest.param("short", id="short"),
        pytest.param("", id="empty"),
        pytest.param("aaaaaaaaaaaaaa", id="one character"),
        pytest.param("abababababab", id="two characters"),
        pytest.param("1234567890123", id="numbers in a row"),
        pytest.param("zyxwvutsrqpon", id="letters backwards"),
        pytest.param("Password1234", id="a common word and little else"),
        pytest.param("1q2w3e4r5t", id="a walk over the keys"),
        pytest.param("P@ssw0rd2026", id="a common word in disguise"),
        pytest.param("Summer2026!!", id="a season and a year"),
        pytest.param("qwertyuiop123", id="a row of keys"),
        pytest.param("letmeinletmein", id="a common one twice"),
        pytest.param("olga@example.com", id="the address"),
        pytest.param("Olga.Olsson1", id="the name"),
        pytest.param("x9" * 600, id="longer than can be hashed"),
        pytest.param("\u00e9a" * 400, id="too many bytes in few characters"),
    ],
)
def test_a_guessable_password_is_refused(password: str) -> None:
    """R50: length counts, names and rows of keys do not."""
    with pytest.raises(WeakPasswordError) as caught:
        check_password(password, "olga@example.com", "Olga Olsson")

    assert str(caught.value).endswith(".")


def test_accounts_of_the_platform_need_longer_ones() -> None:
    """R50: they open whole sites."""
    check_password("gruffly tan", min_length=10)
    with pytest.raises(WeakPasswordError, match="at least 12 characters"):
        check_password("gruffly tan", min_length=ACCOUNT_MIN_LENGTH)


def test_a_very_long_password_takes_no_longer_to_judge() -> None:
    """R49: only its beginning is looked at; the rest cannot make it weaker."""
    check_password(GOOD + " p4ssw0rd" * 100)


def test_the_lists_are_loaded_only_where_they_are_needed() -> None:
    """A worker that checks passwords of people who sign in does without their 15 MB."""
    code = (
        "import sys\n"
        "import tenantry.security.passwords as p\n"
        "assert not p.verify_password(p.DECOY, 'x')\n"
        "assert 'zxcvbn' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    "password", [GOOD, "k\u00e4se mit r\u00f6sti und speck", "tr0ub4dor&3 pony"]
)
def test_a_few_words_do_well(password: str) -> None:
    """R50: no character classes are asked for."""
    check_password(password, "olga@example.com", "")


def test_a_password_too_long_to_hash_is_just_wrong() -> None:
    """R49: megabytes in the password field cost nothing."""
    assert not verify_password(hash_password(GOOD), "x" * 1025)


def test_nobody_waits_for_a_place_to_hash_in() -> None:
    """Law 4: with every place taken, a hash is refused at once; an old one is renewed another time."""
    hashed = hash_password(GOOD)
    older = "$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHQ$WW1LiHzMYbKhPNBF9ogPZQ"
    with every_place_taken():
        for refused in (lambda: hash_password(GOOD), lambda: verify_password(hashed, GOOD)):
            with pytest.raises(HashingBusyError) as caught:
                refused()
            assert caught.value.retry_after > 0
        assert renew_hash(older, GOOD) is None
        assert not verify_password(hashed, "x" * 1025)
    assert verify_password(hashed, GOOD)
    assert renew_hash(hashed, GOOD) is None
    assert renew_hash(older, GOOD)
