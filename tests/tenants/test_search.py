"""Search: the same on both kinds of databases, and exact after each write."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING, Literal

import pytest

from tenants.database import db
from tenants.models import Post
from tenants.permissions import Role
from tenants.search import RANKED, SIZE

if TYPE_CHECKING:
    from tests.tenants.helpers import Site, Visitor


def titles(visitor: Visitor, query: str) -> list[str]:
    """Return the addresses of what is found, in order."""
    page = visitor.get("/search", query_string={"q": query}).text
    parts = page.partition("<main")[2].split('href="/')[1:]
    return [part.partition('"')[0] for part in parts if part.startswith(("posts/", "pages/"))]


def test_posts_and_pages_are_found(site: Site, visitor: Visitor) -> None:
    """All words must be there, whatever case and accents; the last one may only be begun."""
    site.add_member()
    site.add_post("Café au lait", "Warm milk, and a well-known place: see example.org/menu.")
    site.add_post("Tea", "Hot water without MILK.")
    for query in ("cafe", "CAFÉ", "mil", "known", "milk warm", "menu", "example"):
        assert "posts/cafe-au-lait" in titles(visitor, query), query
    assert titles(visitor, "water mil") == ["posts/tea"]
    for query in ("mil water", "coffee", "wate au", "!!!", '" OR 1', "tea*coffee", "NOT tea"):
        assert titles(visitor, query) == [], query


@pytest.mark.parametrize(
    "word", ["ёлка", "Йод", "Άνθρωπος", "한국", "がっこう", "آب", "हिन्दी", "Жизнь", "Ångström"]
)
@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_words_of_every_script_are_found(
    site: Site, visitor: Visitor, word: str, form: Literal["NFC", "NFD"]
) -> None:
    """A word is found as it stands there, and by its beginning, however its marks are encoded."""
    site.add_member()
    site.add_post("Post", f"Before {unicodedata.normalize(form, word)} after.")
    for query in (word, word.lower(), unicodedata.normalize("NFD", word), word[:-1]):
        assert titles(visitor, query) == ["posts/post"], query
        assert visitor.get("/search", query_string={"q": query}).text.count("<mark>") == 1, query


def test_numbers_are_found_whatever_their_sign(site: Site, visitor: Visitor) -> None:
    """For PostgreSQL a plus is a part of the number."""
    site.add_member()
    site.add_post("Post", "Call +49 30 1234, at -7 °C.")
    for query in ("+49 30 1234", "49", "1234 4", "-7", "7"):
        assert titles(visitor, query) == ["posts/post"], query


def test_titles_count_more_than_text(site: Site, visitor: Visitor) -> None:
    """A post about something stands before one that mentions it, though that one is newer."""
    site.add_member()
    site.add_post("Magnets", "How we make them.")
    site.add_post("Springs", "Unlike magnets they bend.")
    assert titles(visitor, "magnets") == ["posts/magnets", "posts/springs"]


def test_what_visitors_cannot_see_is_not_found(site: Site, visitor: Visitor) -> None:
    """The index follows each change at once: new texts, titles, drafts, deletions, restorations."""
    author = site.member("ann", Role.AUTHOR)
    slug = site.add_post("First", "old words")
    author.post("/write", {"title": "Draft", "body": "old words", "intent": "draft"})
    assert titles(visitor, "old") == [f"posts/{slug}"]
    author.edit(slug, {"title": "Second", "body": "new words"})
    assert titles(visitor, "old") == titles(visitor, "first") == []
    assert titles(visitor, "second new") == [f"posts/{slug}"]
    author.edit(slug, {"title": "Second", "body": "new words", "kind": "page"})
    assert titles(visitor, "new") == [f"pages/{slug}"]
    author.confirm(f"/posts/{slug}/delete")
    assert titles(visitor, "new") == []
    author.post(f"/posts/{slug}/restore")
    assert titles(visitor, "new") == [f"pages/{slug}"]
    author.confirm(f"/posts/{slug}/delete")
    author.confirm(f"/posts/{slug}/erase")
    assert titles(visitor, "new") == titles(author, "old") == []


def test_a_snippet_shows_the_words_and_no_markup(site: Site, visitor: Visitor) -> None:
    """What was written is text there, whatever it looks like."""
    site.add_member()
    body = "Begin. " * 100 + "The *Übermut* & <script>x</script> end. " + "More. " * 100
    site.add_post("A <b>title</b> ubermut", body)
    page = visitor.get("/search?q=ubermut").text
    assert "A &lt;b&gt;title&lt;/b&gt; <mark>ubermut</mark>" in page
    assert "<mark>Übermut</mark> &amp; &lt;script&gt;x&lt;/script&gt; end." in page
    assert "… Begin." in page
    assert "More. …" in page or "More …" in page
    assert page.count("Begin.") < 20


@pytest.mark.parametrize(
    "query",
    ["", "   ", "x" * 5_000, "\x00", "'); DROP TABLE post; --", "a " * 99, "\u0301", "'\u0301 x"],
)
def test_any_query_has_an_answer(site: Site, visitor: Visitor, query: str) -> None:
    """Whatever is typed is a word or nothing, and never a part of a statement."""
    site.add_member()
    site.add_post("Post", "Words.")
    answer = visitor.get("/search", query_string={"q": query})
    assert answer.status_code == 200
    assert "<mark>" not in answer.text
    assert 'content="noindex"' in answer.text
    assert titles(visitor, "words") == ["posts/post"]


def test_results_have_pages_and_an_end(site: Site, visitor: Visitor) -> None:
    """A word that every post has costs no more than the newest that are ranked."""
    site.add_member()
    with site.app.app_context():
        for number in range(RANKED + 5):
            post = Post(title=f"Post {number}", slug=f"post-{number}", author_id=site.id_of("ann"))
            post.body, post.body_html, post.renderer = "word", "<p>word</p>", 0
            post.published_at = post.created_at
            db.session.add(post)
        db.session.flush()
        db.session.execute(db.update(Post).values(published_at=Post.created_at))
        db.session.commit()
    assert len(titles(visitor, "word")) == SIZE
    assert "More than 200 results" in visitor.get("/search?q=word").text
    last = RANKED // SIZE
    assert f"page={last}" in visitor.get("/search?q=word").text
    assert visitor.get(f"/search?q=word&page={last}").status_code == 200
    assert visitor.get(f"/search?q=word&page={last + 1}").status_code == 404
    assert visitor.get("/search?q=post-1").text.count("<mark>")


def test_search_engines_are_kept_out(visitor: Visitor) -> None:
    """Results are no pages of their own."""
    assert "Disallow: /search" in visitor.get("/robots.txt").text
    assert 'href="/search"' in visitor.get("/").text
