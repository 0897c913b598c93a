"""The platform's promises hold under each server that ``tenantry serve`` starts."""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tenantry.catalog import SYSTEM
from tenantry.lifecycle import Operations
from tests.live.load import Load, together, wake_all
from tests.live.served import KINDS, ServedServer
from tests.live.server import ROOT, until
from tests.live.wire import connect, exchange, header_of, pieces, status_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    New = Callable[..., ServedServer]

PROGRAM = Path(sys.executable).with_name("tenantry")
SLUGS = ("acme", "globex", "initech")
MIB = 1024 * 1024
NO_CHUNKS = {"granian"}
"""Servers that cannot tell a chunked body that was cut off from a whole one: 411."""

LIMITS = {"TENANTRY_LIMIT_BODY_MB": "2"}


@pytest.fixture(scope="module", params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    """Return the name of a server."""
    name: str = request.param
    return name


@pytest.fixture(scope="module")
def server(kind: str, folder: Path) -> Iterator[ServedServer]:
    """Return a server that the tests share and leave as they found it."""
    base = Path(tempfile.mkdtemp(prefix=f"{kind}-", dir=folder))
    with ServedServer.prepare_kind(kind, base / "odd", SLUGS, LIMITS) as running:
        yield running


@pytest.fixture
def new(kind: str, folder: Path) -> Iterator[New]:
    """Return a function that prepares (not starts) a server of the test's own."""
    made: list[ServedServer] = []

    def prepare(**env: str) -> ServedServer:
        base = Path(tempfile.mkdtemp(prefix=f"{kind}-own-", dir=folder))
        made.append(ServedServer.prepare_kind(kind, base / "odd", SLUGS[:2], env))
        return made[-1]

    yield prepare
    for one in made:
        one.end()


def receipt(body: bytes) -> str:
    """Return what the odd site says of a body."""
    return f"{len(body)} {hashlib.sha256(body).hexdigest()}"


def raw(server: ServedServer, head: str, body: bytes = b"") -> bytes:
    """Send these very bytes."""
    return exchange(server.port, head.encode("latin-1") + b"\r\n\r\n" + body)


def facts_of_all(server: ServedServer) -> dict[int, dict[str, Any]]:
    """Return what each worker tells of itself."""
    found: dict[int, dict[str, Any]] = {}

    def ask() -> bool:
        for answer in together(lambda _: server.site("acme", "/facts"), 4):
            facts = json.loads(answer.body)
            found[facts["pid"]] = facts
        return len(found) == 2

    until(ask, why="both workers answer")
    return found


def begin(server: ServedServer, path: str, slug: str = "initech") -> tuple[socket.socket, bytes]:
    """Send a request, and read the start of the answer."""
    peer = connect(server.port)
    peer.sendall(f"GET {path} HTTP/1.1\r\nHost: {slug}.localhost\r\n\r\n".encode())
    received = b""
    while not received.partition(b"\r\n\r\n")[2]:
        part = peer.recv(65536)
        assert part, received
        received += part
    return peer, received


def leases(server: ServedServer) -> int:
    """Return how many requests hold an instance, in all workers."""
    told = tell(server, "status", "--json")
    return sum(report["pool"]["leases"] for report in json.loads(told)["workers"])


def tell(server: ServedServer, *words: str) -> str:
    """Run a command beside the server, and return what it prints."""
    done = subprocess.run(
        [PROGRAM, *words],
        cwd=ROOT,
        env=server.environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


# --- routing --------------------------------------------------------------------------------------


def test_the_host_names_the_site(server: ServedServer) -> None:
    """Front page, sites and backend are where they belong."""
    assert server.site("acme", "/site").text == "acme"
    assert server.site("globex", "/site").text == "globex"
    assert server.ask("localhost").status == 200
    assert server.ask("localhost", "/backend/").status in {200, 302, 303}


def test_names_that_nobody_has(server: ServedServer) -> None:
    """A free name is 404, somebody else's domain 421."""
    assert server.site("nobody").status == 404
    assert server.ask("www.example.org").status == 421


@pytest.mark.parametrize(
    "host",
    ["a b", "acme.localhost, globex.localhost", "acme.localhost:99999", "acme..localhost", "@acme"],
)
def test_malformed_hosts_reach_no_site(server: ServedServer, host: str) -> None:
    """The gate or the server refuses them; a site never sees them."""
    response = raw(server, f"GET /site HTTP/1.1\r\nHost: {host}")
    assert status_of(response) == 400
    assert b"X-Site" not in response


def test_two_hosts_are_none(server: ServedServer) -> None:
    """Whichever of two Host headers a proxy believed, nobody is served."""
    response = raw(server, "GET /site HTTP/1.1\r\nHost: acme.localhost\r\nHost: globex.localhost")
    assert status_of(response) == 400
    assert b"X-Site" not in response


def test_no_host_is_none(server: ServedServer) -> None:
    """A request without a name is nobody's."""
    assert status_of(raw(server, "GET /site HTTP/1.0")) == 400


@pytest.mark.parametrize("path", ["/a%00b", "/a/%2e%2e/b", "/a%5cb", "/a%0d%0ab"])
def test_hostile_paths_reach_no_site(server: ServedServer, path: str) -> None:
    """NUL, dot segments, backslashes and line ends stop at the gate."""
    response = raw(server, f"GET {path} HTTP/1.1\r\nHost: acme.localhost")
    assert status_of(response) == 400
    assert b"X-Site" not in response


def test_paths_arrive_decoded(server: ServedServer) -> None:
    """What an app sees is the same under each server."""
    facts = json.loads(server.site("acme", "/facts").body)
    assert (facts["PATH_INFO"], facts["SCRIPT_NAME"]) == ("/facts", "")
    response = raw(server, "GET http://acme.localhost/site HTTP/1.1\r\nHost: acme.localhost")
    assert status_of(response) == 200
    assert header_of(response, "X-Site") == "acme"


def test_trace_is_not_allowed(server: ServedServer) -> None:
    """It would echo cookies."""
    assert server.site("acme", "/site", method="TRACE").status == 405


def test_headers_that_are_far_too_long(server: ServedServer) -> None:
    """They are refused, and the server lives on."""
    response = raw(server, f"GET /site HTTP/1.1\r\nHost: acme.localhost\r\nX-A: {'a' * 400_000}")
    assert b"X-Site" not in response
    assert server.site("acme", "/site").status == 200


# --- who asks -------------------------------------------------------------------------------------


def test_nobody_is_believed_without_a_trusted_proxy(server: ServedServer) -> None:
    """Neither the scheme nor the client nor the host is what a header says, however it is spelt."""
    headers = {
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Ssl": "on",
        "X-Forwarded-For": "192.0.2.1",
        "X_Forwarded_For": "192.0.2.2",
        "X-Forwarded-Host": "globex.localhost",
        "Forwarded": "for=192.0.2.3;proto=https",
        "X-Script-Name": "/x",
        "Script-Name": "/x",
        "Script_Name": "/x",
    }
    answer = server.site("acme", "/facts", headers=headers)
    if answer.status == 400:  # the server refuses such names by itself
        headers = {name: value for name, value in headers.items() if "_" not in name}
        answer = server.site("acme", "/facts", headers=headers)
    facts = json.loads(answer.body)
    assert facts["wsgi.url_scheme"] == "http"
    assert facts["REMOTE_ADDR"] == "127.0.0.1"
    assert facts["SCRIPT_NAME"] == ""
    assert facts["forwarded"] == []
    assert answer.get("X-Site") == "acme"


def test_a_trusted_proxy_is_believed_and_counted(new: New) -> None:
    """With one hop exactly one value counts; one more is an injection."""
    with new(TENANTRY_TRUSTED_PROXIES="1") as server:
        headers = {"X-Forwarded-For": "192.0.2.1", "X-Forwarded-Proto": "https"}
        facts = json.loads(server.site("acme", "/facts", headers=headers).body)
        assert (facts["wsgi.url_scheme"], facts["REMOTE_ADDR"]) == ("https", "192.0.2.1")
        headers["X-Forwarded-For"] = "198.51.100.1, 192.0.2.1"
        assert server.site("acme", "/facts", headers=headers).status == 400
        twice = "X-Forwarded-For: 192.0.2.1\r\nX-Forwarded-For: 192.0.2.2"
        response = raw(server, f"GET /facts HTTP/1.1\r\nHost: acme.localhost\r\n{twice}")
        assert b"X-Site" not in response


# --- bodies ---------------------------------------------------------------------------------------


UPLOAD = "POST /upload HTTP/1.1\r\nHost: acme.localhost\r\n"


@pytest.mark.parametrize("length", [0, 1, 70_000, 1_500_000])
def test_chunked_bodies_arrive_whole(server: ServedServer, length: int) -> None:
    """No byte is lost, whatever the chunks are."""
    body = random.Random(length).randbytes(length)
    handled = len(server.noted("handled"))
    if server.kind in NO_CHUNKS:
        request = f"{UPLOAD}Transfer-Encoding: chunked"
        assert status_of(raw(server, request, b"5\r\nhello\r\n0\r\n\r\n")) == 411
        assert len(server.noted("handled")) == handled
        return
    answer = server.site("acme", "/upload", method="POST", body=pieces(body, [1, 9000, 77_777]))
    assert (answer.status, answer.text) == (200, receipt(body))


def test_bodies_with_a_length_arrive_whole(server: ServedServer) -> None:
    """So do those that say how long they are."""
    body = random.Random(1).randbytes(1_500_000)
    answer = server.site("acme", "/upload", method="POST", body=body)
    assert (answer.status, answer.text) == (200, receipt(body))


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"5\r\nhel", id="inside-a-chunk"),
        pytest.param(b"5\r\nhello\r\n", id="before-the-last"),
        pytest.param(b"-5\r\nhello\r\n0\r\n\r\n", id="negative"),
        pytest.param(b"ffffffffffffffffff\r\nhello\r\n0\r\n\r\n", id="huge"),
    ],
)
def test_broken_chunks_reach_no_app(server: ServedServer, body: bytes) -> None:
    """A body that is cut off or malformed is handed to no handler."""
    handled = len(server.noted("handled"))
    with connect(server.port) as peer:
        peer.sendall(f"{UPLOAD}Transfer-Encoding: chunked\r\n\r\n".encode() + body)
        peer.shutdown(socket.SHUT_WR)
        response = b""
        try:
            while part := peer.recv(65536):
                response += part
        except ConnectionError:
            pass
    assert status_of(response) in {0, 400, 411}
    assert len(server.noted("handled")) == handled


def test_a_chunked_body_over_the_limit_is_refused(server: ServedServer) -> None:
    """What counts is what arrives."""
    handled = len(server.noted("handled"))
    with connect(server.port) as peer:
        peer.sendall(f"{UPLOAD}Transfer-Encoding: chunked\r\n\r\n".encode())
        try:
            for _ in range(3):
                peer.sendall(b"100000\r\n" + b"x" * MIB + b"\r\n")
            peer.sendall(b"0\r\n\r\n")
        except ConnectionError:
            pass
        assert status_of(peer.recv(65536)) == (411 if server.kind in NO_CHUNKS else 413)
    assert len(server.noted("handled")) == handled


def test_an_announced_body_over_the_limit_is_refused(server: ServedServer) -> None:
    """What says that it is too long need not be sent."""
    with connect(server.port) as peer:
        peer.sendall(f"{UPLOAD}Content-Length: {3 * MIB}\r\n\r\n".encode())
        assert status_of(peer.recv(65536)) == 413


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param("Content-Length: 5\r\nTransfer-Encoding: chunked", id="two-lengths"),
        pytest.param("Content-Length: +5", id="signed"),
        pytest.param("Content-Length: 5\r\nContent-Length: 6", id="two-numbers"),
        pytest.param("Transfer-Encoding: gzip", id="unknown-coding"),
        pytest.param("Transfer-Encoding : chunked", id="space-before-the-colon"),
    ],
)
def test_ambiguous_lengths_reach_no_app(server: ServedServer, headers: str) -> None:
    """What two programs could read in two ways is refused, and nothing after it is a request."""
    handled = len(server.noted("handled"))
    second = b"GET /site HTTP/1.1\r\nHost: globex.localhost\r\n\r\n"
    response = raw(server, f"{UPLOAD}{headers}", b"0\r\n\r\n" + second)
    assert status_of(response) in {0, 400, 411, 501}
    assert len(server.noted("handled")) == handled


def test_what_follows_a_body_is_no_second_request_of_another_site(server: ServedServer) -> None:
    """One connection, one answer: nothing can be smuggled behind a request."""
    second = b"GET /site HTTP/1.1\r\nHost: globex.localhost\r\n\r\n"
    response = raw(server, f"{UPLOAD}Content-Length: 5", b"hello" + second)
    assert status_of(response) == 200
    assert b"X-Site: globex" not in response
    assert b"x-site: globex" not in response


# --- answers --------------------------------------------------------------------------------------


def test_head_sends_no_body_and_ends_its_lease(server: ServedServer) -> None:
    """HEAD is GET without the content."""
    response = raw(server, "HEAD / HTTP/1.1\r\nHost: localhost")
    assert status_of(response) == 200
    assert response.partition(b"\r\n\r\n")[2] == b""
    assert status_of(raw(server, "HEAD /facts HTTP/1.1\r\nHost: acme.localhost")) == 200
    until(lambda: leases(server) == 0)


def test_headers_that_come_twice_stay_two(server: ServedServer) -> None:
    """Two cookies are two headers."""
    assert server.site("acme", "/twice").headers.get_all("Set-Cookie") == ["one=1", "two=2"]


def test_large_answers_arrive_whole(server: ServedServer) -> None:
    """Eight megabytes in pieces, to a client that reads them."""
    body = b"".join(bytes([n % 256]) * (n * 20) for n in range(900))
    assert server.site("acme", "/large").body == body


def test_an_app_that_answers_late_has_its_own_status(server: ServedServer) -> None:
    """A generator says its status and headers when its first part is asked for."""
    answer = server.site("acme", "/lazy")
    assert (answer.status, answer.body) == (418, b"short and stout")
    assert answer.get("X-Site") == "acme"


@pytest.mark.parametrize("path", ["/fail", "/fail?late=1"])
def test_an_app_that_raises_is_answered_with_the_page(server: ServedServer, path: str) -> None:
    """Also if it had begun its response; the page is whole, and the app's own head is gone."""
    answer = server.site("acme", path)
    assert answer.status == 500
    assert "</html>" in answer.text
    assert answer.get("X-Site") == ""


def test_a_stream_arrives_while_it_is_made(server: ServedServer) -> None:
    """The first part does not wait for the last one."""
    peer, received = begin(server, f"/drip?gate=stream-{server.kind}")
    with peer:
        assert b"first," in received
        assert b"last" not in received
        server.open(f"stream-{server.kind}")
        while part := peer.recv(65536):
            received += part
    assert b"last" in received
    until(lambda: leases(server) == 0)


def test_a_visitor_who_leaves_ends_the_lease(server: ServedServer) -> None:
    """The body is closed, the generator ends, the instance is given back."""
    ended = len(server.noted("flood-ended"))
    for _ in range(6):
        begin(server, "/flood")[0].close()
    until(lambda: len(server.noted("flood-ended")) == ended + 6, why="the bodies are closed")
    until(lambda: leases(server) == 0)


# --- workers --------------------------------------------------------------------------------------


def test_every_worker_sees_a_change_at_its_next_request(server: ServedServer) -> None:
    """Law 7, under each server: suspended is 403 at once, resumed is 200 at once."""
    operations = Operations(server.catalog, settings=server.settings, actor=SYSTEM)
    seen: set[tuple[str, int]] = set()
    wake_all(lambda: server.site("globex", "/site"))
    for _ in range(20):
        for operation, status in ((operations.suspend, 403), (operations.resume, 200)):
            operation("globex")
            answers = together(lambda _: server.site("globex", "/site"), 4)
            assert {answer.status for answer in answers} == {status}
            seen |= {(answer.worker, answer.status) for answer in answers}
    assert len({worker for worker, _ in seen}) == 2
    assert len(seen) == 4


def test_background_threads_live_in_each_worker_and_only_there(server: ServedServer) -> None:
    """Law 13: nothing that a fork would break is in the main process."""
    found = facts_of_all(server)
    assert set(found) == server.workers()
    for facts in found.values():
        assert {"scheduler", "reporter"} <= set(facts["threads"])
        opened = [os.path.realpath(path) for path in Path(f"/proc/{facts['pid']}/fd").iterdir()]
        assert any(path.endswith("catalog.sqlite3") for path in opened)
        parent = Path(f"/proc/{facts['pid']}/stat").read_text().rpartition(")")[2].split()[1]
        opened = [os.path.realpath(path) for path in Path(f"/proc/{parent}/fd").iterdir()]
        assert not any(path.endswith("catalog.sqlite3") for path in opened)


def test_workers_have_numbers_and_can_be_asked(server: ServedServer) -> None:
    """Each has its own, counted from 1."""
    facts = json.loads(tell(server, "status", "--json"))
    assert facts["server"]["answers"]
    assert sorted(report["worker"] for report in facts["workers"]) == [1, 2]
    assert {report["pid"] for report in facts["workers"]} == server.workers()


def test_full_sites_leave_room_and_workers_can_be_asked(new: New) -> None:
    """A site has its share of threads and no more: the surplus is 503, the neighbour is served."""
    with new() as server, ThreadPoolExecutor(12) as visitors:
        visits = [visitors.submit(server.site, "acme", "/wait?gate=full") for _ in range(12)]
        try:
            until(lambda: any(visit.done() for visit in visits), why="the surplus is refused")
            assert {visit.result().status for visit in visits if visit.done()} == {503}
            assert server.site("globex", "/site").status == 200
            assert leases(server) >= 3
        finally:
            server.open("full")
        assert {visit.result().status for visit in visits} == {200, 503}


def test_a_rate_is_counted_by_all_workers_together(new: New) -> None:
    """Two workers are not twice the limit: one request in a hundred seconds is one.

    A worker's first request of a site builds its instance, and is served in any case.
    """
    with new(TENANTRY_LIMIT_TENANT_REQUESTS="0.01") as server:
        served, refused = 0, Counter[str]()
        while len(refused) < 2 or min(refused.values()) < 3:
            answer = server.site("acme", "/site")
            if answer.status == 200:
                served += 1
            else:
                assert answer.status == 429
                refused[answer.worker] += 1
        assert served <= 3
        assert server.site("globex", "/site").status == 200


def test_a_stuck_request_ends_alone(new: New) -> None:
    """With a time limit it is 504, its instance is given back, and its worker lives on."""
    with new(TENANTRY_LIMIT_REQUEST_SECONDS="1") as server, ThreadPoolExecutor(2) as visitors:
        before = server.workers()
        stuck = [visitors.submit(server.site, "acme", "/wait?gate=never") for _ in range(2)]
        assert server.site("globex", "/site").status == 200
        answers = [visit.result() for visit in stuck]
        assert {answer.status for answer in answers} == {504}
        assert all("This page took too long" in answer.text for answer in answers)
        assert "wait_for" in server.log()  # where it was stuck
        until(lambda: leases(server) == 0)
        assert {
            answer.status for answer in together(lambda _: server.site("acme", "/site"), 8)
        } == {200}
        assert server.workers() == before


def test_a_killed_worker_is_replaced(new: New) -> None:
    """Its successor serves, has a number, and nobody takes the dead one's socket for a worker."""
    with new() as server:
        before = server.workers()
        victim = min(before)
        os.kill(victim, signal.SIGKILL)
        until(
            lambda: len(server.workers()) == 2 and victim not in server.workers(), why="a new one"
        )
        assert {answer.status for answer in together(lambda _: server.site("acme"), 8)} == {200}
        numbers = [
            report["worker"] for report in json.loads(tell(server, "status", "--json"))["workers"]
        ]
        assert sorted(numbers) == [1, 2]


def test_a_stop_lets_requests_finish(new: New) -> None:
    """Requests in progress get their answers, instances are disposed of, the exit code is 0."""
    with new() as server, ThreadPoolExecutor(2) as visitors:
        assert server.site("globex", "/site").status == 200
        visits = [visitors.submit(server.site, "acme", "/wait?gate=stop") for _ in range(2)]
        until(lambda: len(server.noted("waiting")) == 2)
        server.send(signal.SIGTERM)
        until(lambda: "Stopping after the last request" in server.log())
        server.open("stop")
        assert [visit.result().status for visit in visits] == [200, 200]
        assert server.master.wait(40) == 0
        assert sorted(server.noted("disposed")) == sorted(server.noted("built"))
        assert list((server.data / "run" / "workers").iterdir()) == []
        assert "Traceback" not in server.log()


@pytest.mark.timeout(240)
def test_a_reload_replaces_every_worker_and_costs_nothing(new: New) -> None:
    """`tenantry reload` brings new code in under each server, while visitors are served.

    Only Granian's workers have queues of their own, which end with them.
    """
    with new() as server:
        before = server.workers()
        with Load(lambda: server.site("acme", "/site"), threads=2) as load:
            until(lambda: load.count > 10)
            tell(server, "reload")
            until(
                lambda: len(server.workers()) == 2 and not before & server.workers(),
                seconds=120,
                why="both workers are new",
            )
            done = load.count
            until(lambda: load.count > done + 10)
            load.stop()
        assert load.statuses == {200}
        assert server.kind == "granian" or load.failures == []


def test_a_wrong_setting_ends_the_start(new: New) -> None:
    """The sentence stands in the log, and no server goes on without the platform."""
    server = new(TENANTRY_FACTORY="odd:nothing")
    with pytest.raises(AssertionError, match="TENANTRY_FACTORY=odd:nothing"):
        server.start()


def test_nothing_outlives_the_command(new: New) -> None:
    """Killed without a chance to clean up, it takes its server along."""
    with new() as server:
        left = server.workers()
        server.send(signal.SIGKILL)
        until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in left), why="workers end")
