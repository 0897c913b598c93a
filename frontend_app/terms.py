"""The terms that people accept when they sign up, and again at a sign-in after they have changed."""

from __future__ import annotations

import hashlib
import logging
import time
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from flask import redirect, session, url_for

from frontend_app.context import catalog, front
from frontend_app.look import front_page, render_markdown

if TYPE_CHECKING:
    from collections.abc import Mapping

    from markupsafe import Markup
    from werkzeug.wrappers import Response

    from frontend_app.forms import TermsForm
    from tenantry.catalog import Account

log = logging.getLogger(__name__)

ASKED = "terms"
"""Where the session keeps who has proved who they are, while the terms are asked for."""
ASKED_LIVES = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Terms:
    """One version of the terms."""

    version: str
    html: Markup


def find_terms() -> Terms | None:
    """Return the terms as they are now; ``None`` if the platform has none.

    A file that the settings name stands above what the console says.

    :raises OSError: The file cannot be read any more.
    """
    text = _read()
    if not text.strip():
        return None
    return Terms(hashlib.sha256(text.encode()).hexdigest()[:12], render_markdown(text))


def has_terms() -> bool:
    """Say whether there is a page with terms to lead to."""
    try:
        return bool(_read().strip())
    except OSError:
        return False


def _read() -> str:
    """Return the text.

    :raises OSError: The file cannot be read, or it is no text in UTF-8 any more.
    """
    path = front().settings.terms_file
    if path is None:
        return front_page().terms
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise OSError(f"{path} is no UTF-8 text") from error


def find_readable_terms() -> Terms | None:
    """Return the terms as :func:`find_terms` does; those that cannot be read keep nobody out."""
    try:
        return find_terms()
    except OSError as error:
        log.warning("the terms cannot be read, so nobody is asked to accept them: %s", error)
        return None


def must_accept(account: Account) -> bool:
    """Say whether an account has to accept the terms before it signs in. Operators write them."""
    if account.operator:
        return False
    terms = find_readable_terms()
    return terms is not None and account.terms_version != terms.version


def are_accepted(asked: TermsForm, terms: Terms) -> bool:
    """Say whether a form accepts the terms as they are now; otherwise it shows what is wrong."""
    if not asked.terms.data:
        asked.terms.errors = ["Accept the terms to go on."]
        return False
    if asked.terms_version.data != terms.version:
        asked.terms.data = False
        asked.terms.errors = ["The terms have changed. Read and accept them as they are now."]
        return False
    return True


def fill_in_version(asked: TermsForm, terms: Terms) -> None:
    """Let the form say which version it shows, also if it was sent for an older one."""
    asked.terms_version.raw_data, asked.terms_version.data = None, terms.version


def ask_for_terms(account: Account, target: Mapping[str, str], *, known_device: bool) -> Response:
    """Remember who has proved who they are, and ask them to accept the terms.

    :param target: Where the visitor wanted to go.
    """
    session[ASKED] = {"account": account.id, "at": time.time(), "known_device": known_device}
    return redirect(url_for("changed_terms.form", **dict(target)), 303)  # type: ignore[arg-type]


def find_asked() -> tuple[Account, bool] | None:
    """Return who is to accept the terms in this browser, and whether it was known before."""
    asked = session.get(ASKED)
    if asked is None or time.time() - asked["at"] > ASKED_LIVES.total_seconds():
        return None
    account = catalog().accounts.find_by_id(asked["account"])
    return None if account is None else (account, bool(asked["known_device"]))
