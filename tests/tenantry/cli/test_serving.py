"""``tenantry serve``, ``run`` and ``reload``, with real servers."""

from __future__ import annotations

import http.client
import os
import pty
import shutil
import signal
import socket
import subprocess
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.tenantry.cli.conftest import HERE, PROGRAM, SECONDS, until

if TYPE_CHECKING:
    from tests.tenantry.cli.conftest import Desk


@pytest.fixture
def shop(ready: Desk, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """Return a prepared folder with a tiny application instead of the platform."""
    shutil.copy(HERE / "dispatch.py", ready.folder)
    monkeypatch.setenv("TENANTRY_APPLICATION", "dispatch:application")
    return ready


def ask(port: int, path: str = "/", *, host: str = "localhost") -> tuple[int, str]:
    """Return the answer to a request."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS)
    try:
        connection.request("GET", path, headers={"Host": f"{host}:{port}"})
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def listens(port: int) -> bool:
    """Say whether somebody listens there."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def descendants(pid: int) -> list[int]:
    """Return the processes that a process has started, and theirs."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [found for child in map(int, children) for found in (child, *descendants(child))]


def is_alive(pid: int) -> bool:
    """Say whether a process runs; one that only waits to be collected does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def serve(desk: Desk, *options: str) -> subprocess.Popen[str]:
    """Start ``tenantry serve`` and wait until it says that it runs."""
    process = desk.start(*options, "serve")
    until(lambda: "Ctrl-C stops it" in desk.log or process.poll() is not None, why=lambda: desk.log)
    assert process.poll() is None, desk.log
    return process


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_serves_until_told_to_stop(shop: Desk, free_port: int, number: signal.Signals) -> None:
    """It says where everything is, and ends without a trace: code 0, no traceback, no process."""
    shop.done("tenant", "create", "acme", "--name", "Acme")
    process = serve(shop)
    assert ask(free_port) == (200, f"localhost:{free_port} / 4")
    assert f"http://acme.localhost:{free_port}/  Acme" in shop.log
    until(lambda: f"http://localhost:{free_port}/password/" in shop.log)
    left = descendants(process.pid)
    process.send_signal(number)
    assert process.wait(SECONDS) == 0, shop.log
    assert "Traceback" not in shop.log
    assert not any(map(is_alive, left))
    assert not listens(free_port)


def test_a_module_of_the_same_name_shadows_nothing(ready: Desk, free_port: int) -> None:
    """The platform is served from any folder, without an uwsgi.ini, whatever lies in it."""
    (ready.folder / "dispatch.py").write_text("raise RuntimeError('this is not the platform')\n")
    (ready.folder / "tenants").mkdir()
    (ready.folder / "tenants" / "__init__.py").write_text("raise RuntimeError('no site')\n")
    (ready.folder / "flask_bootstrap.py").write_text("raise RuntimeError('one of two packages')\n")
    ready.done("tenant", "create", "acme", "--name", "Acme")
    serve(ready)
    status, page = ask(free_port)
    assert (status, "Tenantry" in page) == (200, True)
    assert ask(free_port, host="acme.localhost")[0] == 200
    assert ask(free_port, "/backend/")[0] == 302  # to its page for signing in
    done = ready.call("reload", "--check")
    assert (done.returncode, done.stderr) == (0, "")


def test_a_project_s_own_tenants_are_its_sites(ready: Desk, free_port: int) -> None:
    """A package `tenants` beside the server is the project's, not the site that comes with us."""
    (ready.folder / "tenants").mkdir()
    (ready.folder / "tenants" / "__init__.py").write_text(
        "from flask import Flask\n"
        "def create_app():\n"
        "    app = Flask(__name__)\n"
        "    app.get('/')(lambda: 'the own site')\n"
        "    return app\n"
    )
    done = ready.call("--app", "tenants:create_app", "tenant", "create", "acme", "--name", "Acme")
    assert done.returncode == 0, done.stderr
    serve(ready, "--app", "tenants:create_app")
    assert ask(free_port, host="acme.localhost") == (200, "the own site")


def test_a_package_with_the_name_of_ours_is_refused(ready: Desk) -> None:
    """It would answer on the apex, or its project would get ours; the sentence names its folder."""
    folder = ready.folder / "frontend_app"
    folder.mkdir()
    (folder / "__init__.py").touch()
    done = ready.call("reload", "--check")
    assert done.returncode == 1
    assert f"{folder}: Tenantry has a package of the name frontend_app itself" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_bare_loopback_address_leads_to_the_name(ready: Desk, free_port: int) -> None:
    """Who types 127.0.0.1 into the browser arrives at the front page."""
    serve(ready)
    connection = http.client.HTTPConnection("127.0.0.1", free_port, timeout=SECONDS)
    with closing(connection):
        connection.request("GET", "/backend/?next=1")
        answer = connection.getresponse()
    assert answer.status == 307
    assert answer.headers["Location"] == f"http://localhost:{free_port}/backend/?next=1"


def test_a_shorter_queue_is_asked_for_where_the_kernel_allows_no_longer_one(
    shop: Desk, free_port: int, tmp_path: Path
) -> None:
    """With net.core.somaxconn below 128 the server starts all the same, and says so."""
    script = 'echo 64 > /proc/sys/net/core/somaxconn && ip link set lo up && exec "$0" "$@"'
    inside = ["unshare", "--net", "sh", "-c", script]
    if subprocess.run([*inside, "true"], check=False, capture_output=True).returncode:
        pytest.skip("this user cannot make a network with a limit of its own")
    log = tmp_path / "log"
    with log.open("w") as file:
        process = subprocess.Popen(
            [*inside, PROGRAM, "serve"], cwd=shop.folder, stdout=file, stderr=file, text=True
        )
    shop.started.append(process)
    until(lambda: "Ctrl-C stops it" in shop.log or process.poll() is not None, why=lambda: shop.log)
    assert process.poll() is None, shop.log
    assert "the kernel lets 64 connections wait (net.core.somaxconn), not 128" in shop.log


def test_closing_the_terminal_stops_the_server(shop: Desk, free_port: int) -> None:
    """The kernel tells the session's leader alone; if that is make, it waits and says nothing."""
    (shop.folder / "Makefile").write_text(f"run:\n\t@exec {PROGRAM} serve >log 2>&1\n")
    leader, terminal = pty.openpty()

    process = subprocess.Popen(
        ["setsid", "--ctty", "make", "run"],
        cwd=shop.folder,
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        text=True,
    )
    shop.started.append(process)
    os.close(terminal)
    until((shop.folder / "log").exists)
    until(lambda: "Ctrl-C stops it" in shop.log or process.poll() is not None, why=lambda: shop.log)
    left = descendants(process.pid)
    assert len(left) == 5  # what serves, a master, two workers and a job worker
    os.close(leader)
    try:
        until(lambda: not any(map(is_alive, left)), why=lambda: shop.log)
    finally:
        for pid in filter(is_alive, left):
            os.kill(pid, signal.SIGKILL)
    assert not listens(free_port)
    assert "Traceback" not in shop.log


def test_last_request_is_finished(shop: Desk, free_port: int) -> None:
    """Whoever is being served when Ctrl-C comes gets the whole answer."""
    process = serve(shop)
    with ThreadPoolExecutor(1) as threads:
        answer = threads.submit(ask, free_port, "/slow")
        until((shop.folder / "asked").exists)
        process.send_signal(signal.SIGINT)
        assert answer.result()[0] == 200
    assert process.wait(SECONDS) == 0


def test_server_does_not_outlive_the_command(shop: Desk, free_port: int) -> None:
    """Killed without a chance to clean up, the command takes its server along."""
    process = serve(shop)
    left = descendants(process.pid)
    assert len(left) == 4  # a master, two workers and a job worker
    process.kill()
    until(lambda: not any(map(is_alive, left)) and not listens(free_port))


def test_stop_while_it_starts(shop: Desk, free_port: int) -> None:
    """Ctrl-C does not wait for a server that serves nobody yet."""
    with (shop.folder / "dispatch.py").open("a") as file:
        file.write("Path('loading').touch()\ntime.sleep(60)\n")
    process = shop.start("serve")
    until((shop.folder / "loading").exists, why=lambda: shop.log)
    left = descendants(process.pid)
    process.send_signal(signal.SIGINT)
    assert process.wait(SECONDS) == 0, shop.log
    until(lambda: not any(map(is_alive, left)))


def test_port_in_use_is_one_line(shop: Desk, free_port: int) -> None:
    """Nothing is started where somebody else listens, and the remedy is named."""
    with socket.create_server(("127.0.0.1", free_port)):
        line = shop.refused("serve")
    assert f"TENANTRY_PORT={free_port}" in line
    assert f"make run PORT={free_port + 1}" in line


def test_address_of_another_machine_is_one_line(
    shop: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So is an address that is not here."""
    monkeypatch.setenv("TENANTRY_BIND", "192.0.2.1")
    assert "TENANTRY_BIND=192.0.2.1: " in shop.refused("serve")


@pytest.mark.parametrize("command", ["serve", "run"])
def test_nothing_is_served_before_init(desk: Desk, command: str) -> None:
    """Keys and catalog are looked for before anything starts."""
    assert "run `tenantry init`" in desk.refused(command)


def test_broken_application_ends_the_start(shop: Desk) -> None:
    """What cannot be loaded ends the command with code 1, its traceback above."""
    (shop.folder / "dispatch.py").write_text("raise RuntimeError('nothing works')\n")
    done = shop.call("serve")
    assert done.returncode == 1
    assert "nothing works" in done.stdout + done.stderr
    assert done.stderr.splitlines()[-1].startswith("Error: The server did not start")


def test_env_file_counts_for_the_server_too(
    shop: Desk, free_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """uwsgi.ini knows only the environment; what .env says is handed on."""
    monkeypatch.delenv("TENANTRY_PORT")
    (shop.folder / ".env").write_text(f"TENANTRY_PORT={free_port}\nTENANTRY_THREADS=3\n")
    serve(shop)
    assert ask(free_port) == (200, f"localhost:{free_port} / 3")


def test_reload_brings_new_code(shop: Desk, free_port: int) -> None:
    """After a reload the server answers with what is on the disk now."""
    serve(shop)
    code = (shop.folder / "dispatch.py").read_text()
    (shop.folder / "dispatch.py").write_text(code.replace('" ".join(shown)', '"new"'))
    done = shop.call("reload")
    assert (done.returncode, done.stderr) == (0, "")
    until(lambda: ask(free_port) == (200, "new"), why=lambda: shop.log)


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        pytest.param("import nothing_like_it\n", "ModuleNotFoundError", id="import"),
        pytest.param("application = \n", "SyntaxError", id="syntax"),
        pytest.param("import os\nos._exit(0)\n", "exit code 0", id="exits"),
        pytest.param(
            "from tenantry.errors import FactoryError\nraise FactoryError('a:b', 'is gone')\n",
            "TENANTRY_FACTORY=a:b: is gone. The old",
            id="deliberate",
        ),
    ],
)
def test_reload_of_broken_code_changes_nothing(shop: Desk, code: str, sentence: str) -> None:
    """Code that cannot be loaded is refused before the server hears of it."""
    (shop.folder / "dispatch.py").write_text(code)
    stamp = shop.folder / "var" / "run" / "reload"
    os.utime(stamp, (1, 1))
    done = shop.call("reload")
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert last.startswith("Error: The new code does not work: ")
    assert sentence in last
    assert last.endswith("The old code keeps serving.")
    assert stamp.stat().st_mtime == 1


def test_reload_asks_front_page_and_backend(shop: Desk) -> None:
    """Code that loads but answers 5xx is refused too."""
    (shop.folder / "ill").touch()
    done = shop.call("reload")
    assert done.returncode == 1
    assert "/backend/ answers 503" in done.stderr


def test_reload_asks_as_the_proxies_would(shop: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """The gate refuses requests without the trusted proxies' headers; the question has them."""
    (shop.folder / "picky").touch()
    assert shop.call("reload", "--check").returncode == 1
    monkeypatch.setenv("TENANTRY_TRUSTED_PROXIES", "2")
    assert shop.call("reload", "--check").returncode == 0


def test_reload_can_only_look(shop: Desk) -> None:
    """With --check nothing is told to the server."""
    stamp = shop.folder / "var" / "run" / "reload"
    os.utime(stamp, (1, 1))
    done = shop.call("reload", "--check")
    assert (done.returncode, done.stdout) == (0, "The new code works.\n")
    assert stamp.stat().st_mtime == 1


def test_development_server(shop: Desk, free_port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """It serves the application of the working folder on the port that was asked for."""
    monkeypatch.setenv("TENANTRY_PORT", "1")
    shop.start("run", "--port", str(free_port), "--no-reload")
    until(lambda: listens(free_port), why=lambda: shop.log)
    assert ask(free_port)[0] == 200
    assert f"http://localhost:{free_port}/" in shop.log


def test_development_server_lives_through_a_mistake(shop: Desk, free_port: int) -> None:
    """Code that cannot be loaded is shown by the debugger, and served once it is right."""
    good = (shop.folder / "dispatch.py").read_text()
    (shop.folder / "dispatch.py").write_text("raise RuntimeError('half typed')\n")
    process = shop.start("run")
    until(lambda: listens(free_port), why=lambda: shop.log)
    status, page = ask(free_port)
    assert (status, "half typed" in page, "EVALEX" in page) == (500, True, True)
    (shop.folder / "dispatch.py").write_text(good)

    def is_right() -> bool:
        try:
            return ask(free_port)[0] == 200
        except (OSError, http.client.HTTPException):
            return False  # it is starting again

    until(is_right, why=lambda: shop.log)
    left = descendants(process.pid)
    for pid in left:
        os.kill(pid, signal.SIGTERM)
    process.terminate()
    process.wait(SECONDS)
    until(lambda: not any(map(is_alive, left)))


@pytest.mark.parametrize(
    "bind",
    [
        pytest.param("0.0.0.0", id="everybody"),  # noqa: S104 - refused
        pytest.param("[::]", id="everybody by IPv6"),
        pytest.param("192.0.2.1", id="a network"),
        pytest.param("example.com", id="a name"),
    ],
)
def test_debugger_is_for_this_machine(
    shop: Desk, bind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever reaches the debugger runs code: no other machine may."""
    monkeypatch.setenv("TENANTRY_BIND", bind)
    assert "can run any code" in shop.refused("run")


def test_debugger_never_runs_under_uwsgi(shop: Desk) -> None:
    """Inside uWSGI there is a module of that name, and then there is no debugger."""
    (shop.folder / "uwsgi.py").touch()
    done = shop.call("run")
    assert (done.returncode, done.stderr) == (
        1,
        "Error: The development server does not run under uWSGI.\n",
    )
