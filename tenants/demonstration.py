"""Example content: three sites worth looking at, and a welcome for every other one.

A file of ``demonstrations/<slug>/`` is a post: lines of ``name: value``, a line of dashes, the text,
and then comments, each after a line ``--- comment: Name, date``.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from tenantry import tenant_database
from tenants.database import now, provision
from tenants.models import Comment, Member, Post
from tenants.permissions import Role

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tenantry import Settings, Tenant

HERE = Path(__file__).parent / "demonstrations"
WELCOME = "welcome"
COMMENT = "\n--- comment: "

DEMONSTRATIONS: Mapping[str, Mapping[str, Any]] = {
    "acme": {
        "name": "Acme Workshop",
        "settings": {
            "tagline": "Notes from a small factory that makes springs, magnets and other things "
            "which do what they are told.",
            "accent": "#c2410c",
            "listed": True,
        },
    },
    "globex": {
        "name": "Globex Field Journal",
        "settings": {
            "tagline": "Letters from people who measure the weather, the sea and the ice, and "
            "write down what went wrong.",
            "accent": "#0369a1",
            "listed": True,
        },
    },
    "initech": {
        "name": "Initech Engineering",
        "settings": {
            "tagline": "How a dull company runs its software, told by those who carry the pager.",
            "accent": "#6d28d9",
            "listed": True,
        },
    },
}
"""Name and settings of the example tenants, by slug."""


@dataclass(frozen=True, slots=True)
class _Remark:
    name: str
    at: datetime
    text: str


@dataclass(frozen=True, slots=True)
class _Article:
    slug: str
    title: str
    author: str
    at: datetime
    text: str
    remarks: tuple[_Remark, ...]


def demonstrate(tenant: Tenant, settings: Settings | None = None) -> None:
    """Fill a site that has no post yet; one that has is left alone."""
    provision(tenant, settings)
    folder = HERE / (tenant.slug if tenant.slug in DEMONSTRATIONS else WELCOME)
    engine = tenant_database(tenant, settings).open_engine()
    try:
        with Session(engine) as session:
            if session.scalar(select(Post.id).limit(1)) is None:
                _fill(session, tenant, [_read(path) for path in sorted(folder.glob("*.md"))])
                session.commit()
    finally:
        engine.dispose()


def _fill(session: Session, tenant: Tenant, articles: list[_Article]) -> None:
    shift = _days_ahead(articles)
    for article in sorted(articles, key=lambda article: article.at):
        at = article.at - shift
        author = _member(session, tenant, article.author, Role.AUTHOR, at)
        post = Post(slug=article.slug, title=article.title, author_id=author.id)
        post.write(article.text)
        post.created_at = post.updated_at = post.published_at = at
        session.add(post)
        session.flush()
        for remark in article.remarks:
            at = remark.at - shift
            reader = _member(session, tenant, remark.name, Role.MEMBER, at)
            comment = Comment(post_id=post.id, author_id=reader.id, created_at=at)
            comment.write(remark.text)
            session.add(comment)


def _days_ahead(articles: list[_Article]) -> timedelta:
    """Return by how many days the examples are ahead of the machine's clock."""
    moments = [article.at for article in articles]
    moments += [remark.at for article in articles for remark in article.remarks]
    return timedelta(days=max(0, ceil((max(moments) - now()) / timedelta(days=1))))


def _member(session: Session, tenant: Tenant, name: str, role: Role, at: datetime) -> Member:
    """Return who wrote it: without a password, so that nobody can sign in as they."""
    # The domain is reserved (RFC 2606), so that the address is nobody's.
    email = f"{name.casefold().replace(' ', '.')}@{tenant.slug}.example"
    member = session.scalar(select(Member).where(Member.email == email))
    if member is None:
        member = Member(email=email, name=name, role=role, joined_at=at)
        session.add(member)
        session.flush()
    return member


def _read(path: Path) -> _Article:
    head, _, rest = path.read_text(encoding="utf-8").partition("\n---\n")
    text, *remarks = rest.split(COMMENT)
    facts = dict(line.split(": ", 1) for line in head.splitlines())
    return _Article(
        slug=path.stem,
        title=facts["title"],
        author=facts["author"],
        at=_moment(facts["date"]),
        text=text.strip(),
        remarks=tuple(_remark(part) for part in remarks),
    )


def _remark(part: str) -> _Remark:
    head, _, text = part.partition("\n")
    name, _, date = head.rpartition(", ")
    return _Remark(name, _moment(date), text.strip())


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)
