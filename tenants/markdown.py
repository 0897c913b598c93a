"""Markdown in, safe HTML out.

The time that a text takes follows its markup and hardly its length: a hundred thousand characters of
prose take a hundredth of a second, as many brackets several seconds. So markup has a limit of its own.
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import nh3
from markdown_it import MarkdownIt
from markdown_it.common.utils import escapeHtml

from tenants.code_colours import CLASSES, MOST, highlight

if TYPE_CHECKING:
    from collections.abc import Callable, MutableMapping, Sequence

    from markdown_it.renderer import RendererHTML
    from markdown_it.token import Token

RENDERER = 3
"""Number of the rules below. Raise it when they change: stored HTML is then made again."""

SUMMARY_LENGTH = 240

MAX_MARKUP = 30_000
"""What :func:`measure_markup` may say of a text that is to be saved."""

_MARKUP = "*_[]!<>&\\`~|#\n"

MEDIA = re.compile(r"/media/[0-9a-f]{32}(?:/[^/]*)?")
"""Where a picture of the site's own library is; :mod:`tenants.embedding` puts it in."""

COMMENT = "comment"
"""Says in a renderer's environment that it is at work on a comment."""

_COMMENT_TAGS = {"a", "blockquote", "br", "code", "em", "li", "ol", "p", "pre", "s", "strong", "ul"}
_HEADINGS = {"h2", "h3", "h4", "h5", "h6"}
_TABLES = {"table", "tbody", "td", "th", "thead", "tr"}
_POST_TAGS = _COMMENT_TAGS | _HEADINGS | _TABLES | {"hr", "img", "span"}
_ATTRIBUTES = {"a": {"href", "title"}, "img": {"src", "alt"}, "ol": {"start"}}
_CLASSES = {"span": set(CLASSES)}
_SCHEMES = {"http", "https", "mailto"}


def measure_markup(text: str) -> int:
    """Return a bound on what it takes to read a text: its marks, line ends and cells of tables.

    A row of a table is filled up to the cells of the first one, however short it is.
    """
    marks = sum(text.count(mark) for mark in _MARKUP)
    lines = text.split("\n")
    bars = max(line.count("|") for line in lines)
    return marks + (len(lines) * bars if bars else 0)


def render(text: str) -> str:
    """Return the HTML of a post."""
    return compose(text)[0]


def compose(text: str) -> tuple[str, str]:
    """Return the HTML of a post and its summary; both from one reading of it."""
    env: dict[str, Any] = {}
    tokens = _markdown.parse(text, env)
    summary = _summarise(tokens)
    _limit_colours(tokens)
    return _clean(_markdown.renderer.render(tokens, _markdown.options, env), _POST_TAGS), summary


def _limit_colours(tokens: Sequence[Token]) -> None:
    """Let blocks of code beyond the limit of a text be plain."""
    left = MOST
    for token in tokens:
        if token.type == "fence" and token.info:
            left -= len(token.content)
            if left < 0:
                token.info = ""


def render_comment(text: str) -> str:
    """Return the HTML of a comment: no headings, rules, tables, pictures or colours of code."""
    return _clean(_plain_markdown.render(text, {COMMENT: True}), _COMMENT_TAGS)


def summarise(text: str) -> str:
    """Return the first paragraph as plain text, cut at a word."""
    return _summarise(_markdown.parse(text))


def _summarise(tokens: Sequence[Token]) -> str:
    for before, token in pairwise(tokens):
        if before.type == "paragraph_open" and (words := _plain(token).split()):
            return _cut(" ".join(words))
    return ""


def _clean(html: str, tags: set[str]) -> str:
    return nh3.clean(
        html,
        tags=tags,
        attributes=_ATTRIBUTES,
        attribute_filter=_keep_attribute,
        allowed_classes=_CLASSES,
        url_schemes=_SCHEMES,
        link_rel="nofollow ugc noopener",
    )


def _keep_attribute(tag: str, name: str, value: str) -> str | None:
    """Let no picture through but those of the site's library, whatever the renderer does."""
    foreign = (tag, name) == ("img", "src") and not MEDIA.fullmatch(value)
    return None if foreign else value


def _plain(token: Token) -> str:
    breaks = {"softbreak", "hardbreak"}
    seen = (it for it in token.children or () if not _is_media(it))
    return "".join(" " if it.type in breaks else it.content for it in seen)


def _is_media(token: Token) -> bool:
    return token.type == "image" and MEDIA.fullmatch(str(token.attrGet("src"))) is not None


def _cut(text: str) -> str:
    if len(text) <= SUMMARY_LENGTH:
        return text
    return text[:SUMMARY_LENGTH].rsplit(" ", 1)[0].rstrip(" .,;:-") + "…"


def _show_image(
    self: RendererHTML,
    tokens: Sequence[Token],
    index: int,
    options: Any,
    env: MutableMapping[str, Any],
) -> str:
    """Name a picture of the library, and link to any other: a page loads nothing from elsewhere."""
    token = tokens[index]
    source = escapeHtml(str(token.attrGet("src") or ""))
    alternative = self.renderInlineAsText(token.children, options, env) if token.children else ""
    if _is_media(token) and COMMENT not in env:
        return f'<img src="{source}" alt="{escapeHtml(alternative)}">'
    return f'<a href="{source}">{escapeHtml(alternative) or source}</a>'


def _lower_headings(state: Any) -> None:
    # The page's own title is its only first-level heading.
    for token in state.tokens:
        if token.tag == "h1":
            token.tag = "h2"


def _name_no_empty_headers(state: Any) -> None:
    # A header cell without a word, such as a table's corner, names nothing: it is a plain cell.
    for opening, inline, closing in zip(
        state.tokens, state.tokens[1:], state.tokens[2:], strict=False
    ):
        if opening.type == "th_open" and not inline.content.strip():
            opening.tag = closing.tag = "td"


def _make(colours: Callable[[str, str, str], str] | None) -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": False, "highlight": colours}).enable(
        ["table", "strikethrough"]
    )
    parser.core.ruler.push("lower_headings", _lower_headings)
    parser.core.ruler.push("empty_headers", _name_no_empty_headers)
    parser.add_render_rule("image", _show_image)
    return parser


_markdown = _make(highlight)
_plain_markdown = _make(None)
