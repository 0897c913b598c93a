"""What every visitor sees."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import Engine, event

from tenants.permissions import Role
from tenants.reading import COMMENTS_PER_PAGE, POSTS_PER_PAGE
from tests.markup import find_flaws
from tests.tenants.helpers import make_site

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.tenants.helpers import Site, Visitor


def test_an_empty_site_says_so(visitor: Visitor) -> None:
    """A visitor of a new site is not left with a blank page."""
    page = visitor.get("/")
    assert page.status_code == 200
    assert "Nothing here yet" in page.text


def test_a_visitor_gets_no_cookie(site: Site, visitor: Visitor) -> None:
    """Reading needs no session."""
    site.add_member()
    slug = site.add_post()
    assert site.visitor().get("/favicon.ico").headers["Location"] == "/favicon.svg"
    for path in ("/", f"/posts/{slug}", "/feed.xml", "/theme.css", "/favicon.svg"):
        assert "Set-Cookie" not in visitor.get(path).headers


def test_the_front_page_shows_posts_newest_first(site: Site, visitor: Visitor) -> None:
    """Posts are listed with summary and author, drafts are not."""
    site.add_member()
    site.add_post("Older", "First *words*.\n\nMore.")
    site.add_post("Newer")
    site.add_post("Hidden", draft=True)
    page = visitor.get("/").text
    assert page.index("Newer") < page.index("Older")
    assert "First words." in page
    assert "More." not in page
    assert "Hidden" not in page


def test_the_front_page_has_pages(site: Site, visitor: Visitor) -> None:
    """Posts beyond the first page are reached by links, and a page beyond the last is none."""
    site.add_member()
    for number in range(POSTS_PER_PAGE + 1):
        site.add_post(f"Post number {number}")
    first, second = visitor.get("/").text, visitor.get("/?page=2").text
    assert 'href="/?page=2"' in first
    assert "Post number 0<" in second
    assert "Post number 0<" not in first
    assert visitor.get("/?page=3").status_code == 404


@pytest.mark.parametrize("page", ["0", "-1", "x", "1.5", "", "9" * 30, "٣"])
def test_a_page_that_is_no_number_is_not_there(visitor: Visitor, page: str) -> None:
    """Whatever stands in ?page=, the answer is a page or 404, never a crash."""
    assert visitor.get("/", query_string={"page": page}).status_code == 404


@pytest.fixture
def statements() -> Iterator[list[str]]:
    """Return a list of the statements that databases are asked, whichever they are."""
    told: list[str] = []

    def tell(*arguments: Any) -> None:
        told.append(arguments[2])

    event.listen(Engine, "before_cursor_execute", tell)
    yield told
    event.remove(Engine, "before_cursor_execute", tell)


@pytest.mark.parametrize("signed_in", [False, True])
def test_the_front_page_costs_the_same_queries(
    site: Site, statements: list[str], *, signed_in: bool
) -> None:
    """For posts, their covers and the menu: it does not grow with posts, authors or comments.

    A member costs one more, and so does a page that is kept: when the next post is published.
    """
    visitor = site.member() if signed_in else site.visitor()
    if not signed_in:
        site.add_member()
    counts = []
    for number in range(2):
        site.add_member(f"writer{number}")
        site.add_comments(site.add_post(f"Post {number}", by=f"writer{number}"), 2)
        statements.clear()
        visitor.get("/")
        counts.append(len(statements))
    assert counts == [5] * 2


def test_a_post_shows_its_text_and_comments(site: Site, visitor: Visitor) -> None:
    """A post's page has the rendered text, the author and what others said."""
    site.add_member()
    slug = site.add_post("Hello, world", "Some **bold** text.")
    site.add_comments(slug)
    page = visitor.get(f"/posts/{slug}").text
    assert "<strong>bold</strong>" in page
    assert "Remark 1." in page
    assert "Sign in" in page


def test_comments_have_pages(site: Site, visitor: Visitor) -> None:
    """A post with very many comments shows them page by page."""
    site.add_member()
    slug = site.add_post()
    site.add_comments(slug, COMMENTS_PER_PAGE + 1)
    assert f"Remark {COMMENTS_PER_PAGE + 1}." not in visitor.get(f"/posts/{slug}").text
    assert f"Remark {COMMENTS_PER_PAGE + 1}." in visitor.get(f"/posts/{slug}?page=2").text


def test_unknown_posts_are_not_there(visitor: Visitor) -> None:
    """A slug that no post has is a 404 in the site's look."""
    page = visitor.get("/posts/nothing")
    assert page.status_code == 404
    assert "There is no such page" in page.text


def test_what_owners_type_is_escaped(tmp_path: Path) -> None:
    """A name or tagline is text on every page, whatever it looks like."""
    evil = "<script>alert(1)</script>"
    site = make_site(tmp_path, settings={"tagline": evil})
    page = site.visitor().get("/").text
    site.close()
    assert evil not in page
    assert "&lt;script&gt;" in page


@pytest.mark.parametrize(
    "accent",
    ["#000000", "#ffffff", "#ffd60a", "#c2410c", "red;}body{display:none", 7, None, "#12345"],
)
def test_the_theme_is_always_a_colour(tmp_path: Path, accent: object) -> None:
    """Only colours reach the style sheet (R44)."""
    site = make_site(tmp_path, settings={"accent": accent})
    answer = site.visitor().get("/theme.css")
    site.close()
    assert answer.mimetype == "text/css"
    values = re.findall(r"--[a-z-]+: ([^;]*);", answer.text)
    assert len(values) == 3
    pair = r"light-dark\(#[0-9a-f]{6}, #[0-9a-f]{6}\)"
    assert all(re.fullmatch(pair, value) for value in values)
    assert answer.text.count("{") == 1


def test_dressing_is_kept_by_browsers(site: Site, visitor: Visitor) -> None:
    """Theme and icon may be kept for ever under an address that holds the revision."""
    revision = site.tenant.revision
    for name in ("theme.css", "favicon.svg"):
        answer = visitor.get(f"/{name}?v={revision}")
        assert "immutable" in answer.headers["Cache-Control"]
        assert "immutable" not in visitor.get(f"/{name}?v={revision + 1}").headers["Cache-Control"]
        headers = {"If-None-Match": answer.headers["ETag"]}
        again = visitor.get(f"/{name}?v={revision}", headers=headers)
        assert again.status_code == 304


def test_pages_need_no_inline_script_or_style(site: Site) -> None:
    """No page has what its Content-Security-Policy forbids."""
    visitor = site.member("olga", role=Role.EDITOR)
    slug = site.add_post(by="olga", body="# Title\n\n| a |\n|---|\n| b |")
    site.add_comments(slug, by="olga")
    paths = ["/", f"/posts/{slug}", "/write", "/drafts", "/members/me", f"/posts/{slug}/edit"]
    pages = [visitor.get(path).text for path in paths]
    anonymous = site.visitor()
    pages += [anonymous.get(f"/members/{name}").text for name in ("sign-in", "sign-up")]
    for page in pages:
        assert not re.search(r"<script(?![^>]* src=)", page)
        assert not re.search(r"<style|\sstyle=|\son[a-z]+=|javascript:", page)
        assert not re.search(r"""(?:src|<link[^>]* href)=["'](?:https?:)?//(?!acme\.)""", page)


def test_a_quiet_copy_says_what_it_is(tmp_path: Path) -> None:
    """Its readers know that it is a copy, its editors that it sends nothing, search engines pass by."""
    site, original = make_site(tmp_path, quiet=True), make_site(tmp_path, "globex")
    assert "It sends no mail" in site.member("ed", Role.EDITOR).get("/").text
    for visitor in (site.visitor(), site.member("ann")):
        page = visitor.get("/").text
        assert "This site is a copy" in page
        assert "It sends no mail" not in page
        assert '<meta name="robots" content="noindex, nofollow">' in page
    page = original.visitor().get("/").text
    assert "This site is a copy" not in page
    assert "noindex" not in page
    site.close()
    original.close()


@pytest.mark.parametrize("path", ["/", "/posts/a-post"])
def test_a_visitors_page_may_be_kept(site: Site, path: str) -> None:
    """R23: what everybody sees alike is kept and confirmed; what a member sees, never."""
    site.add_member()
    site.add_post()
    page = site.visitor().get(path)
    assert page.headers["Cache-Control"] == "public, no-cache"
    assert "Cookie" in page.headers["Vary"]
    assert "Set-Cookie" not in page.headers
    known = {"If-None-Match": page.headers["ETag"]}
    assert site.visitor().get(path, headers=known).status_code == 304

    member = site.member("ben")
    mine = member.get(path, headers=known)
    assert (mine.status_code, mine.headers["Cache-Control"]) == (200, "private, no-store")
    assert "ETag" not in mine.headers


def test_a_form_is_never_kept(visitor: Visitor) -> None:
    """R23: its token belongs to one browser."""
    assert visitor.get("/members/sign-in").headers["Cache-Control"] == "private, no-store"
    again = visitor.get("/")
    assert again.headers["Cache-Control"] == "private, no-store"


def test_search_engines_find_the_posts(site: Site, visitor: Visitor) -> None:
    """The sitemap names what is published; robots.txt names the sitemap and what is not for it."""
    site.add_member()
    site.add_post("Seen")
    site.add_post("Hidden", draft=True)
    robots = visitor.get("/robots.txt").text.splitlines()
    assert "Sitemap: http://acme.example.test/sitemap.xml" in robots
    assert "Disallow: /members/" in robots
    sitemap = visitor.get("/sitemap.xml")
    assert sitemap.mimetype == "application/xml"
    found = re.findall("<loc>(.*?)</loc>", sitemap.text)
    assert found == ["http://acme.example.test/", "http://acme.example.test/posts/seen"]
    page = visitor.get("/posts/seen").text
    assert '<meta property="og:title" content="Seen">' in page
    assert '<meta property="og:type" content="article">' in page


def test_a_copy_is_not_to_be_found(tmp_path: Path) -> None:
    """Two sites with the same posts would stand in each other's way."""
    site = make_site(tmp_path, quiet=True)
    visitor = site.visitor()
    robots, page = visitor.get("/robots.txt").text, visitor.get("/").text
    site.close()
    assert "Sitemap" not in robots
    assert '<meta name="robots" content="noindex, nofollow">' in page


@pytest.mark.parametrize(("language", "said"), [("ar", ' lang="ar"'), ("en", ""), ('x" y', "")])
def test_posts_say_their_language(tmp_path: Path, language: str, said: str) -> None:
    """What people wrote is in the site's language, the menus around it in ours."""
    site = make_site(tmp_path, settings={"language": language})
    site.add_member()
    slug = site.add_post("Title")
    page = site.visitor().get(f"/posts/{slug}").text
    listed = site.visitor().get("/").text
    site.close()
    assert '<html lang="en"' in page
    assert f'<h1 class="post-title" dir="auto"{said}>' in page
    assert f'<div class="prose" dir="auto"{said}>' in page
    assert f'<h2 dir="auto"{said}>' in listed


@pytest.mark.parametrize(
    "path",
    ["/", "/posts/a-post", "/drafts", "/write", "/posts/a-post/edit", "/members/me", "/none"],
)
def test_pages_are_valid(site: Site, path: str) -> None:
    """No page has what a validator would complain about, whoever looks at it."""
    owner = site.member("olga", role=Role.EDITOR)
    site.add_comments(site.add_post(by="olga"), 2, by="olga")
    site.add_post("A draft", draft=True, by="olga")
    assert find_flaws(owner.get(path).text) == []
    stranger = site.visitor().get(path, follow_redirects=True)
    assert find_flaws(stranger.text) == []


@pytest.mark.parametrize("path", ["/members/sign-in", "/members/sign-up"])
def test_forms_for_strangers_are_valid(visitor: Visitor, path: str) -> None:
    """So are the forms, with and without complaints."""
    assert find_flaws(visitor.get(path).text) == []
    assert find_flaws(visitor.post(path, {"email": "x"}).text) == []
