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
    from collections.abc import Iterator, Mapping

LOOPBACK = "127.0.0.1"
START_SECONDS = 30
STOP_SECONDS = 10
BIN = Path(sys.executable).parent


@dataclass(frozen=True, slots=True)
class Server:
    """A running server: where it listens, and the process that leads its group."""

    port: int
    master: int

    def cpu_seconds(self) -> float:
        """Return the processor time that its processes have used since they were started."""
        ticks = 0
        for stat in Path("/proc").glob("[0-9]*/stat"):
            with suppress(OSError):
                # What follows the name: state, parent, group, ... utime and stime are 11 and 12.
                fields = stat.read_text().rpartition(")")[2].split()
                if int(fields[2]) == self.master:
                    ticks += int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK")


def clean_environment(**ours: str) -> dict[str, str]:
    """Return this process's environment with none but *our* settings of the platform."""
    others = {key: value for key, value in os.environ.items() if not key.startswith("TENANTRY_")}
    return {**others, **ours}


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
            # uWSGI closes after each answer without saying so, which wrk takes for an error.
            [BIN / "uwsgi", "--ini", ini, "--add-header", "Connection: close"],
            cwd=folder,
            env={**environment, "TENANTRY_PORT": str(port)},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        _wait_for(process, port=port, host=host, log=log)
        yield Server(port, process.pid)
    finally:
        _end(process)


def fetch(port: int, *, host: str, path: str = "/") -> tuple[int, int, bytes]:
    """Return an answer's status, the octets of all of it, and its body."""
    with socket.create_connection((LOOPBACK, port), timeout=10) as peer:
        peer.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        received = b"".join(iter(lambda: peer.recv(65536), b""))
    head, _, body = received.partition(b"\r\n\r\n")
    return int(head.split(maxsplit=2)[1]), len(received), body


def _wait_for(process: subprocess.Popen[bytes], *, port: int, host: str, log: Path) -> None:
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


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(STOP_SECONDS)
    with suppress(ProcessLookupError):  # the group may outlive its master, and it is ours alone
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(STOP_SECONDS)
