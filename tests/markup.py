"""What is wrong with a page's HTML: its syntax, and what stands where it may not."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING

import html5lib

if TYPE_CHECKING:
    from collections.abc import Iterator
    from xml.etree.ElementTree import Element

PHRASES = frozenset({
    "a", "abbr", "b", "bdi", "button", "code", "dt", "em", "h1", "h2", "h3", "h4", "h5", "h6", "i",
    "label", "p", "pre", "q", "s", "small", "span",
})  # fmt: skip
"""Elements that hold words, not blocks. (HTML lets a link hold blocks; links here only hold words.)"""
BLOCKS = frozenset({
    "article", "aside", "blockquote", "div", "dl", "fieldset", "footer", "form", "h1", "h2", "h3",
    "h4", "h5", "h6", "header", "hr", "main", "nav", "ol", "p", "pre", "section", "table", "ul",
})  # fmt: skip
LABELLED = {"a", "button", "th", "h1", "h2", "h3", "h4", "h5", "h6", "label"}
OWN_ATTRIBUTES = re.compile(r"hx-|on[a-z]|style\Z")
"""No attribute of HTML, and what the Content-Security-Policy forbids."""


def find_flaws(html: str) -> list[str]:
    """Return what a validator would say about a page."""
    parser = html5lib.HTMLParser(namespaceHTMLElements=False)
    document = parser.parse(html)
    flaws = [f"{kind} at {place}" for place, kind, _ in parser.errors]
    flaws += _find_misplaced(document, ())
    elements = list(document.iter())
    ids = [element.get("id") for element in elements if element.get("id") is not None]
    flaws += [f"two #{name}" for name in set(ids) if ids.count(name) > 1]
    for element in elements:
        flaws += [f"<{element.tag} {key}>" for key in element.attrib if OWN_ATTRIBUTES.match(key)]
        for key in ("for", "aria-labelledby", "aria-describedby", "aria-controls"):
            missing = set((element.get(key) or "").split()) - set(ids)
            flaws += [f"{key} leads to no #{name}" for name in missing]
        if element.tag in LABELLED and not _words(element) and not element.get("aria-label"):
            flaws.append(f"an empty <{element.tag}>")
    levels = [int(e.tag[1]) for e in elements if re.fullmatch("h[1-6]", str(e.tag))]
    flaws += [f"h{low} after h{high}" for high, low in pairwise([0, *levels]) if low > high + 1]
    return flaws


def _find_misplaced(element: Element, around: tuple[str, ...]) -> Iterator[str]:
    for child in element:
        inside = (*around, str(element.tag))
        if child.tag in BLOCKS:
            yield from (f"<{child.tag}> in <{tag}>" for tag in inside if tag in PHRASES)
        if child.tag in {"a", "button"} and {"a", "button"} & set(inside):
            yield f"<{child.tag}> in another"
        if element.tag in {"ul", "ol"} and child.tag not in {"li", "script", "template"}:
            yield f"<{child.tag}> in <{element.tag}>"
        yield from _find_misplaced(child, inside)


def _words(element: Element) -> str:
    return "".join(element.itertext()).strip()
