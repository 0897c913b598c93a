"""Detects the scripts of a word, to refuse look-alike names.

The rule is the one for *highly restrictive* identifiers of Unicode Technical Standard 39, section 5.2:
one script, or Latin with the scripts that Japanese, Chinese or Korean are written in. A word all in one
script passes; :func:`look_of` tells for which word people take it.

The standard library knows characters' names, not their scripts; for letters that international domain
names may have (RFC 5892) a name begins with the script's.
"""

from __future__ import annotations

import unicodedata

HAN, LATIN = "HAN", "LATIN"
TOGETHER = (
    frozenset({LATIN, HAN, "HIRAGANA", "KATAKANA"}),
    frozenset({LATIN, HAN, "BOPOMOFO"}),
    frozenset({LATIN, HAN, "HANGUL"}),
)
"""Scripts that may stand in one word."""

_ALIASES = {
    "CJK": HAN,
    "IDEOGRAPHIC": HAN,
    "EXTENDED": "ARABIC",  # EXTENDED ARABIC-INDIC DIGIT ...
}
_OF_EVERY_SCRIPT = frozenset({"COMBINING", "MIDDLE", "MODIFIER", "ZERO"})
"""How the names of characters begin that any script uses: accents, l\u00b7l, joiners."""


_LATIN_LOOK = str.maketrans(
    "\u0430\u0441\u0501\u0435\u04bb\u0456\u0458\u04cf\u043e\u0440\u051b\u0455\u0443\u0445\u051d"
    "\u03b1\u03b9\u03bd\u03bf\u03c1\u03c5\u03b3"
    "\u0570\u0578\u057d\u0585\u0566\u0581\u0131",
    "acdehijlopqsyxw"
    "aivopuy"
    "hnuoqgi",
)  # fmt: skip
"""Small letters of Cyrillic, Greek and Armenian that look like Latin ones, and the dotless i."""


_CYRILLIC_LOOK = str.maketrans(
    "\u03ba\u03c4\u03c0\u03b5\u03b8\u03c6", "\u043a\u0442\u043f\u0454\u0473\u0444"
)
"""Small letters of Greek that look like Cyrillic ones, and like no Latin ones."""


def look_of(word: str) -> str:
    """Return what a word looks like: two that are easily taken for each other look the same.

    Letters that look like Latin ones become these.

    >>> look_of("\u0430\u0440\u0440\u04cf\u0435")
    'apple'
    """
    return word.translate(_LATIN_LOOK).translate(_CYRILLIC_LOOK)


def scripts_of(word: str) -> frozenset[str]:
    """Return the scripts of a word's characters; ASCII digits and hyphens have none."""
    found = set()
    for char in word:
        if char.isascii():
            if char.isalpha():
                found.add(LATIN)
            continue
        first = unicodedata.name(char, "UNKNOWN").replace("-", " ").split()[0]
        if first not in _OF_EVERY_SCRIPT:
            found.add(_ALIASES.get(first, first))
    return frozenset(found)


def is_one_script(word: str) -> bool:
    """Say whether a word is written in one script, or in some that belong together."""
    found = scripts_of(word)
    return len(found) <= 1 or any(found <= allowed for allowed in TOGETHER)
