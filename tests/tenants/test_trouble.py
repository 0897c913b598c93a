"""Requests that fail, and databases that do."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from tenants import provision
from tenants.permissions import Role
from tests.nobody import as_nobody, open_folder
from tests.tenants.helpers import Site, make_settings, make_site

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

KINDS = ("sqlite",)  # what breaks here is files


def break_file(content: bytes | None) -> Callable[[Site], None]:
    """Return what puts other content in place of the database, or removes it."""

    def do(site: Site) -> None:
        site.close()
        for path in site.path.parent.glob("site.sqlite3*"):
            path.unlink()
        if content is not None:
            site.path.write_bytes(content)

    return do


def cut_file(site: Site) -> None:
    """Lose the second half of the database."""
    site.close()
    data = site.path.read_bytes()
    site.path.write_bytes(data[: len(data) // 2])


BREAKS = [
    pytest.param(break_file(None), id="missing"),
    pytest.param(break_file(b""), id="empty"),
    pytest.param(break_file(b"not a database " * 1000), id="garbage"),
    pytest.param(cut_file, id="truncated"),
]


@pytest.mark.parametrize("break_database", BREAKS)
def test_a_broken_database_is_a_503_until_it_is_mended(
    site: Site, caplog: pytest.LogCaptureFixture, break_database: Callable[[Site], None]
) -> None:
    """Visitors and members get a page, the log says where to look, and nothing stays broken."""
    member = site.member()
    slug = site.add_post()
    site.close()
    backup = site.path.with_name("backup")
    shutil.copy(site.path, backup)
    break_database(site)
    for visitor in (site.visitor(), member):
        for path in ("/", f"/posts/{slug}", "/feed.xml"):
            caplog.clear()
            answer = visitor.get(path)
            assert answer.status_code == 503
            assert answer.headers["Retry-After"] == "30"
            assert "This site is not available right now" in answer.text
            (record,) = [it for it in caplog.records if it.levelname == "ERROR"]
            for fact in (site.tenant.slug, site.tenant.id, str(site.path)):
                assert fact in record.getMessage()
    break_file(backup.read_bytes())(site)
    assert site.visitor().get(f"/posts/{slug}").status_code == 200
    assert member.is_signed_in()


def test_a_missing_folder_is_a_503_until_it_is_there(site: Site) -> None:
    """A site whose folder is gone is served as soon as it is provisioned again."""
    site.close()
    shutil.rmtree(site.path.parent)
    assert site.visitor().get("/").status_code == 503
    assert not site.path.parent.exists()
    provision(site.tenant, site.settings)
    assert site.visitor().get("/").status_code == 200


def test_error_pages_do_not_need_the_database(site: Site) -> None:
    """A member's 404 on a broken database is a 503, not a crash; the dressing still works."""
    member = site.member()
    break_file(b"x" * 4096)(site)
    assert member.get("/nothing").status_code == 503
    assert site.visitor().get("/nothing").status_code == 404
    for name in ("theme.css", "favicon.svg"):
        assert member.get(f"/{name}").status_code == 200


def test_one_broken_site_leaves_the_other_alone(site: Site, other_site: Site) -> None:
    """The next site does not notice."""
    break_file(b"x" * 4096)(site)
    assert site.visitor().get("/").status_code == 503
    assert other_site.visitor().get("/").status_code == 200


def test_our_own_mistakes_are_500s(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    """A bug is a page in the site's look, a traceback in the log, and no end of the session."""
    author = site.member("ann", Role.AUTHOR)
    with closing(sqlite3.connect(site.path)) as connection:
        connection.execute(
            "CREATE TRIGGER no BEFORE INSERT ON comment BEGIN SELECT RAISE(ABORT, 'bug'); END"
        )
    slug = site.add_post()
    answer = author.post(f"/posts/{slug}/comments", {"text": "x"})
    assert answer.status_code == 500
    assert "Something went wrong here" in answer.text
    assert any(record.exc_info for record in caplog.records)
    assert author.is_signed_in()


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "BREW"])
def test_methods_that_a_page_does_not_have(site: Site, method: str) -> None:
    """The answer names the methods that it has."""
    visitor = site.visitor()
    answer = visitor.client.open("/", base_url=visitor.base, method=method)
    assert answer.status_code == 405
    assert "GET" in answer.headers["Allow"]
    assert "This page cannot be used like this" in answer.text


def test_what_is_too_large(tmp_path: Path) -> None:
    """A body above the limit is refused in words."""
    site = make_site(tmp_path)
    site.app.config["MAX_CONTENT_LENGTH"] = 1000
    answer = site.visitor().client.post("/members/sign-in", data={"email": "x" * 2000})
    site.close()
    assert answer.status_code == 413
    assert "That is too large" in answer.text


@pytest.mark.parametrize("status", [400, 403, 404, 405])
def test_error_pages_have_the_sites_look(site: Site, status: int) -> None:
    """Name, theme and the way home are on every error page, and the usual headers."""
    paths: dict[int, tuple[str, str]] = {
        400: ("POST", "/members/sign-in"),
        403: ("GET", "/members/enter/x"),
        404: ("GET", "/nothing"),
        405: ("POST", "/"),
    }
    method, path = paths[status]
    visitor = site.visitor()
    answer = visitor.client.open(path, base_url=visitor.base, method=method)
    assert answer.status_code == status
    assert answer.mimetype == "text/html"
    for part in ("Acme", f"/theme.css?v={site.tenant.revision}", 'href="/"'):
        assert part in answer.text
    assert "default-src 'self'" in answer.headers["Content-Security-Policy"]


@pytest.fixture(name="open_folder")
def _open_folder() -> Iterator[Path]:
    """Return a folder that every user can reach, unlike pytest's own."""
    with open_folder() as folder:
        yield folder


def lock_file(site: Site) -> None:
    """Make the file read-only, as a careless restore does."""
    site.path.chmod(0o400)


def lock_folder(site: Site) -> None:
    """Make everything read-only while the site is in use, as a failing disk does."""
    keep = sqlite3.connect(site.path)
    keep.execute("UPDATE member SET joined_at = joined_at")
    keep.commit()
    for path in site.path.parent.iterdir():
        path.chmod(0o400)
    site.path.parent.chmod(0o500)
    _open.append(keep)


_open: list[sqlite3.Connection] = []


@pytest.mark.parametrize("lock", [lock_file, lock_folder])
def test_a_read_only_database_can_be_read(open_folder: Path, lock: Callable[[Site], None]) -> None:
    """Visitors go on reading; what cannot be saved is a 503 that says so, and harms nothing."""
    site = make_site(open_folder)
    email = site.add_member()
    slug = site.add_post()
    site.visitor().sign_in(email, "wrong")  # everything is imported while we still may
    site.close()
    lock(site)

    def use() -> list[Any]:
        visitor = site.visitor()
        paths = ("/", f"/posts/{slug}", "/feed.xml")
        before = [visitor.get(path).status_code for path in paths]
        refused = visitor.sign_in(email)
        after = [visitor.get(path).status_code for path in paths]
        said = "What you sent was not saved" in refused.text
        return [before, refused.status_code, said, after]

    answer = as_nobody(site.settings.data_dir, use)
    while _open:
        _open.pop().close()
    assert answer == [[200] * 3, 503, True, [200] * 3]


@pytest.mark.parametrize("what", ["file", "folder"])
def test_what_may_not_be_read_rests_until_it_may(open_folder: Path, what: str) -> None:
    """A site whose file or folder is closed to the server rests; the next one does not."""
    site, other = make_site(open_folder), make_site(open_folder, "globex")
    site.add_member()
    slug = site.add_post()
    for one in (site, other):
        one.visitor().get("/")  # everything is imported while we still may
        one.close()
    path = site.path if what == "file" else site.path.parent
    mode = path.stat().st_mode

    def use() -> list[Any]:
        path.chmod(0)
        visitor = site.visitor()
        closed = visitor.get(f"/posts/{slug}")
        neighbour = other.visitor().get("/").status_code
        path.chmod(mode)
        again = visitor.get(f"/posts/{slug}").status_code
        return [
            closed.status_code,
            "This site is not available right now" in closed.text,
            neighbour,
            again,
        ]

    assert as_nobody(open_folder, use) == [503, True, 200, 200]


@pytest.mark.parametrize("what", ["file", "folder"])
def test_a_link_to_the_neighbour_is_not_followed(
    site: Site, other_site: Site, caplog: pytest.LogCaptureFixture, what: str
) -> None:
    """Whoever puts one there sees nothing of the next site; the log says what stands where."""
    other_site.add_member()
    other_site.add_post("A secret of the neighbour's")
    assert site.visitor().get("/").status_code == 200
    path, other = site.path, other_site.path
    if what == "folder":
        path, other = path.parent, other.parent
    away = path.with_name("away")
    path.rename(away)
    path.symlink_to(other)
    answer = site.visitor().get("/")
    assert answer.status_code == 503
    assert "secret" not in answer.text
    assert f"{path} is a link" in caplog.text
    path.unlink()
    away.rename(path)
    assert site.visitor().get("/").status_code == 200
    assert other_site.visitor().get("/").status_code == 200


def test_settings_come_from_the_argument(tmp_path: Path) -> None:
    """A site's data is where the settings say, whatever the process's own are."""
    site = make_site(tmp_path / "here")
    assert site.path.is_relative_to(tmp_path / "here")
    assert site.path.exists()
    assert make_settings(tmp_path).tenant_dir(site.tenant.id) != site.path.parent
    site.close()
