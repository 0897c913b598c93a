"""A site on a real database file, and visitors who use it as a browser would."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from typing import TYPE_CHECKING, Any

from tenantry.security.passwords import hash_password
from tenantry.settings import Settings
from tenantry.values.tenant import Tenant
from tenants import create_app, dispose, provision
from tenants.addresses import free_slug
from tenants.database import db, now
from tenants.media_library import add_file
from tenants.models import Comment, Member, Post
from tenants.permissions import Role

if TYPE_CHECKING:
    from pathlib import Path

    from flask import Flask
    from werkzeug.test import TestResponse

ADDRESS = {"domain": "example.test", "base_url": "http://example.test"}
PASSWORD = "a quiet harbour at dawn"
_TOKEN = re.compile(r'name="csrf_token"[^>]*value="([^"]+)"')


def make_settings(folder: Path, **changes: Any) -> Settings:
    """Return settings that nothing outside the test can change."""
    values: dict[str, Any] = {
        **ADDRESS,
        "data_dir": folder,
        "secret_keys": "k" * 40,
        "catalog_url": f"sqlite:///{folder}/catalog.sqlite3",
    }
    return Settings(**{**values, **changes})


def make_tenant(slug: str = "acme", **changes: Any) -> Tenant:
    """Return a tenant whose id follows from its slug."""
    return Tenant(id=slug.encode().hex().ljust(32, "0"), slug=slug, name=slug.title(), **changes)


@cache
def hashed(password: str) -> str:
    """Hash each password of the tests once."""
    return hash_password(password)


class Visitor:
    """A browser: it keeps cookies and sends the token of the last form it saw."""

    def __init__(self, app: Flask, *, prefix: str = "") -> None:
        self.client = app.test_client()
        self.base = f"http://acme.example.test{prefix}"

    def get(self, path: str, **options: Any) -> TestResponse:
        """Open a page."""
        return self.client.get(path, base_url=self.base, **options)

    def post(self, path: str, data: dict[str, Any] | None = None, **options: Any) -> TestResponse:
        """Send a form, with a token as any page of the site has one."""
        token = self.token()
        return self.client.post(
            path, base_url=self.base, data={"csrf_token": token, **(data or {})}, **options
        )

    def confirm(self, path: str, data: dict[str, Any] | None = None) -> TestResponse:
        """Send a form and answer its question with yes."""
        return self.post(path, {"confirmed": "yes", **(data or {})})

    def open_editor(self, slug: str) -> dict[str, str]:
        """Return the fields of the editor of a post, as it is shown now."""
        page = self.get(f"/posts/{slug}/edit").text
        return {name: read_field(page, name) for name in ("key", "version", "writer", "csrf_token")}

    def edit(self, slug: str, data: dict[str, Any]) -> TestResponse:
        """Open the editor of a post and save another text."""
        version = self.open_editor(slug)["version"]
        return self.post(f"/posts/{slug}/edit", {"version": version, **data})

    def token(self) -> str:
        """Return the token of this browser's session."""
        for path in ("/members/sign-in", "/members/me"):
            found = _TOKEN.search(self.get(path).text)
            if found:
                return found[1]
        raise AssertionError("no form has a token")

    def sign_in(self, email: str, password: str = PASSWORD, **options: Any) -> TestResponse:
        """Sign in with a password."""
        data = {"email": email, "password": password}
        return self.post("/members/sign-in", data, **options)

    def is_signed_in(self) -> bool:
        """Say whether the site knows who this is."""
        return self.get("/members/me").status_code == 200


def read_field(page: str, name: str) -> str:
    """Return the value of a page's hidden field; empty if there is none."""
    found = re.search(rf'name="{name}"[^>]*value="([^"]*)"', page)
    return html.unescape(found[1]) if found else ""


@dataclass
class Site:
    """One tenant's site."""

    tenant: Tenant
    settings: Settings
    app: Flask

    @property
    def path(self) -> Path:
        """The database file."""
        return self.settings.tenant_dir(self.tenant.id) / "site.sqlite3"

    def visitor(self, *, prefix: str = "") -> Visitor:
        """Return somebody who was never here."""
        return Visitor(self.app, prefix=prefix)

    def add_member(self, name: str = "ann", role: Role = Role.MEMBER, **facts: Any) -> str:
        """Add a member and return the e-mail address."""
        email = f"{name}@mail.test"
        facts = {"password_hash": hashed(PASSWORD), **facts}
        with self.app.app_context():
            db.session.add(Member(email=email, name=name, role=role, **facts))
            db.session.commit()
        return email

    def member(self, name: str = "ann", role: Role = Role.MEMBER) -> Visitor:
        """Return a new member who is signed in."""
        visitor = self.visitor()
        assert visitor.sign_in(self.add_member(name, role)).status_code == 303
        return visitor

    def add_post(
        self, title: str = "A post", body: str = "Words.", *, by: str = "ann", draft: bool = False
    ) -> str:
        """Add a post and return its slug."""
        with self.app.app_context():
            post = Post(title=title, slug=free_slug(title), author_id=self.id_of(by))
            post.write(body)
            post.published_at = None if draft else now()
            db.session.add(post)
            db.session.commit()
            return str(post.slug)

    def add_comments(self, slug: str, count: int = 1, *, by: str = "ann") -> list[int]:
        """Add comments to a post and return their ids."""
        with self.app.app_context():
            post_id = db.session.scalar(db.select(Post.id).where(Post.slug == slug))
            comments = [Comment(post_id=post_id, author_id=self.id_of(by)) for _ in range(count)]
            for number, comment in enumerate(comments, 1):
                comment.write(f"Remark {number}.")
            db.session.add_all(comments)
            db.session.commit()
            return [comment.id for comment in comments]

    def add_file(
        self, by: str, content: bytes = b"Words.", *, name: str = "words.txt", alt: str = ""
    ) -> str:
        """Add a file to the library and return its key."""
        with self.app.app_context(), self.app.test_request_context():
            file = BytesIO(content)
            media = add_file(file, name=name, alt=alt, uploader_id=self.id_of(by))
            return str(media.key)

    def id_of(self, name: str) -> int:
        """Return a member's id; needs an app context."""
        query = db.select(Member.id).where(Member.email == f"{name}@mail.test")
        number: int = db.session.execute(query).scalar_one()
        return number

    def find_member(self, name: str) -> Member | None:
        """Return a member as the database has it now."""
        with self.app.app_context():
            query = db.select(Member).where(Member.email == f"{name}@mail.test")
            found: Member | None = db.session.scalar(query)
            return found

    def change_member(self, name: str, **facts: Any) -> None:
        """Change a member behind the site's back."""
        with self.app.app_context():
            member = db.session.get(Member, self.id_of(name))
            for key, value in facts.items():
                setattr(member, key, value)
            db.session.commit()

    def close(self) -> None:
        """Close the site's database."""
        dispose(self.app)


def make_site(folder: Path, slug: str = "acme", *, databases: Any = (), **changes: Any) -> Site:
    """Provision a tenant and build its site.

    :param databases: The placements; by default files in the folder.
    """
    settings, tenant = make_settings(folder, databases=databases), make_tenant(slug, **changes)
    provision(tenant, settings)
    return Site(tenant, settings, create_app(tenant, settings))
