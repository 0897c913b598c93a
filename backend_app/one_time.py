"""What a page shows once, after a redirect: kept in the session until that page takes it.

So a form can be answered by a redirect, and reloading the page sends nothing again. The session is the
browser's own: what is kept there was made for the person who uses it.
"""

from __future__ import annotations

from flask import session

KEY = "one_time"


def keep_once(subject: str, value: str) -> None:
    """Keep a value for the next page about *subject*; an earlier one that nobody took is gone."""
    session[KEY] = [subject, value]


def take_once(subject: str) -> str | None:
    """Return what was kept for this page, and never again."""
    subject_kept, value = session.pop(KEY, None) or (None, None)
    return value if subject_kept == subject else None
