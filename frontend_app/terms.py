"""The terms that people accept when they sign up, and their version."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache

from markdown_it import MarkdownIt
from markupsafe import Markup

from frontend_app.context import front


@dataclass(frozen=True, slots=True)
class Terms:
    """One version of the terms."""

    version: str
    html: Markup


def find_terms() -> Terms | None:
    """Return the terms as they are now; ``None`` if the platform has none.

    :raises OSError: The file cannot be read any more.
    """
    path = front().settings.terms_file
    return _render(path.read_text(encoding="utf-8")) if path is not None else None


@lru_cache(maxsize=2)
def _render(text: str) -> Terms:
    # Without HTML: an operator's file is trusted, but a pasted tag should not break the page.
    html = MarkdownIt("commonmark", {"html": False}).render(text)
    version = hashlib.sha256(text.encode()).hexdigest()[:12]
    return Terms(version, Markup(html))  # noqa: S704 - rendered without HTML of its own
