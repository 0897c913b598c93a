"""Pages: posts that stand in the menu instead of among the others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import g

from tenants.menu import IN_MENU, list_menu
from tenants.permissions import Role

if TYPE_CHECKING:
    from tests.tenants.helpers import Site, Visitor

LONG = "A title that is much longer than a menu has room for"


def add_page(author: Visitor, title: str, **facts: str) -> str:
    """Write a page; return its path."""
    data = {"title": title, "body": "Words.", "kind": "page", "intent": "publish", **facts}
    return author.post("/write", data).location or ""


def test_a_page_stands_in_the_menu_and_not_among_the_posts(site: Site, visitor: Visitor) -> None:
    """It has no date, author or comments; the menu, archive and sitemap lead to it."""
    author, member = site.member("ann", Role.AUTHOR), site.member("bob")
    assert add_page(author, "About us") == "/pages/about-us"
    add_page(author, LONG)
    add_page(author, "Hidden", intent="draft")
    page = visitor.get("/pages/about-us").text
    assert 'href="/pages/about-us" aria-current="page"' in page
    assert "Words." in page
    for absent in ("Comments", "<time", LONG, "Hidden"):
        assert absent not in page
    assert LONG in visitor.get("/archive").text
    assert "http://acme.example.test/pages/about-us" in visitor.get("/sitemap.xml").text
    assert 'class="post-item"' not in visitor.get("/").text
    assert "About us" not in visitor.get("/feed.xml").text
    assert member.post("/posts/about-us/comments", {"text": "x"}).status_code == 404
    assert 'href="/pages/about-us"' in visitor.get("/no-such-page").text
    assert 'href="/pages/about-us"' in visitor.get("/members/sign-in").text


def test_a_post_becomes_a_page_and_back(site: Site, visitor: Visitor) -> None:
    """Links to the one lead to the other; a form that does not say which changes nothing."""
    author = site.member("ann", Role.AUTHOR)
    slug = site.add_post("About")
    author.edit(slug, {"title": "About", "body": "x", "kind": "page"})
    assert visitor.get("/posts/about").location == "/pages/about"
    author.edit(slug, {"title": "About", "body": "y"})
    assert visitor.get("/pages/about").status_code == 200
    assert '<option selected value="page">' in author.get("/posts/about/edit").text
    author.edit(slug, {"title": "About", "body": "y", "kind": "post"})
    assert visitor.get("/pages/about").location == "/posts/about"
    assert "About" in visitor.get("/").text
    assert author.edit(slug, {"title": "About", "body": "y", "kind": "x"}).status_code == 422


def test_the_menu_has_a_limit(site: Site, visitor: Visitor) -> None:
    """The first pages stand there; the archive lists all."""
    author = site.member("ann", Role.AUTHOR)
    for number in range(IN_MENU + 1):
        add_page(author, f"Page {number}")
    assert visitor.get("/").text.count('href="/pages/') == IN_MENU
    assert f'href="/pages/page-{IN_MENU}"' in visitor.get("/archive").text


def test_the_menu_asks_no_database_that_is_out_of_order(site: Site) -> None:
    """A page that says so has no pages in its menu."""
    add_page(site.member("ann", Role.AUTHOR), "About us")
    for out_of_order in (False, True):
        with site.app.test_request_context("/"):
            g.without_database = out_of_order
            assert len(list_menu()) == (not out_of_order)
