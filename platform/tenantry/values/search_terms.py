"""Words of names: what a search finds, by how they begin.

A word is a run of letters and digits, without case and accents. Where a script has no spaces between
words, each character begins one: a name in it is found by any part.
"""

from __future__ import annotations

import re
import unicodedata

MAX_WORD = 40
"""Characters of a word that are kept; what is longer is found by its beginning."""
MAX_WORDS = 8
"""Words of a search that are looked for."""

_RUN = re.compile(r"[^\W_]+")
_UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"
    "\U00020000-\U0003ffff]"
)
"""Thai, Lao, Burmese, Khmer, Japanese and Chinese."""


def find_words(*texts: str) -> set[str]:
    """Return the words by which the texts are found."""
    found = set()
    for run in _runs(" ".join(texts)):
        found.add(run[:MAX_WORD])
        found.update(run[match.start() :][:MAX_WORD] for match in _UNSPACED.finditer(run))
    return found


def wanted_words(search: str) -> list[str]:
    """Return the beginnings of words that a search asks for: a name has to have them all."""
    asked = dict.fromkeys(run[:MAX_WORD] for run in _runs(search))
    # "north" says nothing beside "northern".
    longest = [one for one in asked if not any(it != one and it.startswith(one) for it in asked)]
    return longest[:MAX_WORDS]


def _runs(text: str) -> list[str]:
    """Return the runs of letters and digits in a text."""
    # Twice: what casefold() makes of a letter may be decomposed again, as of the Turkish capital I.
    apart = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    kept = "".join(char for char in apart if not unicodedata.category(char).startswith("M"))
    return _RUN.findall(kept)
