"""Markdown in, safe HTML out."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tenantry.ui.colours import DARK_GROUND, LIGHT_GROUND, accent_tones, contrast, read_accent
from tenants import markdown
from tenants.code_colours import LONGEST, MOST
from tenants.database import db
from tenants.models import Post
from tenants.permissions import Role
from tenants.text import clean_line, clean_text, slugify

if TYPE_CHECKING:
    from tests.tenants.helpers import Site, Visitor

EVIL = [
    pytest.param("<script>alert(1)</script>", id="script"),
    pytest.param("<img src=x onerror=alert(1)>", id="handler"),
    pytest.param("<style>body{display:none}</style>", id="style"),
    pytest.param("<iframe src=//evil.test></iframe>", id="frame"),
    pytest.param("<svg onload=alert(1)>", id="svg"),
    pytest.param("<form action=//evil.test><input></form>", id="form"),
    pytest.param("[x](javascript:alert(1))", id="script link"),
    pytest.param("[x](JaVaScRiPt:alert(1))", id="mixed case"),
    pytest.param("[x](java&#10;script:alert(1))", id="entity"),
    pytest.param("[x](data:text/html,<script>alert(1)</script>)", id="data link"),
    pytest.param("[x](vbscript:x)", id="vbscript"),
    pytest.param("<javascript:alert(1)>", id="autolink"),
    pytest.param("![x](javascript:alert(1))", id="image"),
    pytest.param("![x](https://evil.test/pixel.gif)", id="tracking image"),
    pytest.param("[a]: javascript:alert(1)\n\n[a]", id="reference"),
    pytest.param('[x](https://a.test "t\\" onmouseover=alert(1)")', id="title"),
    pytest.param("```\n</code></pre><script>x</script>\n```", id="fence"),
    pytest.param('```"><script>x</script>\n```', id="fence language"),
    pytest.param("```html\n<script>x</script>\n```", id="fence with colours"),
]
N = 100_000
COSTLY = [
    pytest.param("[" * N, id="brackets"),
    pytest.param("![" * (N // 2), id="images"),
    pytest.param("*a " * (N // 3), id="stars"),
    pytest.param("> a\n" * (N // 4), id="quotes"),
    pytest.param("# a\n" * (N // 4), id="headings"),
    pytest.param("[a](b)" * (N // 6), id="links"),
    pytest.param("a|b\n-|-\n" + "x\n" * 45_000, id="rows"),
    pytest.param("|a" * 100 + "\n" + "|-" * 100 + "\n" + "x\n" * 1000, id="wide table"),
]
"""Texts that took seconds to read, or would."""
_TAG = re.compile(r"<([a-z0-9]+)((?:\s[^<>]*)?)>")
_ATTRIBUTE = re.compile(r'\s([a-z-]+)="([^"]*)"')


def check(html: str) -> None:
    """Fail if the HTML could do anything but be read."""
    for tag, rest in _TAG.findall(html):
        assert tag not in {"script", "style", "img", "iframe", "svg", "form", "input", "object"}
        for name, value in _ATTRIBUTE.findall(rest):
            assert name in {"href", "title", "rel", "start", "class"}, html
            assert name != "class" or value.startswith("code-")
            if name == "href":
                assert urlsplit(value).scheme in {"", "http", "https", "mailto"}, html


@pytest.mark.parametrize("text", EVIL)
def test_nothing_dangerous_comes_out(text: str) -> None:
    """Scripts, styles, handlers and odd schemes do not survive, in posts and in comments."""
    for html in (markdown.render(text), markdown.render_comment(text)):
        check(html)


def test_code_has_colours() -> None:
    """Those of its language, escaped; code of no known language, or of great length, has none."""
    html = markdown.render("```python\ndef f(x):  # <b>\n    return 'a' + 1\n```")
    for part in ('k">def', 'f">f', 'c"># &lt;b&gt;', "s\">'a'", 'm">1'):
        assert f'<span class="code-{part}</span>' in html
    assert "code-i" in markdown.render("```diff\n+ new\n```")
    for plain in ("```nonsense\ndef f(): 1\n```", f"```python\n{'1 ' * LONGEST}\n```"):
        assert "<span" not in markdown.render(plain)
    message = "POST / HTTP/1.1\nContent-Type: text/x-rst\n\n.. code:: python"
    assert "<span" not in markdown.render(f"```http\n{message}\n```"), "of any language by its type"
    assert "<span" not in markdown.render_comment("```python\ndef f(): 1\n```")


def test_only_so_much_code_of_a_text_has_colours() -> None:
    """What some lexers take grows with the square of the length, and a post has many blocks."""
    block = f"```python\n{'1 ' * (LONGEST // 2 - 1)}\n```\n"
    html = markdown.render(block * (MOST // LONGEST + 3))
    marked = [part for part in html.split("<pre>") if "<span" in part]
    assert len(marked) == MOST // LONGEST
    assert html.count("<pre>") == MOST // LONGEST + 3


@settings(deadline=None)  # the first code in a known language loads Pygments
@given(st.text(alphabet="<>\"'()[]!*_`#|-\n :/&;abjscript=x", max_size=120))
def test_no_text_makes_dangerous_html(text: str) -> None:
    """Whatever is put together from the marks of both languages is harmless."""
    check(markdown.render(text))
    markdown.summarise(text)


@pytest.mark.parametrize("text", EVIL)
def test_comments_on_the_page_are_clean(site: Site, visitor: Visitor, text: str) -> None:
    """The page shows what was cleaned, not what was written."""
    member = site.member()
    slug = site.add_post()
    member.post(f"/posts/{slug}/comments", {"text": text})
    page = visitor.get(f"/posts/{slug}").text
    body = page[page.index('class="comment-body') :]
    check(body[body.index(">") + 1 : body.index("</section>")].split("</article>")[0])


def test_the_usual_marks_work() -> None:
    """What people write every day becomes what they expect."""
    html = markdown.render("# One\n\n## Two\n\n**b** *i* ~~s~~\n\n> q\n\n1. x\n\n|a|\n|-|\n|b|\n")
    for part in ("<h2>One</h2>", "<h2>Two</h2>", "<strong>b</strong>", "<em>i</em>", "<s>s</s>"):
        assert part in html
    for tag in ("blockquote", "ol", "table", "td"):
        assert f"<{tag}>" in html
    assert "<h2>" not in markdown.render_comment("# One")


def test_a_corner_of_a_table_is_no_header() -> None:
    """A header cell without a word would name a column or row by nothing."""
    html = markdown.render("|  | old |\n|---|---|\n| wire | 0.11 |")
    assert html.count("<th>") == 1
    assert "<th>old</th>" in html
    assert html.count("<td>") == html.count("</td>") == 3


def test_links_tell_search_engines_nothing() -> None:
    """A link in a post passes on no reputation and no window."""
    html = markdown.render("[x](https://a.test/?a=1&b=2)")
    assert 'rel="nofollow ugc noopener"' in html
    assert "https://a.test/?a=1&amp;b=2" in html


def test_images_become_links() -> None:
    """Nothing is loaded from another host, but the way to it stays."""
    html = markdown.render("![A <cat>](https://a.test/cat.png)")
    assert ">A &lt;cat&gt;</a>" in html
    assert 'href="https://a.test/cat.png"' in html


@pytest.mark.parametrize(
    ("text", "summary"),
    [
        ("", ""),
        ("# Only a heading", ""),
        ("# H\n\nThe **first** `one`\nof two.\n\nSecond.", "The first one of two."),
        ("```\ncode\n```\n\n> Quoted.", "Quoted."),
        ("word " * 100, "word " * 47 + "word…"),
    ],
)
def test_the_summary_is_the_first_paragraph(text: str, summary: str) -> None:
    """The front page shows plain words, cut between two of them."""
    assert markdown.summarise(text) == summary


def test_new_rules_reach_old_posts(site: Site, visitor: Visitor) -> None:
    """HTML that was stored under other rules is made again, not trusted."""
    site.add_member()
    slug = site.add_post(body="**new**")
    with site.app.app_context():
        post = db.session.scalar(db.select(Post).where(Post.slug == slug))
        post.body_html, post.renderer = "<script>old</script>", markdown.RENDERER - 1
        db.session.commit()
    page = visitor.get(f"/posts/{slug}").text
    assert "<strong>new</strong>" in page
    assert "<script>old" not in page


def test_texts_lose_what_cannot_be_shown() -> None:
    """Control characters go, line ends become one kind."""
    assert clean_text(" a\r\nb\rc\x00\u2028\n") == "a\nb\nc"
    assert clean_line("\ta \n b\x7f ") == "a b"
    assert clean_text(None) == ""


@given(st.text(max_size=200))
def test_every_title_has_a_slug(title: str) -> None:
    """A slug is never empty, never long, and holds nothing that a path could trip over."""
    slug = slugify(title)
    assert 0 < len(slug) <= 80
    assert re.fullmatch(r"[\w-]+", slug)
    assert not slug.startswith("-")
    assert not slug.endswith("-")


@given(st.from_regex(r"#[0-9a-f]{6}", fullmatch=True))
def test_every_accent_can_be_read(accent: str) -> None:
    """Whatever colour the owner likes, text and buttons keep WCAG AA in both themes."""
    for dark, ground in ((False, LIGHT_GROUND), (True, DARK_GROUND)):
        tone = accent_tones(read_accent(accent), dark=dark)
        assert contrast(tone.text, ground) >= 4.5
        assert contrast(tone.on_fill, tone.fill) >= 4.5
        assert contrast(tone.fill, ground) >= 3


@pytest.mark.parametrize("text", COSTLY)
def test_a_text_with_too_much_markup_is_refused(site: Site, text: str) -> None:
    """A post that would take seconds to read is neither saved nor shown: the form says why."""
    assert markdown.measure_markup(text) > markdown.MAX_MARKUP
    author = site.member("ann", Role.AUTHOR)
    refused = author.post("/write", {"title": "A title", "body": text, "intent": "draft"})
    assert refused.status_code == 422
    assert "too much formatting" in refused.text
    preview = author.post("/write/preview", {"body": text})
    assert "too much formatting" in preview.text


MARKS = st.text(st.sampled_from("*_[]!<>&`~|#-+=:. \n\ta1()\\"), max_size=300)


@given(MARKS | MARKS.map(lambda text: "|a|b|c|\n|-|-|-|\n" + text))
def test_markup_bounds_what_there_is_to_do(text: str) -> None:
    """The parts that a text is read into never outnumber its markup by more than a few times."""
    tokens = markdown._markdown.parse(text)
    parts = sum(1 + len(token.children or ()) for token in tokens)
    assert parts <= 8 * markdown.measure_markup(text) + 40


def test_long_prose_and_code_are_no_markup() -> None:
    """The longest post of ordinary words, with a table and code, is far below the limit."""
    prose = ("A sentence with a *few* words, [a link](/b) and `code`. " * 12 + "\n\n") * 140
    table = "| a | b | c |\n|---|---|---|\n" + "| 1 | 2 | 3 |\n" * 60
    assert len(prose) > 90_000
    assert markdown.measure_markup(prose + table) < markdown.MAX_MARKUP


def test_html_and_summary_come_from_one_reading() -> None:
    """Both are what they are when made alone."""
    text = "# Title\n\nFirst *words* [a].\n\n[a]: /b\n"
    assert markdown.compose(text) == (markdown.render(text), markdown.summarise(text))
