"""Mails in the folder of a development platform, as operators read them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from email import message_from_bytes
from email.policy import default
from typing import TYPE_CHECKING, Any

from flask import Blueprint, abort, make_response, render_template

from backend_app.access import OPERATORS, open_to
from backend_app.context import backend, catalog
from tenantry.catalog import MailState

if TYPE_CHECKING:
    from pathlib import Path

    from flask.typing import ResponseReturnValue

bp = Blueprint("mail", __name__)

MOST = 100
NAME = re.compile(r"\d{8}T\d{6}\.\d{6}-\w+\.eml")

# Written by a site's templates: nothing of it runs, or acts as the backend.
PAGE_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox"


@dataclass(frozen=True, slots=True)
class ShownMail:
    """A mail of the folder."""

    name: str
    sender: str
    to: str
    subject: str
    date: str
    text: str
    page: str


@bp.get("/mail")
@open_to(OPERATORS)
def index() -> ResponseReturnValue:
    """List the mails in the folder, newest first, and count all."""
    settings = backend().settings
    files = sorted(settings.mail_dir.glob("*.eml"), reverse=True)[:MOST]
    counts = catalog().mails.count_by_state()
    return render_template(
        "backend/mail.html",
        mails=[mail for path in files if (mail := _read(path)) is not None],
        counts={state.value: counts[state] for state in MailState},
        goes_into_folder=settings.mail_place.startswith("folder"),
        has_place=bool(settings.mail_place),
    )


@bp.get("/mail/<name>")
@open_to(OPERATORS)
def show(name: str) -> ResponseReturnValue:
    """Show a mail's text."""
    return render_template("backend/mail_message.html", mail=_get(name))


@bp.get("/mail/<name>/page")
@open_to(OPERATORS)
def show_page(name: str) -> ResponseReturnValue:
    """Show a mail's page alone, as its reader sees it."""
    response = make_response(_get(name).page)
    response.headers["Content-Security-Policy"] = PAGE_POLICY
    return response


def _get(name: str) -> ShownMail:
    if not NAME.fullmatch(name):
        abort(404)
    found = _read(backend().settings.mail_dir / name)
    if found is None:
        abort(404)
    return found


def _read(path: Path) -> ShownMail | None:
    try:
        message: Any = message_from_bytes(path.read_bytes(), policy=default)
    except OSError:  # removed meanwhile: the folder keeps the newest
        return None
    text, page = message.get_body(("plain",)), message.get_body(("html",))
    return ShownMail(
        name=path.name,
        sender=str(message["From"]),
        to=str(message["To"]),
        subject=str(message["Subject"]),
        date=f"{message['Date'].datetime:%Y-%m-%d %H:%M:%S} UTC",
        text=text.get_content() if text is not None else "",
        page=page.get_content() if page is not None else "",
    )
