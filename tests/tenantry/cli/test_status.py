"""``tenantry status``: one look at the whole platform."""

from __future__ import annotations

import json
import socket
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING

import pytest

from tenantry.cli.health import answers
from tenantry.settings import load_settings

if TYPE_CHECKING:
    from tests.tenantry.cli.conftest import Desk


def test_status_of_a_new_platform(ready: Desk, free_port: int) -> None:
    """Every figure is there, for people and for programs."""
    ready.done("tenant", "create", "acme", "--owner", "ada@x.test")
    facts = json.loads(ready.done("status", "--json"))
    assert facts["server"] == {
        "answers": False,
        "bind": "127.0.0.1",
        "port": free_port,
        "socket": None,
    }
    assert facts["catalog"]["revision"]
    assert facts["catalog"]["epoch"] > 0
    assert facts["tenants"]["active"] == 1
    assert facts["accounts"] == {"total": 2, "operators": 1, "operable": False}
    assert facts["jobs"] == {
        **dict.fromkeys(("queued", "running", "done", "failed", "cancelled"), 0),
        "waits_s": 0.0,
        "worker_runs_here": False,
    }
    assert facts["instances"] == {"mode": "full", "kind": "full", "reason": ""}
    assert facts["data_dir"]["bytes"] > 10_000
    text = ready.done("status")
    assert "does not answer" in text
    assert "none; no job worker runs on this machine" in text
    assert "1 active" in text
    assert "run `tenantry init`" in text


def test_password_of_the_catalog_is_hidden(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Status is what people paste into tickets."""
    url = f"sqlite:///{desk.folder}/own.sqlite3"
    monkeypatch.setenv("TENANTRY_CATALOG_URL", url)
    desk.done("init", "--no-link")
    assert url in desk.done("status")


class _Well(BaseHTTPRequestHandler):
    status = 200

    def do_GET(self) -> None:
        known = self.path == "/-/health" and self.headers["Host"] == "localhost"
        self.send_response(self.status if known else 404)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class _Ill(_Well):
    status = 500


@pytest.mark.parametrize(
    ("handler", "well"), [pytest.param(_Well, True, id="well"), pytest.param(_Ill, False, id="ill")]
)
def test_answering_server_is_told_from_a_failing_one(handler: type[_Well], *, well: bool) -> None:
    """Only 200 is health; the question carries a host that the front door takes."""
    with HTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        settings = load_settings(port=server.server_port, bind="0.0.0.0")  # noqa: S104 - not bound
        assert answers(settings) is well
        thread.join()


def test_silent_server_does_not_answer() -> None:
    """Something that accepts and says nothing is given up soon."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        settings = load_settings(port=server.getsockname()[1])
        assert not answers(settings, timeout=0.1)


def test_unix_socket(desk: Desk) -> None:
    """The uwsgi protocol has no health page: accepting has to do."""
    path = desk.folder / "s"
    settings = load_settings(socket=str(path))
    assert not answers(settings)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()
        assert answers(settings)
