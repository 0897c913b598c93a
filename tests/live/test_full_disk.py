"""A full disk: what would be written is refused in words, what is there is read, nothing is lost."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
from contextlib import closing
from itertools import count
from typing import TYPE_CHECKING

import pytest

from tenantry.catalog import SYSTEM
from tenantry.cli.context import setup_link
from tenantry.errors import CatalogFullError
from tenantry.settings import load_settings
from tests.disk import SmallDisk, small_disk
from tests.live.load import wake_all
from tests.live.member import PASSWORD, Visitor
from tests.live.server import Server, copy_data, make_data, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.live.wire import Answer

POST = "/posts/the-spring-that-would-not-tire"
SAID = "What you sent was not saved"


@pytest.fixture(scope="module")
def disk(folder: Path) -> Iterator[SmallDisk]:
    """Return the disk of everything: data, logs and temporary files."""
    # Room for the bodies of several requests at once, and for the logs of a busy server.
    with small_disk(folder / "disk", megabytes=48) as made:
        yield made


@pytest.fixture(scope="module")
def cramped(disk: SmallDisk, demo_data: Path) -> Iterator[Server]:
    """Return a server that has nothing but that disk. Tests leave room on it."""
    temporary = disk.path / "tmp"
    temporary.mkdir()
    server = Server(copy_data(demo_data, disk.path / "var"), env={"TMPDIR": str(temporary)})
    with server:
        yield server


def check_refusal(answer: Answer) -> None:
    """Make sure that it is a page which says that nothing was saved, and no more than that."""
    assert SAID in answer.text
    assert "Traceback" not in answer.text
    assert "sqlite" not in answer.text.lower()
    # Nobody knows when there will be room: a program must not send it again by itself.
    assert not answer.get("Retry-After")


def send_until(visitor: Visitor, token: str, status: int) -> set[str]:
    """Write comments until one is answered so; return those that were acknowledged before."""
    kept: set[str] = set()
    for number in count():
        text = f"remark {status} {number}."
        answer = visitor.send(f"{POST}/comments", {"text": text, "csrf_token": token})
        if answer.status == status:
            break
        # What finds room in the log that SQLite has on the disk already is kept.
        assert answer.status == 303
        kept.add(text)
    if status == 507:
        check_refusal(answer)
    return kept


def test_a_site_is_read_and_not_written_on_a_full_disk(cramped: Server, disk: SmallDisk) -> None:
    """Writing is 507, reading goes on, on sites that nobody had open, too; then all is as before."""
    visitor = Visitor(cramped, "acme")
    visitor.join()
    token = visitor.token(POST)
    with disk.full():
        kept = send_until(visitor, token, 507) | send_until(visitor, token, 507)
        for path in ("/", POST, "/feed.xml"):
            wake_all(lambda path=path: must(cramped.site("acme", path), 200))  # type: ignore[misc]
        wake_all(lambda: must(cramped.site("initech"), 200))
        for path in ("/", "/signin"):
            assert cramped.ask("localhost", path).status == 200
    form = {"text": "there is room", "csrf_token": token}
    until(lambda: visitor.send(f"{POST}/comments", form).status == 303)
    stranger = Visitor(cramped, "initech")
    stranger.join()
    with closing(sqlite3.connect(cramped.site_file("acme"))) as database:
        found = {body for (body,) in database.execute("SELECT body FROM comment")}
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert kept | {"there is room"} <= found
    assert cramped.site("acme", POST).text.count("remark 507") <= len(found)


def must(answer: Answer, status: int) -> Answer:
    """Return the answer, which has this status."""
    assert answer.status == status, answer.text
    return answer


def test_the_platforms_own_pages_say_it_too(cramped: Server, disk: SmallDisk) -> None:
    """What changes the catalog is 507; the same form works when there is room."""
    settings = load_settings(data_dir=cramped.data, port=cramped.port)
    account = cramped.catalog.accounts.find("owner@acme.test")
    assert account is not None
    path = "/password/" + setup_link(cramped.catalog, account, settings=settings).rsplit("/", 1)[1]
    owner = Visitor(cramped, "", host="localhost")
    form = {"password": PASSWORD, "again": PASSWORD, "csrf_token": owner.token(path)}
    with disk.full():
        with pytest.raises(CatalogFullError, match="Make room"):
            use_up_log(cramped)
        refused = owner.send(path, form)
        assert refused.status == 507, refused.text
        check_refusal(refused)
    leads_on = must(owner.send(path, form), 200)
    assert f"acme.localhost:{cramped.port}" in leads_on.text


def use_up_log(server: Server) -> None:
    """Write to the catalog until no room is left in the log that it has."""
    for number in count():
        server.catalog.audit.record("test", detail={"number": number}, by=SYSTEM)


def test_bodies_that_do_not_fit_are_refused(cramped: Server, disk: SmallDisk) -> None:
    """Large forms and chunked bodies are laid down while they come: without room, 507 and no crash."""
    part = b'--b\r\nContent-Disposition: form-data; name="f"; filename="f"\r\n\r\n'
    form = part + b"x" * 1_000_000 + b"\r\n--b--\r\n"

    def send_form() -> Answer:
        headers = {"Content-Type": "multipart/form-data; boundary=b"}
        return cramped.site("acme", "/write", method="POST", headers=headers, body=form)

    def send_chunks() -> Answer:
        return cramped.site("acme", "/write", method="POST", body=iter([b"x" * 500_000] * 2))

    for send in (send_form, send_chunks):
        # Without a token the site refuses what it has read. Each worker settles on a folder for
        # temporary files when it first needs one.
        wake_all(lambda send=send: must(send(), 400))  # type: ignore[misc]
        with disk.full():
            answer = send()
            assert answer.status == 507, answer.text
            check_refusal(answer)


def test_workers_and_logs_survive_a_full_disk(cramped: Server, disk: SmallDisk) -> None:
    """Nothing that cannot be noted ends the server; a killed worker comes back; logs go on later."""
    with disk.full():
        before = cramped.workers()
        os.kill(min(before), signal.SIGKILL)
        until(lambda: len(cramped.workers()) == 2 and cramped.workers() != before)
        for slug in ("acme", "globex", "initech"):
            wake_all(lambda slug=slug: must(cramped.site(slug), 200))  # type: ignore[misc]

    def is_logged() -> bool:
        assert cramped.site("acme", "/later").status == 404
        return any(line.startswith("{") and '"/later"' in line for line in cramped.access_lines())

    until(is_logged)
    assert cramped.log().count('"the access log cannot be written') <= 2 * 2
    assert "Logging error" not in cramped.log()


def test_neighbours_on_another_disk_notice_nothing(folder: Path) -> None:
    """Where a placement's folder is full, its tenants are 507; all others write as before."""
    with small_disk(folder / "sites") as sites:
        databases = {"local": "sqlite", "other": f"sqlite:///{sites.path}"}
        data = folder / "roomy" / "var"
        make_data(data, ("acme", "globex"), databases=databases, homes={"acme": "other"})
        env = {"TENANTRY_DATABASES": json.dumps(databases)}
        with Server(data, env=env) as server:
            visitor, neighbour = Visitor(server, "acme"), Visitor(server, "globex")
            visitor.join()
            token = visitor.token(POST)
            with sites.full():
                send_until(visitor, token, 507)
                wake_all(lambda: must(server.site("acme"), 200))
                neighbour.join()
            until(lambda: not send_until(visitor, token, 303))
