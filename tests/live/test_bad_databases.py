"""A site whose database is broken, gone or read-only: its own page says so, the others serve on."""

from __future__ import annotations

import os
import sqlite3
import subprocess
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

import pytest

from tests.live.load import wake_all
from tests.live.member import Visitor
from tests.live.server import until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.live.conftest import NewServer
    from tests.live.server import Server
    from tests.live.wire import Answer

POST = "/posts/the-spring-that-would-not-tire"


def take_away(file: Path) -> None:
    """Delete the database."""
    file.unlink()


def overwrite(file: Path) -> None:
    """Write garbage over the database."""
    file.write_bytes(os.urandom(8192))


def truncate(file: Path) -> None:
    """Cut the database in two."""
    os.truncate(file, file.stat().st_size // 2)


def empty(file: Path) -> None:
    """Leave a file without anything in it."""
    os.truncate(file, 0)


@pytest.mark.parametrize(
    ("damage", "warm"),
    [
        pytest.param(take_away, False, id="gone"),
        pytest.param(overwrite, False, id="overwritten"),
        pytest.param(truncate, False, id="truncated"),
        pytest.param(empty, True, id="emptied-in-use"),
        pytest.param(take_away, True, id="gone-in-use"),
    ],
)
def test_a_damaged_database_closes_its_own_site_only(
    new_server: NewServer, damage: Callable[[Path], None], *, warm: bool
) -> None:
    """The site says 503, the log names tenant and file, neighbours are untouched, and it recovers."""
    with new_server() as server:
        file = server.site_file("acme")
        if warm:
            wake_all(lambda: server.site("acme"))
        good = file.read_bytes()
        with set_aside(file):
            damage(file)
            # Only a file that is emptied under an open connection may be remembered by it.
            workers = wake_all(lambda: closed_or_remembered(server, warm=warm and damage is empty))
            assert len(workers) == 2
            for slug in ("globex", "initech"):
                assert server.site(slug).status == 200
            if damage is not empty:
                tenant = server.catalog.tenants.get("acme")
                lines = [line for line in server.log().splitlines() if tenant.id in line]
                assert any(str(file) in line and '"error"' in line for line in lines)
            if damage is not take_away:
                file.unlink()
            # As a backup is restored: the whole file at once, under its name.
            restored = file.with_name("restored")
            restored.write_bytes(good)
            restored.replace(file)
        until(
            lambda: all(server.site("acme").status == 200 for _ in range(8)),
            why="it recovers by itself",
        )
        with closing(sqlite3.connect(file)) as database:
            assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def closed_or_remembered(server: Server, *, warm: bool) -> Answer:
    """Ask the damaged site; an instance that has the file open may still know its pages."""
    answer = server.site("acme")
    assert answer.status in ({200, 503} if warm else {503})
    if answer.status == 503:
        assert "Acme Workshop" in answer.text  # the site's own page
        assert answer.get("Retry-After")
        assert "sqlite" not in answer.text.lower()
        assert "Traceback" not in answer.text
    return answer


@contextmanager
def set_aside(file: Path) -> Iterator[None]:
    """Remove SQLite's side files, which belong to the file that is about to be damaged."""
    for suffix in ("-wal", "-shm"):
        file.with_name(file.name + suffix).unlink(missing_ok=True)
    yield


SIDES = ("", "-wal", "-shm")


def test_nothing_is_acknowledged_into_a_deleted_file(new_server: NewServer) -> None:
    """A worker that still has a deleted database open confirms no comment that would vanish."""
    with new_server() as server:
        visitor, token = commenter(server)
        file = server.site_file("acme")
        for side in SIDES:
            file.with_name(file.name + side).unlink(missing_ok=True)
        answers = comment(visitor, token, "lost")
        assert set(answers.values()) == {503}
        assert not file.exists(), "nobody made an empty site of it"
        assert server.site("globex").status == 200


def test_comments_go_into_the_file_that_was_put_back(new_server: NewServer) -> None:
    """After a restore by rename every acknowledged comment is in the new file, not in the old one."""
    with new_server() as server:
        visitor, token = commenter(server)
        file = server.site_file("acme")
        with (
            closing(sqlite3.connect(file)) as live,
            closing(sqlite3.connect(f"{file}.new")) as copy,
        ):
            live.backup(copy)
        for side in SIDES[1:]:
            file.with_name(file.name + side).unlink(missing_ok=True)
        file.with_name(f"{file.name}.new").replace(file)
        answers = comment(visitor, token, "restored")
        assert set(answers.values()) == {303}
        with closing(sqlite3.connect(file)) as database:
            kept = {body for (body,) in database.execute("SELECT body FROM comment")}
            assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert set(answers) - kept == set()


def commenter(server: Server) -> tuple[Visitor, str]:
    """Return a member with a token, after every worker has opened the site's database."""
    visitor = Visitor(server, "acme")
    visitor.join()
    token = visitor.token(POST)
    wake_all(lambda: server.site("acme"))
    return visitor, token


def comment(visitor: Visitor, token: str, word: str) -> dict[str, int]:
    """Write comments until both workers have answered; return each with its status."""
    answers: dict[str, int] = {}
    workers: set[str] = set()
    while len(workers) < 2 or len(answers) < 10:
        text = f"{word} {len(answers)}"
        answer = visitor.send(f"{POST}/comments", {"text": text, "csrf_token": token})
        answers[text] = answer.status
        workers.add(answer.worker)
    return answers


@contextmanager
def read_only(file: Path) -> Iterator[None]:
    """Forbid writing to the file for real, for root too."""
    if os.geteuid() == 0:
        subprocess.run(["chattr", "+i", str(file)], check=True)
    else:
        file.chmod(0o400)
    try:
        yield
    finally:
        if os.geteuid() == 0:
            subprocess.run(["chattr", "-i", str(file)], check=True)
        else:
            file.chmod(0o600)


def test_a_read_only_database_still_serves_readers(new_server: NewServer) -> None:
    """Nothing can be saved, and the site says so; reading goes on; neighbours write as before."""
    with new_server() as server:
        visitor = Visitor(server, "acme")
        visitor.join()
        token = visitor.token(POST)
        # The instances that have the file open for writing leave with the workers.
        file = server.site_file("acme")
        with read_only(file):
            before = server.workers()
            (server.data / "run" / "reload").touch()
            until(lambda: len(server.workers()) == 2 and not before & server.workers())
            refused = visitor.send(f"{POST}/comments", {"text": "no", "csrf_token": token})
            assert refused.status == 503
            assert "Nothing can be saved" in refused.text
            assert visitor.get(POST).status == 200
            tenant = server.catalog.tenants.get("acme")
            lines = [line for line in server.log().splitlines() if tenant.id in line]
            assert any(str(file) in line for line in lines)
            Visitor(server, "globex").join()
        form = {"text": "yes again", "csrf_token": token}
        until(lambda: visitor.send(f"{POST}/comments", form).status == 303)
