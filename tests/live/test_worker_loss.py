"""A worker that is killed takes its requests in progress with it, and nothing else."""

from __future__ import annotations

import os
import signal
import sqlite3
from contextlib import closing
from itertools import count
from typing import TYPE_CHECKING

from tests.live.load import AT_ONCE, Load
from tests.live.member import Visitor
from tests.live.server import until

if TYPE_CHECKING:
    from tests.live.conftest import NewServer
    from tests.live.server import Server
    from tests.live.wire import Answer

KILLS = 4
POST = "/posts/the-spring-that-would-not-tire"


def test_no_acknowledged_write_is_lost_with_a_worker(new_server: NewServer) -> None:
    """While workers are killed under load, every comment that was acknowledged is kept."""
    with new_server() as server:
        visitor = Visitor(server, "acme")
        visitor.join()
        token = visitor.token(POST)
        numbers = count(1)
        acknowledged: list[str] = []

        def comment() -> Answer:
            text = f"remark {next(numbers)}."
            answer = visitor.send(f"{POST}/comments", {"text": text, "csrf_token": token})
            if answer.status == 303:
                acknowledged.append(text)
            return answer

        with Load(comment, threads=AT_ONCE) as load:
            for _ in range(KILLS):
                kill_one(server, load)
            until(lambda: len(acknowledged) > 50, why="enough comments are written")
        # Only those at work in the killed worker were lost, each without an answer.
        assert len(load.failures) <= KILLS * AT_ONCE
        assert load.statuses == {303}
        assert len(load.workers) >= 3

        with closing(sqlite3.connect(server.site_file("acme"))) as database:
            kept = {body for (body,) in database.execute("SELECT body FROM comment")}
            assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert set(acknowledged) - kept == set()
        assert {server.site(slug).status for slug in ("acme", "globex", "initech")} == {200}


def kill_one(server: Server, load: Load) -> None:
    """Kill a worker while it works, and wait until its successor works."""
    done = load.count
    until(lambda: load.count > done + 10, why="the load runs")
    victim = min(server.workers())
    os.kill(victim, signal.SIGKILL)
    until(
        lambda: len(server.workers()) == 2 and victim not in server.workers(),
        why="a new worker",
    )


def test_both_workers_killed_at_once_come_back(new_server: NewServer) -> None:
    """Even without any worker for a moment, the server recovers by itself."""
    with new_server() as server:
        before = server.workers()
        for worker in before:
            os.kill(worker, signal.SIGKILL)
        until(lambda: len(server.workers()) == 2 and not before & server.workers())
        assert server.site("acme").status == 200
        assert server.site("globex").status == 200
