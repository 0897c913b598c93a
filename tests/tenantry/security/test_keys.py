"""Keys for each tenant and purpose."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from tenantry.errors import SettingsError
from tenantry.security.keys import PLATFORM, Keys, keys_of, new_token
from tests.conftest import KEY, OTHER_KEY

A, B = "a" * 32, "b" * 32


def keys(*masters: str) -> Keys:
    return Keys(SecretStr(master) for master in masters)


def test_every_scope_and_purpose_has_a_key_of_its_own() -> None:
    """Law 9, R15: no two tenants, and no two purposes, share a key."""
    derived = {
        key
        for scope in (A, B, PLATFORM)
        for purpose in ("session", "csrf", "session:front", "session:backend")
        for key in keys(KEY, OTHER_KEY).derive(scope, purpose)
    }

    assert len(derived) == 3 * 4 * 2
    assert {len(key) for key in derived} == {32}


def test_the_newest_master_key_comes_first() -> None:
    """Rotation puts a key in front; what the older ones made still verifies."""
    before = keys(KEY).derive(A, "session")
    after = keys(OTHER_KEY, KEY).derive(A, "session")

    assert after[1:] == before
    assert after[0] == keys(OTHER_KEY).derive(A, "session")[0]


SHORT = st.text("ab:1", max_size=6)


@given(SHORT, SHORT, SHORT, SHORT)
def test_no_two_pairs_run_together(
    scope: str, purpose: str, other: str, other_purpose: str
) -> None:
    """A scope that ends as a purpose begins makes another key all the same."""
    same = (scope, purpose) == (other, other_purpose)
    one = keys(KEY).derive(scope, purpose)

    assert (one == keys(KEY).derive(other, other_purpose)) is same


def test_there_is_no_default_key() -> None:
    """Law 1: without a master key nothing is signed at all."""
    with pytest.raises(SettingsError, match="tenantry init"):
        keys()


def test_keys_are_not_shown() -> None:
    """A traceback or a log that prints them tells nothing."""
    made = keys_of((SecretStr(KEY),))

    assert KEY not in repr(made)
    assert keys_of((SecretStr(KEY),)) is made


def test_tokens_are_long_and_fit_in_a_path() -> None:
    """R53: 256 random bits, without a character that a URL would change."""
    tokens = {new_token() for _ in range(100)}

    assert len(tokens) == 100
    assert all(
        len(token) == 43 and token.replace("-", "").replace("_", "").isalnum() for token in tokens
    )


def test_keys_are_those_of_hkdf() -> None:
    """RFC 5869, as the library derives them: a key must stay the same for ever."""
    master, info = "k" * 40, b"tenantry:1:4:acme:7:session"
    library = HKDF(algorithm=SHA256(), length=32, salt=None, info=info)
    assert keys(master).derive("acme", "session") == (library.derive(master.encode()),)
