"""The look and the texts of the front page, and the legal pages, as operators write them."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from tenantry.errors import BadArgumentError
from tenantry.values.png import clean_png
from tenantry.values.wording import without_controls

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

NAME = "Tenantry"
MAX_LINE = 160
MAX_NAME = 60
MAX_LEAD = 500
MAX_ABOUT = 20_000
MAX_LEGAL = 60_000
"""Characters: some twenty pages."""

LEGAL = ("terms", "privacy", "imprint")
"""The legal pages. Each is Markdown; one without a text does not exist."""
COLOURS = ("accent", "dark_accent")

_LIMITS = {
    "name": MAX_NAME,
    "tagline": MAX_LINE,
    "headline": MAX_LINE,
    "lead": MAX_LEAD,
    "about": MAX_ABOUT,
    "footer": MAX_LINE,
    **dict.fromkeys(LEGAL, MAX_LEGAL),
}
_MARKDOWN = frozenset({"about", *LEGAL})
"""Texts of many lines. The others stand in titles and in subjects of mails."""
_NEEDED = frozenset({"name", "headline"})
_COLOUR = re.compile(r"#[0-9a-f]{6}\Z")


@dataclass(frozen=True, slots=True)
class FrontPage:
    """One revision. Without any, it is what Tenantry comes with."""

    revision: int = 0
    name: str = NAME
    """What the platform is called."""
    tagline: str = "many sites, one deployment"
    headline: str = "Many sites, one deployment, real walls between"
    lead: str = (
        "Every customer gets a separate Flask app, with its own database, keys, sessions and "
        "address. You run one server for all of them."
    )
    about: str = ""
    """Markdown: what stands below the sites in place of Tenantry's own sections."""
    footer: str = ""
    accent: str = ""
    """A colour as ``#1f6feb``; empty for the look's own."""
    dark_accent: str = ""
    """Another one in the dark theme; empty for the same."""
    terms: str = ""
    privacy: str = ""
    imprint: str = ""
    logo: bytes = b""
    """A PNG; empty for Tenantry's mark."""

    def find_changed(self, other: FrontPage) -> tuple[str, ...]:
        """Return the names of what differs, the revision aside."""
        return tuple(name for name in CONTENT if getattr(self, name) != getattr(other, name))

    def change(self, changes: Mapping[str, Any]) -> FrontPage:
        """Return the page with some of its content changed, and the same revision.

        :raises BadArgumentError: A text is too long, missing or no UTF-8, or a colour is none.
        :raises BadImageError: The logo cannot be used.
        """
        checked = {name: _check(name, value) for name, value in changes.items()}
        return replace(self, **checked)


CONTENT = tuple(field.name for field in fields(FrontPage) if field.name != "revision")

TEXTS: Mapping[str, str] = MappingProxyType(
    {
        "name": "What the platform is called",
        "tagline": "Stands beside the name, in the page's title and below each page",
        "headline": "The headline of the front page",
        "lead": "The text below the headline",
        "about": "Markdown that replaces the sections about Tenantry",
        "footer": "The line below each page; empty for the name and the tagline",
        "accent": "A colour as #1f6feb; empty for the look's own",
        "dark_accent": "The colour in the dark theme; empty for the same",
        "terms": "Markdown of the terms; empty for none",
        "privacy": "Markdown of the privacy page; empty for none",
        "imprint": "Markdown of the imprint; empty for none",
    }
)
"""What each text is, for commands and programs."""


def limit_of(name: str) -> int:
    """Return how many characters a text may have."""
    return len("#1f6feb") if name in COLOURS else _LIMITS[name]


@dataclass(frozen=True, slots=True)
class FrontPageRevision:
    """That the front page was changed: when, by whom, and what of it."""

    number: int
    at: datetime
    by: str
    changed: tuple[str, ...]


def _check(name: str, value: Any) -> Any:
    if name == "logo":
        return clean_png(value) if value else b""
    text = str(value).replace("\r\n", "\n")
    if name not in _MARKDOWN:
        text = " ".join(text.split())
    text = without_controls(text).strip()
    try:
        text.encode()
    except UnicodeEncodeError as error:  # from a command line; no page can show it
        raise BadArgumentError(text, "it is no UTF-8 text") from error
    if name in COLOURS:
        if text and not _COLOUR.match(text := text.lower()):
            raise BadArgumentError(text, "a colour is written as #1f6feb")
        return text
    if len(text) > _LIMITS[name]:
        problem = f"the {name} has {len(text)} characters, and {_LIMITS[name]} at most fit"
        raise BadArgumentError(text, problem)
    if name in _NEEDED and not text:
        raise BadArgumentError(text, f"the {name} cannot be empty")
    return text
