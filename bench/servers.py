"""Real uWSGI servers for the benchmarks: started on a free port, always ended, by their own group."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tenantry.settings import Settings

LOOPBACK = "127.0.0.1"
START_SECONDS = 120
STOP_SECONDS = 10
BIN = Path(sys.executable).parent
ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True, slots=True)
class Server:
    """A running server: where it listens, and the process that leads its group."""

    port: int
    master: int

    def cpu_seconds(self) -> float:
        """Return the processor time that its processes have used since they were started."""
        # Of what follows the name utime and stime are 11 and 12.
        ticks = sum(int(stat[11]) + int(stat[12]) for stat in self._stats().values())
        return ticks / os.sysconf("SC_CLK_TCK")

    def workers(self) -> list[int]:
        """Return the ids of the processes that take requests."""
        return [process for process in self._stats() if process != self.master]

    def _stats(self) -> dict[int, list[str]]:
        """Return what the system tells of each of its processes: state, parent, group ..."""
        found = {}
        for stat in Path("/proc").glob("[0-9]*/stat"):
            with suppress(OSError):
                fields = stat.read_text().rpartition(")")[2].split()
                if int(fields[2]) == self.master:
                    found[int(stat.parent.name)] = fields
        return found


class Meter:
    """Tells how much of the machine programs have used that are neither these servers nor we."""

    def __init__(self, *servers: Server) -> None:
        self._servers = servers
        self._began = time.monotonic()
        self._used = self._used_by_others()

    def others(self) -> float:
        """Return how many processors the others kept busy since this was made."""
        return (self._used_by_others() - self._used) / (time.monotonic() - self._began)

    def _used_by_others(self) -> float:
        user, nice, system, _idle, _waiting, hard, soft = map(
            int, Path("/proc/stat").read_text().split(maxsplit=8)[1:8]
        )
        all_used = (user + nice + system + hard + soft) / os.sysconf("SC_CLK_TCK")
        ours = sum(os.times()[:4])  # with the children that have ended
        return all_used - ours - sum(server.cpu_seconds() for server in self._servers)


def resident_mb(process: int) -> float:
    """Return the resident memory of a process in MiB."""
    pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def configure(ini: Path, *, module: str, changes: Mapping[str, str] | None = None) -> Path:
    """Write the shipped configuration, for another module than the platform's own.

    Its sockets go to a folder beside it, so that several servers can share a data folder.

    :param changes: Lines of the shipped file, and what stands in their place.
    """
    run = ini.with_suffix(".run")
    run.mkdir()
    (run / "reload").touch()
    text = (ROOT / "uwsgi.ini").read_text()
    ours = {"module = %(application)": f"module = {module}", **(changes or {})}
    for line, other in ours.items():
        if f"\n{line}\n" not in text:
            raise SystemExit(f"uwsgi.ini has no line {line!r} any more")
        text = text.replace(f"\n{line}\n", f"\n{other}\n")
    ini.write_text(text.replace("%(data_dir)/run/", f"{run}/"))
    return ini


def clean_environment(**ours: str) -> dict[str, str]:
    """Return this process's environment with none but *our* settings of the platform."""
    others = {key: value for key, value in os.environ.items() if not key.startswith("TENANTRY_")}
    return {**others, **ours}


def environment_of(settings: Settings, **ours: str) -> dict[str, str]:
    """Return the environment of a server with these settings, and *ours*.

    The limits by client and by tenant are off: all visitors come from one address, for a few sites.
    Pages are rendered, unless *ours* gives the page cache some room.
    """
    keys = [key.get_secret_value() for key in settings.secret_keys]
    ours.setdefault("TENANTRY_PAGE_CACHE_MB", "0")
    return clean_environment(
        PYTHONPATH=os.pathsep.join((str(ROOT), str(ROOT / "platform"))),
        TENANTRY_DOMAIN=settings.domain,
        TENANTRY_DATA_DIR=str(settings.data_dir),
        TENANTRY_ACCESS_LOG=settings.access_log,
        TENANTRY_SECRET_KEYS=",".join(keys),
        TENANTRY_LIMIT_CLIENT_REQUESTS="0",
        TENANTRY_LIMIT_TENANT_REQUESTS="0",
        **ours,
    )


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def serving(
    ini: Path, *, folder: Path, host: str, environment: Mapping[str, str]
) -> Iterator[Server]:
    """Run uWSGI with this configuration while the block runs.

    :param folder: The working directory, where the server's own log goes too.
    :param host: Who is asked for the front page until it is there.
    """
    port = free_port()
    log = folder / f"{ini.stem}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            # uWSGI closes after each answer without saying so, which wrk takes for an error. It is told
            # to replace no worker: a load of some seconds reaches the number of requests at which
            # both are, one soon after the other, and then nobody answers until the first has started.
            [
                *(BIN / "uwsgi", "--ini", ini, "--add-header", "Connection: close"),
                "--max-requests=0",
            ],
            cwd=folder,
            env={**environment, "TENANTRY_PORT": str(port)},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        wait_for(process, port=port, host=host, log=log)
        yield Server(port, process.pid)
    finally:
        end(process)


def fetch(
    port: int, *, host: str, path: str = "/", headers: Sequence[str] = ()
) -> tuple[int, int, bytes]:
    """Return an answer's status, the bytes of all of it, and its body.

    :param headers: Lines of the request's head, beside those that each has.
    """
    lines = [f"GET {path} HTTP/1.1", f"Host: {host}", *headers, "Connection: close", "", ""]
    with socket.create_connection((LOOPBACK, port), timeout=10) as peer:
        peer.sendall("\r\n".join(lines).encode())
        received = b"".join(iter(lambda: peer.recv(65536), b""))
    head, _, body = received.partition(b"\r\n\r\n")
    return int(head.split(maxsplit=2)[1]), len(received), body


def wait_for(process: subprocess.Popen[bytes], *, port: int, host: str, log: Path) -> None:
    """Wait until the server answers; end here if it does not."""
    deadline = time.monotonic() + START_SECONDS
    while True:
        with suppress(OSError, http.client.HTTPException, IndexError):
            if fetch(port, host=host)[0] == 200:
                return
        if process.poll() is not None or time.monotonic() > deadline:
            raise SystemExit(
                f"The server did not start:\n{log.read_text(errors='replace')[-4000:]}"
            )
        time.sleep(0.1)


def end(process: subprocess.Popen[bytes]) -> None:
    """Stop a server and its group."""
    if process.poll() is None:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(STOP_SECONDS)
    with suppress(ProcessLookupError):  # the group may outlive its master, and it is ours alone
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(STOP_SECONDS)
