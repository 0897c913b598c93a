"""What a site keeps: members, posts, comments, and links that sign the owner in."""

from __future__ import annotations

from datetime import datetime  # noqa: TC003 - SQLAlchemy reads the annotations
from typing import TYPE_CHECKING, Any

from flask_login import UserMixin
from sqlalchemy import ForeignKey, Index, String, Text, TypeDecorator, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from tenantry import current_tenant
from tenants import markdown
from tenants.database import db, now
from tenants.media_models import Media  # noqa: TC001 - as above
from tenants.permissions import GRANTS, OWNER, Permission, Role
from tenants.text import fold_email

if TYPE_CHECKING:
    from sqlalchemy import Dialect


class _RoleColumn(TypeDecorator[Role]):
    """Keeps a role by its name."""

    impl = String(16)
    cache_ok = True

    def process_bind_param(self, value: Role | None, _dialect: Dialect) -> str | None:
        return None if value is None else Role(value).value

    def process_result_value(self, value: str | None, _dialect: Dialect) -> Role | None:
        # Until revision 0004 has been here, "owner" was a role that an owner could give to anybody.
        return None if value is None else Role.EDITOR if value == "owner" else Role(value)


# Flask-SQLAlchemy makes its base class at run time, where a type checker cannot follow.
Model: Any = db.Model


class Member(UserMixin, Model):
    """A member: an account on this one site."""

    __tablename__ = "member"

    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(String(254), unique=True)
    """Case-folded."""
    name: Mapped[str] = mapped_column(String(80))
    role: Mapped[Role] = mapped_column(_RoleColumn, default=Role.MEMBER)
    password_hash: Mapped[str | None] = mapped_column(String(255), default=None)
    """``None``: cannot sign in with a password."""
    blocked: Mapped[bool] = mapped_column(default=False)
    is_platform_owner: Mapped[bool] = mapped_column(default=False)
    """Whether the platform vouches for the address, having signed the member in by a link."""
    failures: Mapped[int] = mapped_column(default=0)
    """Unused: tries are counted outside the database. It stands here as long as it does there."""
    next_try_at: Mapped[float] = mapped_column(default=0.0)
    """Unused, as ``failures``."""
    joined_at: Mapped[datetime] = mapped_column(default=now)

    profile: Mapped[Profile | None] = relationship(uselist=False, viewonly=True)

    session_id = ""
    """Of the session that signed the member in for this request; no column."""

    def get_id(self) -> str:
        """Return what the cookie keeps: the name of the session's record, not of the member."""
        return self.session_id

    @property
    def owns_site(self) -> bool:
        """Whether the platform says that the member owns this site.

        An address alone proves nothing: anybody can sign up with one.
        """
        owners = {fold_email(email) for email in current_tenant.owners}
        return self.is_platform_owner and self.email in owners

    @property
    def title(self) -> str:
        """What the member is here, in a word."""
        return "owner" if self.owns_site else self.role.value

    def may(self, permission: Permission) -> bool:
        """Say whether the member has this permission; templates name it by its value."""
        wanted = Permission(permission)
        return wanted in GRANTS[self.role] or (wanted in OWNER and self.owns_site)

    def may_edit(self, post: Post) -> bool:
        """Say whether the member may change or delete the post."""
        own = post.author_id == self.id and self.may(Permission.WRITE)
        return own or self.may(Permission.EDIT_ALL)

    def may_remove(self, comment: Comment) -> bool:
        """Say whether the member may delete the comment."""
        return comment.author_id == self.id or self.may(Permission.MODERATE)


class Profile(Model):
    """What a member says of themselves: one to a member, and none until they say something."""

    __tablename__ = "profile"

    member_id: Mapped[int] = mapped_column(
        ForeignKey("member.id", ondelete="CASCADE"), primary_key=True
    )
    about: Mapped[str] = mapped_column(String(500))


class Follow(Model):
    """That a member follows an author: each can follow many, and be followed by many."""

    __tablename__ = "follow"

    follower_id: Mapped[int] = mapped_column(
        ForeignKey("member.id", ondelete="CASCADE"), primary_key=True
    )
    author_id: Mapped[int] = mapped_column(
        ForeignKey("member.id", ondelete="CASCADE"), primary_key=True, index=True
    )


class MemberSession(Model):
    """A session of a member; its id is in a signed cookie, and alone it opens nothing."""

    __tablename__ = "member_session"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    member_id: Mapped[int] = mapped_column(ForeignKey("member.id", ondelete="CASCADE"), index=True)
    device: Mapped[str] = mapped_column(String(80))
    network: Mapped[str] = mapped_column(String(50))
    created_at: Mapped[datetime] = mapped_column(default=now)
    seen_at: Mapped[datetime] = mapped_column(default=now)
    expires_at: Mapped[datetime] = mapped_column(index=True)


class _Written:
    """A text in Markdown beside the HTML that was made of it."""

    body: Mapped[str] = mapped_column(Text)
    body_html: Mapped[str] = mapped_column(Text)
    renderer: Mapped[int]

    def html(self) -> str:
        """Return safe HTML: the stored one, unless the rules have changed since."""
        if self.renderer == markdown.RENDERER:
            return self.body_html
        return self._render(self.body)

    def write(self, body: str) -> None:
        """Take a new text."""
        self.body = body
        self.body_html = self._render(body)
        self.renderer = markdown.RENDERER

    def _render(self, body: str) -> str:
        return markdown.render(body)


class Post(_Written, Model):
    """An article; a draft as long as it has no time of publication.

    Title and text are read before they change: :mod:`tenants.search_index` needs the old ones.
    """

    __tablename__ = "post"
    __table_args__ = (
        Index(None, "published_at", "id"),
        Index(None, "is_featured", "published_at", "id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    slug: Mapped[str] = mapped_column(String(120), unique=True)
    title: Mapped[str] = mapped_column(String(160), active_history=True)
    body: Mapped[str] = mapped_column(Text, active_history=True)
    excerpt: Mapped[str] = mapped_column(String(300), default="", server_default=text("''"))
    """What its author wants lists to show of it; empty: its first paragraph."""
    summary: Mapped[str] = mapped_column(String(400), default="")
    """What lists show of it."""
    author_id: Mapped[int] = mapped_column(ForeignKey("member.id"), index=True)
    created_at: Mapped[datetime] = mapped_column(default=now)
    updated_at: Mapped[datetime] = mapped_column(default=now)
    published_at: Mapped[datetime | None] = mapped_column(default=None)
    """From when on everybody may read it; ``None``: a draft."""
    deleted_at: Mapped[datetime | None] = mapped_column(default=None)
    """When it was deleted; nobody sees it since, and it can be restored for a while."""
    version: Mapped[int] = mapped_column(default=1, server_default="1")
    """It grows with each save that changes something; an editor sends the number that they saw."""
    is_page: Mapped[bool] = mapped_column(default=False, server_default="0")
    """Whether it stands in the menu instead of among the posts."""
    is_featured: Mapped[bool] = mapped_column(default=False, server_default="0")
    """Whether it stands above the other posts."""

    author: Mapped[Member] = relationship(lazy="joined", innerjoin=True)
    tags: Mapped[list[Tag]] = relationship(secondary="post_tag", order_by="Tag.slug")
    cover: Mapped[Media | None] = relationship(secondary="post_cover")

    # Each UPDATE asks for the version that was read: of two at the same moment, the second one
    # raises StaleDataError. Publication is no new text, so the number is ours to raise.
    __mapper_args__ = {"version_id_col": version, "version_id_generator": False}  # noqa: RUF012

    @property
    def is_published(self) -> bool:
        """Whether everybody may read it."""
        return self.published_at is not None and self.published_at <= now()

    @property
    def is_scheduled(self) -> bool:
        """Whether everybody may read it later."""
        return self.published_at is not None and not self.is_published

    @property
    def tag_line(self) -> str:
        """The names of its tags, as they are typed."""
        return ", ".join(tag.name for tag in self.tags)

    def write(self, body: str) -> None:
        """Take a new text, and the summary that comes with it."""
        self.body = body
        self.body_html, summary = markdown.compose(body)
        self.summary = self.excerpt or summary
        self.renderer = markdown.RENDERER
        self.raise_version()

    def raise_version(self) -> None:
        """Let editors that were opened before know that something else is saved now."""
        self.updated_at = now()
        if self.version is not None:  # a new one begins with 1
            self.version += 1


class FormerSlug(Model):
    """A slug that a published post had before: links to it lead to the post."""

    __tablename__ = "former_slug"

    slug: Mapped[str] = mapped_column(String(120), primary_key=True)
    post_id: Mapped[int] = mapped_column(ForeignKey("post.id", ondelete="CASCADE"), index=True)


class Tag(Model):
    """A subject; many posts can have it, and a post can have many."""

    __tablename__ = "tag"

    id: Mapped[int] = mapped_column(primary_key=True)
    slug: Mapped[str] = mapped_column(String(80), unique=True)
    name: Mapped[str] = mapped_column(String(40))


class PostTag(Model):
    """That a post has a tag."""

    __tablename__ = "post_tag"

    post_id: Mapped[int] = mapped_column(
        ForeignKey("post.id", ondelete="CASCADE"), primary_key=True
    )
    tag_id: Mapped[int] = mapped_column(
        ForeignKey("tag.id", ondelete="CASCADE"), primary_key=True, index=True
    )


class PostRevision(Model):
    """A text of a post, as it was saved; that of the newest version is the post's own."""

    __tablename__ = "post_revision"

    post_id: Mapped[int] = mapped_column(
        ForeignKey("post.id", ondelete="CASCADE"), primary_key=True
    )
    version: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str] = mapped_column(String(160))
    body: Mapped[str] = mapped_column(Text)
    author_id: Mapped[int] = mapped_column(ForeignKey("member.id"), index=True)
    """Who saved it."""
    saved_at: Mapped[datetime] = mapped_column(default=now)

    author: Mapped[Member] = relationship(lazy="joined", innerjoin=True)


class Comment(_Written, Model):
    """What a member says below a post."""

    __tablename__ = "comment"
    __table_args__ = (Index(None, "post_id", "id"), Index(None, "waits", "id"))

    id: Mapped[int] = mapped_column(primary_key=True)
    post_id: Mapped[int] = mapped_column(ForeignKey("post.id", ondelete="CASCADE"))
    author_id: Mapped[int] = mapped_column(ForeignKey("member.id"), index=True)
    created_at: Mapped[datetime] = mapped_column(default=now)
    parent_id: Mapped[int | None] = mapped_column(
        ForeignKey("comment.id", ondelete="CASCADE"), index=True, default=None
    )
    """The comment that it answers; that one answers none, so threads have one level."""
    waits: Mapped[bool] = mapped_column(default=False, server_default="0")
    """Whether only moderators and its author see it, until it is approved."""

    author: Mapped[Member] = relationship(lazy="joined", innerjoin=True)
    post: Mapped[Post] = relationship()

    def _render(self, body: str) -> str:
        return markdown.render_comment(body)


class CommentRules(Model):
    """What the site holds comments to; there is one row, or none."""

    __tablename__ = "comment_rules"

    id: Mapped[int] = mapped_column(primary_key=True)
    hold_first: Mapped[bool]
    """Whether comments wait whose author has none that is shown."""
    max_links: Mapped[int | None]
    """A comment with more links waits."""
    held_words: Mapped[str] = mapped_column(Text)
    """Words and phrases, one a line: a comment with one of them waits."""
    close_days: Mapped[int | None]
    """Days after its publication until a post takes no more comments."""


class UnsavedText(Model):
    """What a member has typed and not saved yet: for their own eyes, until it is saved."""

    __tablename__ = "unsaved_text"

    member_id: Mapped[int] = mapped_column(
        ForeignKey("member.id", ondelete="CASCADE"), primary_key=True
    )
    key: Mapped[str] = mapped_column(String(40), primary_key=True)
    """Which form it belongs to: see :mod:`tenants.unsaved`."""
    post_id: Mapped[int | None] = mapped_column(
        ForeignKey("post.id", ondelete="CASCADE"), index=True, default=None
    )
    """The post that it changes, or comments on; ``None``: a new one."""
    version: Mapped[int] = mapped_column(default=0)
    """Version of the post when the editor was opened."""
    title: Mapped[str] = mapped_column(Text, default="")
    body: Mapped[str] = mapped_column(Text)
    tags: Mapped[str] = mapped_column(Text, default="", server_default=text("''"))
    """As they were typed."""
    excerpt: Mapped[str] = mapped_column(Text, default="", server_default=text("''"))
    saved_at: Mapped[datetime] = mapped_column(default=now)

    @property
    def tag_line(self) -> str:
        """The names of its tags, as they are typed."""
        return self.tags


class EntryLink(Model):
    """A link that signs a member in once; only its hash is kept."""

    __tablename__ = "entry_link"

    token_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    member_id: Mapped[int] = mapped_column(ForeignKey("member.id", ondelete="CASCADE"))
    expires_at: Mapped[float]
    """Unix time."""
