"""Full-text search: SQLite's FTS5 or PostgreSQL's tsvector finds posts and pages, the best first.

Words are found whatever their case, and the last one by its beginning. All of them have to be there.
A word of the title counts more than one of the text. A word without its accents is found too; on
SQLite, only in Latin script.
"""

from __future__ import annotations

import html
import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from flask import Blueprint, render_template, request
from markupsafe import Markup
from sqlalchemy import and_, func, literal_column, select

from tenants.database import db
from tenants.models import Member, Post
from tenants.publication import is_public
from tenants.reading import MAX_PAGE, get_page, page_number
from tenants.search_index import INDEX
from tenants.text import clean_line

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from flask.typing import ResponseReturnValue
    from sqlalchemy import Row, Select

    from tenantry import Page

bp = Blueprint("search", __name__)

LONGEST = 200
"""Characters of a query; what is beyond is ignored."""
MAX_TERMS = 8
RANKED = 200
"""Posts that are ranked, the newest ones: a common word must not keep a site busy."""
SIZE = 10
BEFORE, AFTER = 60, 180
"""Characters of a text around the first word that was found."""

_ACCENT = re.compile("[\u0300-\u036f]")
_TAG = re.compile(r"<[^>]*>")
_SPACE = re.compile(r"\s+")


@dataclass(frozen=True, slots=True)
class Result:
    """A post that was found."""

    slug: str
    is_page: bool
    title: Markup
    snippet: Markup
    author: str
    moment: datetime


@bp.get("/search")
def search() -> ResponseReturnValue:
    """Show the form, and a page of what was found."""
    query = clean_line(request.args.get("q"))[:LONGEST]
    terms = read_terms(query)
    page = find(terms, page_number()) if terms else None
    return render_template("site/search.html", query=query, page=page)


def read_terms(query: str) -> list[str]:
    """Return the terms of a query in small letters: its runs of letters, digits and their marks."""
    letters = _compose(query).lower()
    runs = "".join(it if it.isalnum() or _is_mark(it) else " " for it in letters).split()
    return list(dict.fromkeys(it for it in runs if not all(map(_is_mark, it))))[:MAX_TERMS]


def _compose(text: str) -> str:
    return unicodedata.normalize("NFC", text)


def _is_mark(letter: str) -> bool:
    return unicodedata.category(letter).startswith("M")


def fold(terms: str) -> str:
    """Return a text without case and accents: character by character, so that places stay."""
    return terms.lower() if terms.isascii() else "".join(map(_fold, terms))


@lru_cache(maxsize=4096)
def _fold(letter: str) -> str:
    # Only accents go: the vowel of a Korean syllable is none.
    plain = _strip(letter).lower()
    return plain if len(plain) == 1 else letter


def _strip(text: str) -> str:
    """Return a decomposed text without accents, as the index on PostgreSQL has it."""
    return _ACCENT.sub("", unicodedata.normalize("NFD", text))


def find(terms: Sequence[str], number: int) -> Page[Result]:
    """Return a page of the posts that have all the terms, the best first; two queries."""
    ranked = sorted(
        db.session.execute(_rank(terms)).all(), key=lambda row: (row.score, row.id), reverse=True
    )
    first = (min(number, MAX_PAGE) - 1) * SIZE
    places = {row.id: place for place, row in enumerate(ranked[first : first + SIZE])}
    rows = db.session.execute(
        select(
            Post.id,
            Post.slug,
            Post.is_page,
            Post.title,
            Post.body_html,
            Post.published_at.label("moment"),
            Member.name.label("author"),
        )
        .join(Member, Member.id == Post.author_id)
        .where(Post.id.in_(places))
    ).all()
    found = [_show(row, terms) for row in sorted(rows, key=lambda row: places[row.id])]
    return get_page(found, total=len(ranked), number=number, size=SIZE)


def _rank(terms: Sequence[str]) -> Select[Any]:
    """Return what asks for the ids of the newest posts that fit, each with a score."""
    *whole, begun = terms
    if db.engine.dialect.name == "sqlite":
        index: Any = literal_column(INDEX.name)
        matches = " AND ".join([*map(_match, whole), _match(begun, "*")])
        fits = index.op("MATCH")(matches)
        newest: Any = INDEX.c.rowid
        found = select(Post.id, (-func.bm25(index, 10.0, 1.0)).label("score"))
        found = found.join(INDEX, newest == Post.id)
    else:
        wanted = " & ".join([*map(_want, whole), _want(begun, ":*")])
        query = func.to_tsquery(literal_column("'simple'::regconfig"), wanted)
        column: Any = literal_column("post.search")
        fits, newest = column.op("@@")(query), Post.id
        found = select(Post.id, func.ts_rank(column, query).label("score"))
    return found.where(and_(fits, is_public())).order_by(newest.desc()).limit(RANKED)


def _match(term: str, end: str = "") -> str:
    """Return what finds a term on SQLite, composed or not: texts are kept as they were typed."""
    forms = dict.fromkeys((term, unicodedata.normalize("NFD", term)))
    return "(" + " OR ".join(f'"{form}"{end}' for form in forms) + ")"


def _want(term: str, end: str = "") -> str:
    """Return what finds a term on PostgreSQL, to which the plus before a number is a part of it."""
    plain = _strip(term)
    signed = f" | '+{plain}'{end}" if plain[0].isdigit() else ""
    return f"('{plain}'{end}{signed})"


def _show(row: Row[Any], terms: Sequence[str]) -> Result:
    plain = _compose(_SPACE.sub(" ", html.unescape(_TAG.sub(" ", row.body_html))).strip())
    return Result(
        slug=row.slug,
        is_page=row.is_page,
        title=_mark(_compose(row.title), terms),
        snippet=_mark(_cut(plain, terms), terms),
        author=row.author,
        moment=row.moment,
    )


def _pattern(terms: Sequence[str]) -> re.Pattern[str]:
    *whole, begun = (re.escape(fold(term)) for term in terms)
    choices = "|".join([*(rf"{word}(?![^\W_])" for word in whole), rf"{begun}[^\W_]*"])
    return re.compile(rf"(?<![^\W_])(?:{choices})")


def _cut(plain: str, terms: Sequence[str]) -> str:
    """Return the part of a text around the first word."""
    found = _pattern(terms).search(fold(plain))
    at = found.start() if found else 0
    first = 0 if at <= BEFORE else plain.rfind(" ", 0, at - BEFORE) + 1
    last = at + AFTER
    if last < len(plain):
        last = max(plain.rfind(" ", 0, last), at)
    return ("… " if first else "") + plain[first:last] + (" …" if last < len(plain) else "")


def _mark(shown: str, terms: Sequence[str]) -> Markup:
    """Return a text as HTML in which the terms are marked."""
    parts, last = [], 0
    for found in _pattern(terms).finditer(fold(shown)):
        parts.append(
            Markup("{}<mark>{}</mark>").format(
                shown[last : found.start()], shown[found.start() : found.end()]
            )
        )
        last = found.end()
    return Markup("").join([*parts, shown[last:]])
