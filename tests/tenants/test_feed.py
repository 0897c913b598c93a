"""The Atom feed and the JSON Feed."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest

from tenants.permissions import Role
from tenants.reading import FEED_LENGTH
from tests.tenants.helpers import make_site

if TYPE_CHECKING:
    from pathlib import Path

    from tests.tenants.helpers import Site, Visitor

ATOM = "{http://www.w3.org/2005/Atom}"
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


def read(visitor: Visitor) -> ET.Element:
    """Fetch and parse the feed, and check what RFC 4287 asks of every feed."""
    answer = visitor.get("/feed.xml")
    assert answer.mimetype == "application/atom+xml"
    feed = ET.fromstring(answer.data)  # noqa: S314 - our own
    assert feed.tag == f"{ATOM}feed"
    for element in (feed, *feed.findall(f"{ATOM}entry")):
        for name in ("id", "title", "updated", "author"):
            assert len(element.findall(ATOM + name)) == 1
        assert (element.findtext(f"{ATOM}id") or "").startswith("urn:uuid:")
        assert _TIME.fullmatch(element.findtext(f"{ATOM}updated") or "")
        assert element.findtext(f"{ATOM}author/{ATOM}name")
    assert _links(feed)["self"] == "http://acme.example.test/feed.xml"
    return feed


def _links(element: ET.Element) -> dict[str, str]:
    return {it.attrib["rel"]: it.attrib["href"] for it in element.findall(f"{ATOM}link")}


def test_an_empty_feed_is_valid(visitor: Visitor) -> None:
    """A site without posts has a feed without entries."""
    assert read(visitor).findall(f"{ATOM}entry") == []


def test_entries_have_the_whole_post(site: Site, visitor: Visitor) -> None:
    """An entry holds the text as HTML, the author and the canonical address."""
    site.add_member()
    site.add_post("Tom & <Jerry>", "**bold** & <b>not</b>")
    (entry,) = read(visitor).findall(f"{ATOM}entry")
    assert entry.findtext(f"{ATOM}title") == "Tom & <Jerry>"
    content = entry.find(f"{ATOM}content")
    assert content is not None
    assert content.attrib["type"] == "html"
    assert "<strong>bold</strong>" in (content.text or "")
    assert _links(entry)["alternate"] == "http://acme.example.test/posts/tom-jerry"
    assert _TIME.fullmatch(entry.findtext(f"{ATOM}published") or "")


def test_the_feed_is_bounded_and_newest_first(site: Site, visitor: Visitor) -> None:
    """Readers get the newest posts, not all of them."""
    site.add_member()
    for number in range(FEED_LENGTH + 2):
        site.add_post(f"Post {number}")
    titles = [entry.findtext(f"{ATOM}title") for entry in read(visitor).findall(f"{ATOM}entry")]
    assert len(titles) == FEED_LENGTH
    assert titles[0] == f"Post {FEED_LENGTH + 1}"


def test_an_entry_keeps_its_id(site: Site, visitor: Visitor) -> None:
    """A reader knows a post again after a new title."""
    author = site.member("ann", Role.AUTHOR)
    slug = site.add_post("Before")
    before = read(visitor).findtext(f"{ATOM}entry/{ATOM}id")
    author.edit(slug, {"title": "After", "body": "x", "intent": "save"})
    feed = read(visitor)
    assert feed.findtext(f"{ATOM}entry/{ATOM}title") == "After"
    assert feed.findtext(f"{ATOM}entry/{ATOM}id") == before


def test_control_characters_do_not_break_the_feed(site: Site, visitor: Visitor) -> None:
    """What XML cannot hold never gets into a post."""
    author = site.member("ann", Role.AUTHOR)
    data = {"title": "a\x00\x0b\ufffeb", "body": "x\x1f\x08 y\ud7ff", "intent": "publish"}
    assert author.post("/write", data).status_code == 303
    assert read(visitor).findtext(f"{ATOM}entry/{ATOM}title") == "ab"


def test_addresses_come_from_the_platform_not_the_host(site: Site, visitor: Visitor) -> None:
    """A forged Host puts no foreign address into the feed or the canonical link (R9)."""
    site.add_member()
    site.add_post("Hello")
    for path in ("/feed.xml", "/", "/posts/hello"):
        text = visitor.client.get(path, base_url="http://evil.test").text
        assert "evil.test" not in text


def test_the_feed_can_be_kept(visitor: Visitor) -> None:
    """A reader that has the newest version is told so."""
    answer = visitor.get("/feed.xml")
    assert "public" in answer.headers["Cache-Control"]
    again = visitor.get("/feed.xml", headers={"If-None-Match": answer.headers["ETag"]})
    assert again.status_code == 304


@pytest.mark.parametrize("name", ["Control \x01 name", "R&D <x>"])
def test_the_sites_name_does_not_break_the_feed(tmp_path: Path, name: str) -> None:
    """The feed is well-formed whatever the owner calls the site."""
    site = make_site(tmp_path, settings={"tagline": name})
    feed = read(site.visitor())
    site.close()
    assert feed.findtext(f"{ATOM}subtitle") == name.replace("\x01", "").replace("  ", " ")


def test_the_json_feed_says_the_same(site: Site, visitor: Visitor) -> None:
    """It keeps to version 1.1, has the same ids as the Atom feed, and changes with each post."""
    empty = visitor.get("/feed.json")
    assert empty.content_type == "application/feed+json; charset=utf-8"
    assert json.loads(empty.text)["items"] == []
    author = site.member("ann", Role.AUTHOR)
    text = {"title": "Zoë & <b>", "body": "**bold** </script>", "tags": "One, two"}
    author.post("/write", {**text, "intent": "publish"})
    feed = json.loads(visitor.get("/feed.json").text)
    (entry,) = read(visitor).findall(f"{ATOM}entry")
    assert feed["version"] == "https://jsonfeed.org/version/1.1"
    assert feed["feed_url"] == "http://acme.example.test/feed.json"
    assert feed["home_page_url"] == "http://acme.example.test/"
    (item,) = feed["items"]
    assert item["id"] == entry.findtext(f"{ATOM}id")
    assert item["url"] == _links(entry)["alternate"]
    assert item["title"] == "Zoë & <b>"
    assert item["content_html"] == entry.findtext(f"{ATOM}content")
    assert item["date_published"] == entry.findtext(f"{ATOM}published")
    assert item["authors"] == [{"name": "ann"}]
    assert item["tags"] == ["One", "two"]
    assert 'href="/feed.json"' in visitor.get("/").text
