"""What ``tenantry status`` shows of the running workers."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from tenantry.cli.workers import worker_parts
from tenantry.settings import get_settings
from tenantry.worker import Reporter, Survey
from tests.tenantry.cli.conftest import PROGRAM, until
from tests.tenantry.worker.sample import failure, report

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.tenantry.cli.conftest import Desk

WIDTH = 80


@pytest.fixture
def worker(ready: Desk) -> Iterator[dict[str, Any]]:
    """Let this process be the platform's only worker; return its report, to be changed."""
    told = report(pid=os.getpid())
    get_settings.cache_clear()
    reporter = Reporter(get_settings().workers_dir, lambda: told)
    reporter.start()
    yield told
    reporter.stop()


def test_no_worker_is_a_sentence_and_no_failure(ready: Desk) -> None:
    """A stopped server is nothing that status could not tell."""
    assert "No worker answers" in ready.done("status")
    facts = json.loads(ready.done("status", "--json"))
    assert facts["workers"] == []
    assert facts["silent_workers"] == []


def test_programs_get_the_whole_report(ready: Desk, worker: dict[str, Any]) -> None:
    """Whatever a worker says is in the JSON, also what this release does not know."""
    worker["of_tomorrow"] = {"new": [1, 2]}
    assert json.loads(ready.done("status", "--json"))["workers"] == [worker]


@pytest.mark.parametrize(
    "shown",
    [
        pytest.param("3/10000", id="instances"),
        pytest.param("81/768 MiB", id="memory"),
        pytest.param("2/200", id="connections"),
        pytest.param("31/16000", id="descriptors"),
        pytest.param("4.0 ms", id="collector's pause"),
        pytest.param("acme  3         2        ab12cd34  in 2 s", id="failure and next try"),
        pytest.param("ValueError: no such theme", id="problem"),
        pytest.param("46.0 ms  thread 0.1 ms, factory 45.0 ms, probe 1.0 ms", id="timed steps"),
        pytest.param("acme 300.0 ms    globex 250.0 ms  acme 50.0 ms", id="most expensive"),
        pytest.param("list in module shop", id="holder of a leak"),
    ],
)
@pytest.mark.usefixtures("worker")
def test_people_see_every_figure(ready: Desk, shown: str) -> None:
    """Each figure stands in its place."""
    assert shown in ready.done("status")


def test_what_there_is_nothing_of_is_left_out(ready: Desk, worker: dict[str, Any]) -> None:
    """A quiet worker takes two tables; empty ones would hide the others."""
    worker.update(failures=[], slowest_builds=[], expensive={}, leaks=[])
    text = ready.done("status")
    assert text.count("WORKER") == 2
    assert "Could not be built" not in text


def test_worker_of_an_older_release_is_shown(ready: Desk, worker: dict[str, Any]) -> None:
    """Figures that it does not tell count as none."""
    worker.clear()
    worker.update(pid=7, worker=1)
    assert "0/0 MiB" in ready.done("status")


def test_worker_that_tells_nothing_is_named(ready: Desk, worker: dict[str, Any]) -> None:
    """A broken report is not the same as no worker."""
    worker["pool"] = worker  # a circle is no JSON
    text = ready.done("status")
    assert f"process id {os.getpid()} does not report: its report failed" in text
    assert "No worker answers" not in text
    facts = json.loads(ready.done("status", "--json"))
    assert [silent["pid"] for silent in facts["silent_workers"]] == [os.getpid()]


def test_problem_cannot_steer_the_terminal(ready: Desk, worker: dict[str, Any]) -> None:
    """A site's exception carries what strangers wrote."""
    worker["failures"] = [failure(problem="\x1b[2Jboom\nline " + "x" * 9000)]
    text = ready.done("status")
    assert "\x1b" not in text
    assert "boom line" in text
    assert max(map(len, text.splitlines())) < 500


def test_many_failures_are_counted_and_not_all_listed(ready: Desk, worker: dict[str, Any]) -> None:
    """After a bad deploy every site fails; the page stays one."""
    worker["failures"] = [failure(slug=f"site{n}", at=n) for n in range(50)]
    text = ready.done("status")
    assert "site49" in text
    assert "site29" not in text
    assert "And 30 more" in text


def test_costs_are_added_up_over_the_workers() -> None:
    """A tenant's visitors come to all workers."""
    parts = list(worker_parts(Survey([report(worker=1), report(worker=2)])))
    tables = {part.title: part for part in parts if not isinstance(part, str)}
    assert tables["Most expensive sites"].rows[0] == (
        "acme 600.0 ms",
        "globex 500.0 ms",
        "acme 100.0 ms",
    )


def test_broken_catalog_does_not_hide_the_workers(ready: Desk, worker: dict[str, Any]) -> None:
    """When the database is down, the workers are what people look for; the exit code still tells."""
    (ready.folder / "var" / "catalog.sqlite3").write_text("no database" * 1000)
    result = ready.run("status")
    assert result.exit_code == 1
    assert "does not answer" in result.stdout
    assert "3/10000" in result.stdout
    assert result.stderr.count("\n") == 1
    result = ready.run("status", "--json")
    assert result.exit_code == 1
    facts = json.loads(result.stdout)
    assert facts["tenants"] is None
    assert facts["workers"] == [worker]


def interrupted(desk: Desk, *words: str, pages: int) -> str:
    """Run a watching command until it has shown its marker so often, then press Ctrl-C."""
    process = desk.start(*words)
    until(lambda: desk.log.count('"urls"') + desk.log.count("Front page") >= pages)
    process.send_signal(signal.SIGINT)
    assert process.wait(10) == 0
    return desk.log


def test_watching_into_a_pipe_repeats_the_page(ready: Desk, worker: dict[str, Any]) -> None:
    """Whole pages, one after the other; Ctrl-C is the end and not a failure."""
    text = interrupted(ready, "status", "--watch", "0.1", pages=3)
    assert text.count("WORKER  PID") >= 2
    assert "\x1b" not in text
    assert "Abort" not in text


def test_watching_as_json_prints_an_object_a_line(ready: Desk, worker: dict[str, Any]) -> None:
    """Programs read line by line."""
    text = interrupted(ready, "status", "--watch", "0.1", "--json", pages=3)
    lines = [json.loads(line) for line in text.splitlines()[:2]]
    assert [line["workers"] for line in lines] == [[worker], [worker]]


@pytest.mark.parametrize("words", [pytest.param([], id="once"), pytest.param(["--watch"], id="on")])
def test_terminal_of_80_columns(ready: Desk, worker: dict[str, Any], words: list[str]) -> None:
    """Figures as large as they get still fit; what is long is folded, not cut."""
    worker["pid"] = 4_194_304
    worker["pool"] = {**worker["pool"], "hits": 123_456_789, "builds": 99_999}
    worker["budget"] = {**worker["budget"], "instances": [9999, 10_000]}
    lines = on_terminal(ready, "status", *words, until_seen="module shop")
    assert [line for line in lines if len(line.rstrip()) > WIDTH] == []
    assert any(line.startswith("1       4194304  ") and "123456789" in line for line in lines)


def on_terminal(desk: Desk, *words: str, until_seen: str) -> list[str]:
    """Run the program on a terminal of 80 columns and return the lines that it draws."""
    ours, theirs = pty.openpty()
    environment = {**os.environ, "COLUMNS": str(WIDTH), "LINES": "60", "TERM": "xterm"}
    process = subprocess.Popen(
        [PROGRAM, *words],
        cwd=desk.folder,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=environment,
    )
    os.close(theirs)
    drawn = b""
    with closing(os.fdopen(ours, "rb", buffering=0)) as screen:
        while until_seen.encode() not in drawn:
            drawn += screen.read(4096)
        if "--watch" in words:  # once ends by itself; Ctrl-C would come in the middle of its end
            process.send_signal(signal.SIGINT)
        try:
            while more := screen.read(4096):
                drawn += more
        except OSError:  # the terminal's other end is closed
            pass
    process.wait(10)
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", drawn.decode())
    return text.replace("\r", "").splitlines()
