"""What people type, made fit to keep: whitespace, control characters, addresses, slugs."""

from __future__ import annotations

import re
import unicodedata

SLUG_LENGTH = 80

# What neither XML nor a reader can do anything with; tab and line feed stay.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ufffe\uffff\ud800-\udfff]")
_NOT_WORD = re.compile(r"[\W_]+")


def clean_text(value: str | None) -> str:
    """Return a text of several lines without control characters and odd line ends."""
    text = (value or "").replace("\r\n", "\n").replace("\r", "\n")
    return _CONTROL.sub("", text).strip()


def clean_line(value: str | None) -> str:
    """Return a text of one line: no control characters, single spaces."""
    return " ".join(clean_text(value).split())


def fold_email(value: str | None) -> str:
    """Return the address in the form that accounts are found by."""
    return clean_line(value).casefold()


def slugify(title: str) -> str:
    """Return what names a title in a URL; letters of every script are kept, accents are not.

    >>> slugify("Crème brûlée, twice!")
    'creme-brulee-twice'
    """
    plain = unicodedata.normalize("NFKD", title).casefold()
    letters = "".join(it for it in plain if not unicodedata.combining(it))
    slug = _NOT_WORD.sub("-", letters).strip("-")
    return slug[:SLUG_LENGTH].rstrip("-") or "post"
