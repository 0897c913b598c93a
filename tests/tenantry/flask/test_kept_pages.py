"""What a worker keeps of pages, and who gives some up."""

from __future__ import annotations

import pytest

from tenantry.flask.kept_pages import LARGEST, SHARE, KeptPage, KeptPages

ROOM = 2**20
PAGE = KeptPage(b"x" * 1000, (("Content-Type", "text/html"),))


def keep(pages: KeptPages, tenant: str, count: int, *, content: int = 1, first: int = 0) -> None:
    """Keep so many pages of a tenant."""
    for number in range(first, first + count):
        pages.keep(tenant, content, number, PAGE)


def kept(pages: KeptPages, tenant: str, count: int, *, content: int = 1) -> int:
    """Return how many of a tenant's pages are there."""
    return sum(pages.find(tenant, content, number) is not None for number in range(count))


def test_a_page_is_found_with_the_content_it_was_made_of() -> None:
    """Neither an older nor a newer content, nor another tenant's, will do."""
    pages = KeptPages(ROOM)
    keep(pages, "acme", 1)
    assert pages.find("acme", 1, 0) is PAGE
    assert pages.find("acme", 2, 0) is None
    assert pages.find("globex", 1, 0) is None


def test_a_new_content_frees_the_room_of_the_old_one() -> None:
    """What can never be served again takes no memory."""
    pages = KeptPages(ROOM)
    keep(pages, "acme", 20)
    keep(pages, "acme", 1, content=2)
    assert pages.size == PAGE.size
    assert kept(pages, "acme", 20) == 0


def test_one_site_has_its_share_and_no_more() -> None:
    """A flood of addresses removes the site's own pages, the least recently used first."""
    pages = KeptPages(ROOM)
    keep(pages, "acme", 10)
    assert pages.find("acme", 1, 0) is PAGE
    keep(pages, "acme", 100, first=10)
    assert pages.size <= ROOM // SHARE
    pages = KeptPages(ROOM)
    most = ROOM // SHARE // PAGE.size
    keep(pages, "acme", most)
    assert pages.find("acme", 1, 0) is PAGE
    keep(pages, "acme", 1, first=most)
    assert pages.find("acme", 1, 0) is PAGE
    assert pages.find("acme", 1, 1) is None


def test_a_greedy_site_pushes_out_only_itself_or_a_greedier_one() -> None:
    """When all the room is taken, the site with the most gives up some."""
    pages = KeptPages(ROOM)
    keep(pages, "small", 3)
    for number in range(SHARE + 4):
        keep(pages, f"greedy-{number}", 1000)
    assert pages.size <= ROOM
    assert kept(pages, "small", 3) == 3


def test_many_sites_stay_within_the_room() -> None:
    """A site that has given up its last page is forgotten."""
    pages = KeptPages(ROOM)
    for number in range(3000):
        keep(pages, f"site-{number}", 1)
    assert pages.size <= ROOM
    assert f"{ROOM // PAGE.size} of {ROOM // PAGE.size} sites" in repr(pages)


@pytest.mark.parametrize("room", [0, ROOM])
def test_what_is_too_large_is_not_kept(room: int) -> None:
    """One page is not worth all the others of its site."""
    pages = KeptPages(room)
    pages.keep("acme", 1, "large", KeptPage(b"x" * (ROOM // SHARE // LARGEST), ()))
    assert pages.size == 0
    assert pages.find("acme", 1, "large") is None


def test_a_page_that_is_kept_again_counts_once() -> None:
    """Two threads that render the same page at the same time do no harm."""
    pages = KeptPages(ROOM)
    keep(pages, "acme", 1)
    keep(pages, "acme", 1)
    assert pages.size == PAGE.size
