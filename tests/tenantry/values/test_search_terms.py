"""Words of names, and the beginnings that a search asks for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenantry.values.search_terms import MAX_WORD, MAX_WORDS, find_words, wanted_words


def is_found(name: str, search: str) -> bool:
    """Say whether each word that is searched for is the beginning of one of the name's."""
    words = find_words(name)
    wanted = wanted_words(search)
    return bool(wanted) and all(any(word.startswith(one) for word in words) for one in wanted)


@pytest.mark.parametrize(
    ("name", "search"),
    [
        pytest.param("north-bakery", "bak", id="behind a hyphen"),
        pytest.param("The North Bakery", "bakery NORTH", id="in any order and case"),
        pytest.param("olga@mail.example", "olga@mail", id="an e-mail's beginning"),
        pytest.param("www.zebra.example", "zebra.ex", id="a host"),
        pytest.param("Äpfel & Söhne", "apfel sohne", id="without accents"),
        pytest.param("Straße", "STRASSE", id="sharp s"),
        pytest.param("İstanbul", "istan", id="a Turkish capital"),
        pytest.param("ﬁnch", "finch", id="a ligature"),
        pytest.param("東京パン屋", "パン", id="inside of Japanese"),
        pytest.param("हिन्दी समाचार", "समा", id="Devanagari, with vowel signs"),
        pytest.param("دفتر يوميات", "يوم", id="Arabic"),
        pytest.param("a_b", "b", id="an underscore parts words"),
    ],
)
def test_a_name_is_found_by_how_its_words_begin(name: str, search: str) -> None:
    """However it is written, and whatever stands between the words."""
    assert is_found(name, search)


@pytest.mark.parametrize(
    ("name", "search"),
    [
        pytest.param("north-bakery", "akery", id="not by an end"),
        pytest.param("north-bakery", "north mill", id="not by one word of two"),
        pytest.param("north", "northern", id="not by more than there is"),
        pytest.param("north", "%", id="not by a sign"),
        pytest.param("north", "", id="not by nothing"),
    ],
)
def test_a_name_is_not_found_by_other_words(name: str, search: str) -> None:
    """All that is asked for has to be there."""
    assert not is_found(name, search)


def test_a_search_asks_for_few_words() -> None:
    """A beginning of another word adds nothing, and nobody can ask for hundreds."""
    assert wanted_words("north northern bakery north") == ["northern", "bakery"]
    assert len(wanted_words(" ".join(f"w{number:03}" for number in range(300)))) == MAX_WORDS
    assert wanted_words("x" * 99) == ["x" * MAX_WORD]


@given(st.text(max_size=60))
def test_each_name_is_found_by_itself(name: str) -> None:
    """No text breaks it, and what is stored fits the column and PostgreSQL."""
    words = find_words(name)
    assert all(0 < len(word) <= MAX_WORD and "\0" not in word for word in words)
    assert not wanted_words(name) or is_found(name, name)
