"""Law 7: a change that has been committed is seen by every worker at its very next request."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from collections import Counter
from contextlib import closing
from typing import TYPE_CHECKING

from tenantry.catalog import SYSTEM
from tenantry.lifecycle import Operations
from tests.live.load import together, wake_all
from tests.live.server import until

if TYPE_CHECKING:
    from tests.live.conftest import NewOddServer
    from tests.live.odd import OddServer
    from tests.live.server import Server

ROUNDS = 150
AT_ONCE = 4

OTHER_PROCESS = """
import sys
from functools import partial
from tenantry.catalog import SYSTEM, open_catalog
from tenantry.lifecycle import Operations
from tenantry.settings import load_settings
settings = load_settings()
operations = Operations(open_catalog(settings), settings=settings, actor=SYSTEM)
getattr(operations, sys.argv[1])(sys.argv[2])
"""


def test_hundreds_of_changes_without_one_stale_answer(odd_server: OddServer) -> None:
    """After each of 300 changes, whichever worker is asked, the first answer is the new one."""
    seen: Counter[tuple[str, int]] = Counter()
    operations = Operations(odd_server.catalog, settings=odd_server.settings, actor=SYSTEM)
    for number in range(ROUNDS):
        for operation, status in ((operations.suspend, 403), (operations.resume, 200)):
            operation("globex")
            answers = together(lambda _: odd_server.site("globex"), AT_ONCE)
            assert {answer.status for answer in answers} == {status}, f"round {number}"
            seen.update((answer.worker, status) for answer in answers)
    workers = {worker for worker, _ in seen}
    assert len(workers) == 2
    for worker in workers:  # each was really asked, in both states
        assert seen[worker, 403] >= 10
        assert seen[worker, 200] >= 10
    assert odd_server.site("acme").status == 200


def test_another_process_changes_what_both_workers_serve(server: Server) -> None:
    """What the command line changes is served by both workers when it has returned."""
    for move, status in (("suspend", 403), ("resume", 200)):
        command = [sys.executable, "-c", OTHER_PROCESS, move, "initech"]
        env = {**server.environment, "PYTHONPATH": "platform:."}
        subprocess.run(command, env=env, check=True, timeout=60)
        workers: set[str] = set()
        while len(workers) < 2:
            answers = together(lambda _: server.site("initech"), AT_ONCE)
            assert {answer.status for answer in answers} == {status}
            workers |= {answer.worker for answer in answers}
        assert server.site("acme").status == 200


def test_every_worker_shows_a_new_front_page(server: Server) -> None:
    """Whichever worker is asked, the first answer after a save is the new page."""
    operations = Operations(server.catalog, settings=server.settings, actor=SYSTEM)
    pages = server.catalog.front_pages
    for number in range(30):
        headline = f"Headline {number}"
        operations.change_front_page({"headline": headline}, after=pages.get().revision)
        answers = together(lambda _: server.ask("localhost"), AT_ONCE)
        assert all(headline in answer.text for answer in answers), f"round {number}"


def test_a_change_without_an_announcement_is_found_by_polling(new_odd_server: NewOddServer) -> None:
    """A writer that died before it told anybody costs a few polls, in every worker."""
    with new_odd_server() as odd_server:
        workers = wake_all(lambda: odd_server.site("acme"))
        tenant = odd_server.catalog.tenants.get("acme")
        with closing(sqlite3.connect(odd_server.data / "catalog.sqlite3")) as database:
            database.execute(
                "UPDATE tenants SET state = 'suspended', revision = revision + 1 WHERE id = ?",
                (tenant.id,),
            )
            database.execute("UPDATE heads SET epoch = epoch + 1")
            database.execute(
                "INSERT INTO changes (epoch, tenant_id) SELECT epoch, ? FROM heads", (tenant.id,)
            )
            database.commit()
        suspended: set[str] = set()

        def everywhere() -> bool:
            for answer in together(lambda _: odd_server.site("acme"), AT_ONCE):
                if answer.status == 403:
                    suspended.add(answer.worker)
                else:
                    suspended.discard(answer.worker)
            return suspended == workers

        until(everywhere, seconds=10, why="both workers see the change")
        assert odd_server.site("globex").status == 200


def test_every_worker_has_its_own_scheduler(odd_server: OddServer) -> None:
    """Law 13: the background thread lives in each worker, not in the master that forked them."""
    schedulers: dict[int, int] = {}

    def ask() -> bool:
        for answer in together(lambda _: odd_server.site("acme", "/facts"), AT_ONCE):
            facts = json.loads(answer.body)
            schedulers[facts["pid"]] = facts["threads"].count("scheduler")
        return len(schedulers) == 2

    until(ask, why="both workers answer")
    assert set(schedulers) == odd_server.workers()
    assert set(schedulers.values()) == {1}
