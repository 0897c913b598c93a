"""Detects the scripts of a word, to refuse look-alike names.

The rule is the one for *highly restrictive* identifiers of Unicode Technical Standard 39, section 5.2:
one script, or Latin with the scripts that Japanese, Chinese or Korean are written in. A word all in one
script passes, also where it looks like a word of another one.

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
