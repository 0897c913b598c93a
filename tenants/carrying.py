"""Text that is sent after its session has ended: it is carried through the sign-in.

Nothing is kept on the site for people who are not signed in. The sign-in page holds the text in its
form, beside a signed note of the member whose form it was; after signing in, that member's editor opens
with it. Anybody else who signs in on that page neither gets nor sees it.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Any

from flask import current_app, flash, request, url_for
from itsdangerous import BadSignature, URLSafeTimedSerializer

from tenants.access import find_member
from tenants.models import Member  # noqa: TC001
from tenants.text import clean_line, clean_text
from tenants.unsaved import find_named, keep_unsaved

FORMS = frozenset({"posts.write", "posts.edit", "comments.add"})
"""Endpoints of the forms whose text is worth carrying."""
_NUMBERS = frozenset({"version", "parent"})


@dataclass(frozen=True, slots=True)
class Carried:
    """A text on its way through the sign-in page."""

    writer: str
    """The signed note of whose form it was."""
    endpoint: str
    slug: str
    """Of the post; empty for a new one."""
    key: str
    version: int
    title: str
    body: str
    tags: str = ""
    excerpt: str = ""
    parent: int = 0
    """Number of the comment that it answers; 0: none."""

    def dump(self) -> str:
        """Return it as the value of a form's field."""
        return json.dumps(asdict(self), ensure_ascii=False)

    def is_of(self, member: Member) -> bool:
        """Say whether the member is the one whose form it was."""
        return _read(self.writer) == member.id

    @property
    def page(self) -> str:
        """Path of the page whose form shows the text again."""
        if self.endpoint == "posts.edit":
            post = find_named(self.key)
            return url_for("posts.edit", slug=post.slug if post else self.slug)
        if self.endpoint == "comments.add":
            reply = self.parent or None
            return url_for("pages.post", slug=self.slug, reply=reply, _anchor="comment-form")
        return url_for("posts.write", key=self.key)


def sign_writer() -> str:
    """Return what a member's form says about whose it is."""
    member = find_member()
    return _serializer().dumps(member.id) if member else ""


def find_carried() -> Carried | None:
    """Return the text that this request has sent, if the note of whose it is holds."""
    if request.method != "POST":
        return None
    if "carried" in request.form:
        carried = _load(request.form["carried"])
    elif request.endpoint in FORMS:
        carried = Carried(
            writer=request.form.get("writer", ""),
            endpoint=str(request.endpoint),
            slug=(request.view_args or {}).get("slug", ""),
            key=request.form.get("key", ""),
            version=request.form.get("version", 0, type=int),
            title=request.form.get("title", ""),
            body=request.form.get("body") or request.form.get("text", ""),
            tags=request.form.get("tags", ""),
            excerpt=request.form.get("excerpt", ""),
            parent=request.form.get("parent", 0, type=int),
        )
    else:
        carried = None
    return carried if carried is not None and _read(carried.writer) is not None else None


def deliver(carried: Carried, member: Member) -> str | None:
    """Keep the text as the unsaved one of the member who has just signed in.

    :return: Path of the page that shows it; ``None`` if it is not this member's.
    """
    if not carried.is_of(member):
        flash("The text on the sign-in page was another member's. It was not saved.", "warning")
        return None
    kept = keep_unsaved(
        carried.key,
        title=clean_line(carried.title),
        body=clean_text(carried.body),
        version=carried.version,
        tags=clean_line(carried.tags),
        excerpt=clean_line(carried.excerpt),
    )
    if not kept:
        flash("You may no longer save this text.", "warning")
        return None
    return carried.page


def _load(text: str) -> Carried | None:
    try:
        facts: dict[str, Any] = json.loads(text)
        carried = Carried(**facts)
        url_for(carried.endpoint, slug=carried.slug or None)
    except (ValueError, TypeError, LookupError):
        return None
    for name, value in asdict(carried).items():
        if not isinstance(value, int if name in _NUMBERS else str):
            return None
    return carried if carried.endpoint in FORMS else None


def _read(writer: str) -> int | None:
    seconds = int(current_app.permanent_session_lifetime.total_seconds())
    try:
        number = _serializer().loads(writer, max_age=seconds)
    except BadSignature:
        return None
    return number if isinstance(number, int) else None


def _serializer() -> URLSafeTimedSerializer:
    keys = [current_app.secret_key, *current_app.config["SECRET_KEY_FALLBACKS"]]
    return URLSafeTimedSerializer(
        keys[::-1],  # the newest last
        salt="tenants.writer",
        signer_kwargs={"digest_method": hashlib.sha256},
    )
