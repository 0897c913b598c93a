"""What the platform costs a real page on a real server: the front page of the example site.

    make bench-serve                # in turn: 15 rounds of 2 s for each
    TOGETHER=1 make bench-serve     # at the same time: for a machine that others use too

The shipped uwsgi.ini runs twice, with the same processes and threads: once with the whole platform,
once with nothing but this tenant's app on the same database. wrk asks both. The last line is JSON.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from bench.servers import (
    BIN,
    LOOPBACK,
    ROOT,
    Server,
    clean_environment,
    configure,
    fetch,
    serving,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

HOST = "acme.localhost"
ROUNDS = int(os.environ.get("ROUNDS", "15"))
SECONDS = int(os.environ.get("SECONDS", "2"))
TOGETHER = bool(os.environ.get("TOGETHER"))
WARM_UP = 3
CONNECTIONS = 8  # as many as two processes with four threads answer at once
PLATFORM, BARE = "platform", "bare"

BARE_SITE = """
from tenantry.catalog import open_catalog
from tenantry.settings import get_settings
from tenants import create_app

catalog = open_catalog(get_settings())
application = create_app(catalog.tenants.get("acme"))
catalog.close()
"""

COUNTS = """
function done(summary, latency, requests)
  local e = summary.errors
  io.stderr:write(string.format(
    '{"requests":%d,"us":%d,"bytes":%d,"p50":%d,"p99":%d,"failed":%d}',
    summary.requests, summary.duration, summary.bytes,
    latency:percentile(50), latency:percentile(99),
    e.connect + e.read + e.write + e.status + e.timeout))
end
"""
"""wrk hands its counts over at the end; nothing runs per response, so that wrk stays cheap."""


def prepare(folder: Path, environment: Mapping[str, str]) -> dict[str, Path]:
    """Make the data and the two configurations, which differ in the module they load."""
    subprocess.run(
        [BIN / "tenantry", "init", "--demo", "--no-link"],
        cwd=folder,
        env=environment,
        stdout=subprocess.DEVNULL,
        check=True,
    )
    (folder / "counts.lua").write_text(COUNTS)
    (folder / "bare_site.py").write_text(BARE_SITE)
    return {
        PLATFORM: ROOT / "uwsgi.ini",
        BARE: configure(folder / "bare.ini", module="bare_site:application"),
    }


@dataclass(frozen=True, slots=True)
class Turn:
    """What one server did in one round."""

    rate: float
    """Requests per second."""
    cpu: float
    """Milliseconds of processor time that the server used for one request."""
    p50: float
    p99: float
    """Latency in milliseconds."""


def load(
    server: Server, *, seconds: int, folder: Path, size: int, headers: Sequence[str] = ()
) -> Turn:
    """Let wrk ask for so long.

    :param size: Bytes of the right answer. All of them had it, and a good status, or this ends here.
    :param headers: Lines of the requests' head, beside their ``Host``.
    """
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "-s", str(folder / "counts.lua")]
    for header in (f"Host: {HOST}", *headers):
        command += ["-H", header]
    before = server.cpu_seconds()
    result = subprocess.run(
        [*command, f"http://{LOOPBACK}:{server.port}/"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        timeout=seconds + 60,
        check=True,
    )
    cpu = server.cpu_seconds() - before
    told = json.loads(result.stderr)
    requests = told["requests"]
    stray = abs(told["bytes"] - requests * size)
    # At the end of the time each connection may be in the middle of an answer.
    if told["failed"] or not requests or stray > CONNECTIONS * size:
        raise SystemExit(f"Not every answer was the page with status 200: {told}")
    rate = requests / told["us"] * 1e6
    return Turn(rate, cpu / requests * 1000, told["p50"] / 1000, told["p99"] / 1000)


def measure(servers: Mapping[str, Server], folder: Path) -> dict[str, list[Turn]]:
    """Load both in turn; who came first comes second in the next round."""
    sizes = {}
    for name, server in servers.items():
        status, sizes[name], body = fetch(server.port, host=HOST)
        if status != 200 or b"Acme" not in body:
            raise SystemExit(f"{name}: the front page is not there (status {status})")
        load(server, seconds=WARM_UP, folder=folder, size=sizes[name])
    turns: dict[str, list[Turn]] = {name: [] for name in servers}

    def take_turn(name: str) -> Turn:
        return load(servers[name], seconds=SECONDS, folder=folder, size=sizes[name])

    for number in range(ROUNDS):
        order = sorted(servers, reverse=bool(number % 2))
        with ThreadPoolExecutor(len(order) if TOGETHER else 1) as threads:
            for name, turn in zip(order, threads.map(take_turn, order), strict=True):
                turns[name].append(turn)
    return turns


def report(turns: Mapping[str, list[Turn]]) -> dict[str, float]:
    """Print the table; return the figures."""
    print(f"{'medians':10}{'requests/s':>12}{'CPU ms':>10}{'p50 ms':>10}{'p99 ms':>10}")
    for name, taken in turns.items():
        p50, p99 = median(turn.p50 for turn in taken), median(turn.p99 for turn in taken)
        rate, cpu = median(turn.rate for turn in taken), median(turn.cpu for turn in taken)
        print(f"{name:10}{rate:12.0f}{cpu:10.3f}{p50:10.2f}{p99:10.2f}")
    pairs = list(zip(turns[PLATFORM], turns[BARE], strict=True))
    # Two turns that follow each other meet the same machine; two medians may not.
    ratios = [ours.rate / bare.rate for ours, bare in pairs]
    print("platform/bare in each round:", " ".join(f"{ratio:.2f}" for ratio in sorted(ratios)))
    return {
        "platform_rps": round(median(turn.rate for turn in turns[PLATFORM]), 1),
        "bare_rps": round(median(turn.rate for turn in turns[BARE]), 1),
        "ratio": round(median(ratios), 3),
        "cpu_ratio": round(median(bare.cpu / ours.cpu for ours, bare in pairs), 3),
    }


def check_log(path: Path) -> int:
    """Return how many requests the platform logged; end here if one was not answered with 200."""
    lines = path.read_text().splitlines()
    others = [line for line in lines if json.loads(line)["status"] != 200]
    if others:
        raise SystemExit(f"{len(others)} answers were not 200, the first one: {others[0]}")
    return len(lines)


def main() -> None:
    if shutil.which("wrk") is None:
        print(
            "wrk is missing; `make system` installs it, or `apt-get install wrk`", file=sys.stderr
        )
        raise SystemExit(2)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        environment = clean_environment(
            TENANTRY_DATA_DIR=str(folder / "var"),
            TENANTRY_ACCESS_LOG=str(folder / "access.log"),
            # Out of reach but in place, so that counting is part of what is measured.
            TENANTRY_LIMIT_CLIENT_REQUESTS="1000000",
            TENANTRY_LIMIT_TENANT_REQUESTS="1000000",
            TENANTRY_PAGE_CACHE_MB="0",  # a page from memory is measured by bench/page.py
            PYTHONPATH=str(folder),
        )
        files = prepare(folder, environment)
        with (
            serving(files[PLATFORM], folder=folder, host=HOST, environment=environment) as platform,
            serving(files[BARE], folder=folder, host=HOST, environment=environment) as bare,
        ):
            turns = measure({PLATFORM: platform, BARE: bare}, folder)
        logged = check_log(folder / "access.log")
    how = "both at the same time" if TOGETHER else "in turn"
    print(f"{ROUNDS} rounds of {SECONDS} s, {how}, {CONNECTIONS} connections, http://{HOST}/")
    print(f"{logged:,} requests in the platform's access log, all answered with 200")
    print(json.dumps(report(turns)))


if __name__ == "__main__":
    main()
