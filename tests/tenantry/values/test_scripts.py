"""Words in one script, and words that only look like one."""

from __future__ import annotations

import pytest

from tenantry.errors import BadHostError
from tenantry.values.hosts import canonical_host, check_scripts
from tenantry.values.scripts import is_one_script, scripts_of


@pytest.mark.parametrize(
    "host",
    [
        pytest.param("shop-24.example.com", id="ASCII"),
        pytest.param("b\u00fccher.example", id="German"),
        pytest.param(
            "\u043f\u0440\u0438\u043c\u0435\u0440.example", id="Cyrillic beside a Latin label"
        ),
        pytest.param("\u65e5\u672c\u8a9e\u3067\u30c9\u30e1\u30a4\u30f3\u30fc.jp", id="Japanese"),
        pytest.param("web\u30c7\u30b6\u30a4\u30f3.jp", id="Japanese with Latin"),
        pytest.param("a\u4f8b\u5b50.cn", id="Chinese with Latin"),
        pytest.param("\ud55c\uad6d\u6c49\u5b57a.kr", id="Korean with Han and Latin"),
        pytest.param("\u0939\u093f\u0928\u094d\u0926\u0940.example", id="Hindi with its marks"),
        pytest.param("\u0639\u0631\u0628\u064a-\u0661\u0662.example", id="Arabic with its digits"),
        pytest.param("l\u00b7l.cat", id="Catalan"),
        pytest.param("\u05e9\u05dc\u05d5\u05dd.example", id="Hebrew"),
    ],
)
def test_names_that_people_use_pass(host: str) -> None:
    """UTS 39: one script to a label, or those that Japanese, Chinese and Korean are written in."""
    canonical = canonical_host(host)
    assert check_scripts(canonical) == canonical


@pytest.mark.parametrize(
    ("host", "scripts"),
    [
        pytest.param("\u0430pple.com", "CYRILLIC, LATIN", id="Cyrillic a"),
        pytest.param("g\u03bfogle.com", "GREEK, LATIN", id="Greek o"),
        pytest.param("\u0430\u03bf.com", "CYRILLIC, GREEK", id="Cyrillic and Greek"),
        pytest.param("\u65e5\ud55c\u3042.com", "HAN, HANGUL, HIRAGANA", id="Japanese and Korean"),
        pytest.param("www.pay\u0440al.com", "CYRILLIC, LATIN", id="in an inner label"),
    ],
)
def test_names_made_to_look_like_others_are_refused(host: str, scripts: str) -> None:
    """Whether they are typed as they look or in their xn-- form."""
    canonical = canonical_host(host)
    assert canonical.isascii()
    with pytest.raises(BadHostError, match=scripts):
        check_scripts(canonical)


def test_no_international_name_is_refused() -> None:
    """A label that begins as one and is none cannot be shown to anybody."""
    with pytest.raises(BadHostError, match="is no international name"):
        check_scripts("xn--99999999.example")


def test_what_has_no_script_says_nothing() -> None:
    """Digits, hyphens and accents go with every script."""
    assert scripts_of("0-9\u0301") == frozenset()
    assert is_one_script("")
