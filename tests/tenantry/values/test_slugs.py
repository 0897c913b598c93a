"""Slugs: which names a new site can have."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenantry.errors import BadSlugError
from tenantry.values.hosts import parse_host
from tenantry.values.slugs import RESERVED_SLUGS, NameState, check_slug, judge_name, suggest_slug

LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"


@pytest.mark.parametrize(
    "slug", ["a", "acme", "a1", "acme-2", "a-b-c", "x" * 40, "demo", "test", "example"]
)
def test_a_slug_is_a_dns_label(slug: str) -> None:
    """R27: letters and digits with single hyphens between them, a letter first."""
    assert check_slug(slug) == slug
    assert parse_host(f"{slug}.example.com") == f"{slug}.example.com"


@pytest.mark.parametrize(
    "slug",
    [
        pytest.param("", id="empty"),
        pytest.param("Acme", id="upper case"),
        pytest.param("1acme", id="digit first"),
        pytest.param("-acme", id="hyphen first"),
        pytest.param("acme-", id="hyphen last"),
        pytest.param("a--b", id="double hyphen"),
        pytest.param("xn--bcher-kva", id="A-label"),
        pytest.param("acme\n", id="newline: why the rule ends in \\Z, not $"),
        pytest.param("acme\x00", id="NUL"),
        pytest.param("a.b", id="dot"),
        pytest.param("a_b", id="underscore"),
        pytest.param("a/b", id="slash"),
        pytest.param("..", id="dots"),
        pytest.param("\u00e4", id="not ASCII"),
        pytest.param("\u0430cme", id="Cyrillic a"),
        pytest.param("\u0661", id="Arabic digit"),
        pytest.param("x" * 41, id="41"),
        *sorted(RESERVED_SLUGS & {"www", "admin", "backend", "api", "mail", "static", "wpad"}),
    ],
)
def test_a_name_that_cannot_be_a_slug_is_refused(slug: str) -> None:
    """R27: nothing that DNS, a shell, a browser or a mail server would take for something else."""
    with pytest.raises(BadSlugError):
        check_slug(slug)


@given(st.text(max_size=50) | st.text("az09-", max_size=45))
def test_every_slug_is_one_label(text: str) -> None:
    """R27: what passes is one host label and needs no escaping anywhere."""
    try:
        slug = check_slug(text)
    except BadSlugError:
        return

    assert re.fullmatch(LABEL, slug)
    assert "--" not in slug
    assert slug not in RESERVED_SLUGS


@pytest.mark.parametrize(
    ("name", "facts", "state"),
    [
        pytest.param("acme", {}, NameState.FREE, id="free"),
        pytest.param("acme", {"taken": True}, NameState.TAKEN, id="taken"),
        pytest.param("acme", {"held": True}, NameState.HELD, id="held for the site that had it"),
        pytest.param("www", {"held": True}, NameState.RESERVED, id="reserved"),
        pytest.param("ops", {"backend_label": "ops"}, NameState.RESERVED, id="the backend's"),
        pytest.param("Acme", {}, NameState.MALFORMED, id="malformed"),
        pytest.param("a" * 41, {}, NameState.MALFORMED, id="too long"),
        pytest.param("a.b", {}, NameState.NESTED, id="nested"),
    ],
)
def test_a_name_has_one_verdict(name: str, facts: dict[str, Any], state: NameState) -> None:
    """Pages, forms and commands all ask this; only a free name has no problem."""
    verdict = judge_name(name, **facts)
    assert verdict.state is state
    assert bool(verdict.problem) == (state is not NameState.FREE)


@pytest.mark.parametrize(
    ("typed", "slug"),
    [
        pytest.param("Foo Bar", "foo-bar", id="blanks and capitals"),
        pytest.param("foo--bar_", "foo-bar", id="hyphens"),
        pytest.param("1. B\u00fccher & mehr", "bucher-mehr", id="accents, digit first"),
        pytest.param("x" * 50, "x" * 40, id="too long"),
        pytest.param("WWW", "", id="reserved"),
        pytest.param("\u65e5\u672c", "", id="nothing left"),
    ],
)
def test_a_slug_like_what_was_typed(typed: str, slug: str) -> None:
    """What is suggested can be had, as far as the rule goes."""
    assert suggest_slug(typed) == slug
