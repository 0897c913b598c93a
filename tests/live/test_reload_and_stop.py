"""Reloading and stopping a busy server: nobody notices the one, nobody is cut off by the other."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.live.load import AT_ONCE, Load
from tests.live.server import FACTORIES, ROOT, until
from tests.live.wire import Answer

if TYPE_CHECKING:
    from tests.live.conftest import NewOddServer, NewServer
    from tests.live.odd import OddServer


def test_a_chain_reload_under_load_costs_nothing(new_server: NewServer) -> None:
    """All workers are replaced, one after the other, while every request is answered 200."""
    with new_server() as server, Load(lambda: server.site("acme"), threads=AT_ONCE) as load:
        until(lambda: load.count > 20)
        before = server.workers()
        (server.data / "run" / "reload").touch()
        until(
            lambda: len(server.workers()) == 2 and not before & server.workers(),
            seconds=60,
            why="both workers are new",
        )
        reloaded = load.count
        until(lambda: load.count > reloaded + 20)
        load.stop()
        assert load.failures == []
        assert load.statuses == {200}
        assert len(load.workers) >= 3


def test_a_request_in_progress_outlives_its_workers_replacement(
    new_odd_server: NewOddServer,
) -> None:
    """A worker that is told to go finishes the request it is at."""
    with new_odd_server() as server:
        before = server.workers()
        slow = InProgress(server, "reload")
        (server.data / "run" / "reload").touch()
        # One worker after the other: the first may be the busy one, and the chain waits for it.
        until(lambda: "Gracefully killing worker" in server.log(), why="a worker is told to go")
        server.open("reload")
        assert slow.answer().status == 200
        until(lambda: len(server.workers()) == 2 and not before & server.workers())


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
def test_stopping_lets_requests_finish(
    new_odd_server: NewOddServer, number: signal.Signals
) -> None:
    """Requests in progress get their 200, nobody else gets an error page, the exit code is 0."""
    with new_odd_server() as server, Load(lambda: server.site("globex")) as load:
        until(lambda: load.count > 20)
        slow = [InProgress(server, "stop") for _ in range(3)]
        server.send(number)
        until(lambda: "graceful shutdown triggered" in server.log())
        load.end()
        assert server.master.poll() is None, "it waits for the requests in progress"
        server.open("stop")
        load.stop()
        assert [request.answer().status for request in slow] == [200] * 3
        assert server.master.wait(30) == 0
        # Those who come now are not served; but whoever was served was served well.
        assert load.statuses == {200}
    assert "Traceback" not in server.log()


def test_an_idle_server_stops_at_once_and_leaves_no_sockets(new_odd_server: NewOddServer) -> None:
    """SIGTERM ends an idle server with exit code 0 and without its sockets."""
    with new_odd_server() as server:
        assert server.stop() == 0
        assert not (server.data / "run" / "stats.sock").exists()


def test_sites_are_disposed_of_at_the_end(new_odd_server: NewOddServer) -> None:
    """A stopping worker closes what its instances have opened."""
    with new_odd_server() as server:
        assert server.site("acme").status == 200
        assert server.stop() == 0
        assert sorted(server.noted("disposed")) == sorted(server.noted("built"))


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("TENANTRY_ROUTING", "subdomian"),
        ("TENANTRY_SECRET_KEYS", "short"),
        ("TENANTRY_DOMAINS", "example.com"),
        ("TENANTRY_FACTORY", "tenants:create_ap"),
    ],
)
def test_a_wrong_setting_stops_the_start(new_server: NewServer, variable: str, value: str) -> None:
    """A typing mistake ends the start with a sentence that names the variable."""
    server = new_server(env={variable: value})
    with pytest.raises(AssertionError, match=variable):
        server.start()


def test_the_ini_refuses_what_it_does_not_know(new_server: NewServer) -> None:
    """A misspelt directive ends the start instead of being ignored."""
    server = new_server(options=["--sokcet-timeout", "3"])
    with pytest.raises(AssertionError):
        server.start()
    server = new_server(options=["--set", "sokcet-timeout=3"])
    with pytest.raises(AssertionError, match="sokcet-timeout"):
        server.start()


class InProgress:
    """A request that has reached its app and waits there at a gate."""

    def __init__(self, server: OddServer, gate: str) -> None:
        waiting = len(server.noted("waiting"))
        self._result: Answer | OSError | None = None
        self._server = server
        self._thread = threading.Thread(target=self._run, args=(gate,), daemon=True)
        self._thread.start()
        until(
            lambda: len(server.noted("waiting")) > waiting or self._result,
            why="the request reaches its app",
        )
        assert self._result is None, self._result

    def _run(self, gate: str) -> None:
        try:
            self._result = self._server.site("acme", f"/wait?gate={gate}")
        except OSError as error:
            self._result = error

    def answer(self) -> Answer:
        """Wait for the answer."""
        self._thread.join(30)
        assert isinstance(self._result, Answer), self._result
        return self._result


@pytest.fixture
def deployed(folder: Path) -> Path:
    """Return a folder of code from which a factory is served, apart from the tests' own."""
    path = Path(tempfile.mkdtemp(prefix="code-", dir=folder))
    shutil.copy(FACTORIES / "odd.py", path / "deployed.py")
    return path


def test_broken_code_is_not_deployed(new_odd_server: NewOddServer, deployed: Path) -> None:
    """``tenantry reload`` refuses code that does not load, and the old code keeps serving."""
    env = {"TENANTRY_FACTORY": "deployed:create_app", "PYTHONPATH": str(deployed)}
    code = deployed / "deployed.py"
    working = code.read_text()
    with new_odd_server(**env) as server:
        workers = server.workers()
        code.write_text("this is no Python\n")
        refused = tenantry_reload(server)
        assert refused.returncode == 1
        assert "old code keeps serving" in refused.stderr
        assert "SyntaxError" in refused.stderr
        assert server.workers() == workers
        assert server.site("acme", "/site").body == b"acme"

        code.write_text(working.replace("return [self.tenant.slug.encode()]", 'return [b"new"]'))
        with Load(lambda: server.site("acme", "/site")) as load:
            accepted = tenantry_reload(server)
            assert accepted.returncode == 0, accepted.stderr
            until(lambda: len(server.workers()) == 2 and not workers & server.workers())
            done = load.count
            until(lambda: load.count > done + 20)
            load.stop()
        assert load.failures == []
        assert load.statuses == {200}
        assert {load.answers[0].body, load.answers[-1].body} == {b"acme", b"new"}


def tenantry_reload(server: OddServer) -> subprocess.CompletedProcess[str]:
    """Run the command as its operator would, beside the server."""
    command = [str(Path(sys.executable).with_name("tenantry")), "reload"]
    return subprocess.run(
        command,
        cwd=ROOT,
        env=server.environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
