"""Putting a tenant's site together, and taking it apart."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Flask
from flask_wtf import CSRFProtect

from tenantry import Flyweight, init_management, init_security, init_ui
from tenants import (
    authors,
    comments,
    discovery,
    embedding,
    errors,
    feed,
    history,
    look,
    media,
    media_check,
    members,
    menu,
    moderation,
    pages,
    posts,
    preview_links,
    room,
    search,
    tags,
)
from tenants.access import login
from tenants.addresses import url_of
from tenants.database import db
from tenants.management import Management

if TYPE_CHECKING:
    from tenantry import Settings, Tenant


csrf = CSRFProtect()


def build_site() -> Flask:
    """Build the site that all tenants share; it knows of none of them.

    Views ask ``current_tenant`` and ``current_app`` and never keep either.
    """
    app = Flask("tenants", static_folder=None)
    app.config.from_mapping(
        # The token lives as long as the session; an hour would lose what a slow writer wrote.
        WTF_CSRF_TIME_LIMIT=None,
        # init_security checks the origin, and without asking browsers for a Referer.
        WTF_CSRF_SSL_STRICT=False,
        # There is no remember-me cookie, and no cookie can have this name.
        REMEMBER_COOKIE_NAME="no;cookie",
    )
    init_security(app)
    init_ui(app)
    csrf.init_app(app)
    login.init_app(app)
    db.init_app(app)
    app.context_processor(look.describe)
    app.context_processor(
        lambda: {
            "embed": embedding.embed,
            "find_covers": embedding.find_covers,
            "find_notice": room.find_notice,
            "list_menu": menu.list_menu,
            "path_of_file": embedding.path_of_file,
            "picture": embedding.picture,
            "preview_url": preview_links.preview_url,
            "url_of": url_of,
        }
    )
    errors.init_app(app)
    for module in (
        pages,
        tags,
        search,
        feed,
        discovery,
        posts,
        preview_links,
        history,
        comments,
        moderation,
        authors,
        members,
        media,
    ):
        app.register_blueprint(module.bp)
    app.cli.add_command(media_check.commands)
    init_management(app, Management())
    return app


_site = Flyweight(build_site)


def prepare() -> None:
    """Build what all tenants' sites share, before the first visitor asks."""
    _site.prepare()


def create_app(tenant: Tenant, settings: Settings | None = None) -> Flask:
    """Return the tenant's site. It opens nothing and makes nothing: see :func:`provision`."""
    return _site.instance(tenant, settings=settings)


def dispose(app: Flask) -> None:
    """Close the database connections of an app that serves no request any more."""
    db.close(app)
