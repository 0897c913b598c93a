"""What it costs to tell a proxy whether a domain may get a certificate: `/-/ask` with many domains.

    make bench-ask                  # 100,000 verified domains
    N=2000 make bench-ask           # so many

The shipped uwsgi.ini runs with the whole platform, an internal listener and a catalog on PostgreSQL.
wrk asks there in turn for `/-/health`, for domains that are verified, and for names that nobody has.
Then the catalog's server is stopped, and verified and unknown domains are asked for again. The last
line is JSON; `ask_ratio` is the time of an answer for a verified domain in times of `/-/health`.
"""

from __future__ import annotations

import json
import logging
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from itertools import cycle
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from sqlalchemy import insert

from bench.postgres import catalog_server
from bench.serve import CONNECTIONS, COUNTS
from bench.servers import LOOPBACK, ROOT, Server, environment_of, fetch, free_port, serving
from bench.servers import resident_mb as resident
from bench.world import BATCH, DOMAIN, open_world
from tenantry.catalog.engine import WRITE
from tenantry.catalog.models import HostRecord, new_token, now
from tenantry.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from tenantry.settings import Settings

N = int(os.environ.get("N", "100000"))
ROUNDS = int(os.environ.get("ROUNDS", "10"))
SECONDS = int(os.environ.get("SECONDS", "2"))
WARM_UP = 2
ASKED = 1000
"""Domains that are asked for in turn."""
DOWN_QUESTIONS = 200
DOWN_SECONDS = 60
HEALTH, VERIFIED, UNKNOWN = "health", "verified", "unknown"

PATHS = """
local paths = {}
for line in io.lines("%s") do paths[#paths + 1] = wrk.format("GET", line) end
local number = 0
function request()
  number = number %% #paths + 1
  return paths[number]
end
"""


def prepare(settings: Settings) -> list[str]:
    """Make a catalog in which each tenant has a verified domain; return the domains."""
    catalog = open_world(settings, tenants=N)
    domains = [f"shop-{number}.example.org" for number in range(N)]
    rows = [
        {
            "name": domain,
            "tenant_id": f"{number:032x}",
            "state": "verified",
            "proof": "dns",
            "verified_at": now(),
            "token": new_token(),
        }
        for number, domain in enumerate(domains)
    ]
    with (
        catalog.store.engine.connect().execution_options(**WRITE) as connection,
        connection.begin(),
    ):
        for first in range(0, N, BATCH):
            connection.execute(insert(HostRecord), rows[first : first + BATCH])
    catalog.close()
    return domains


def write_scripts(folder: Path, domains: list[str]) -> dict[str, Path]:
    """Write what wrk runs for each kind of question."""
    dice = random.Random(20261128)  # noqa: S311 - no secret
    known = dice.sample(domains, min(ASKED, len(domains)))
    paths = {
        HEALTH: ["/-/health"],
        VERIFIED: [f"/-/ask?domain={domain}" for domain in known],
        # Few enough for their rate limit not to matter: a refusal costs what an answer costs.
        UNKNOWN: [f"/-/ask?domain=nobody-{number}.example.net" for number in range(ASKED)],
    }
    scripts = {}
    for name, asked in paths.items():
        listed = folder / f"{name}.txt"
        listed.write_text("\n".join(asked))
        scripts[name] = folder / f"{name}.lua"
        scripts[name].write_text(PATHS % listed + COUNTS)
    return scripts


def load(port: int, script: Path, *, seconds: int, refused: bool) -> float:
    """Let wrk ask for so long; return the microseconds of the server for an answer.

    :param refused: Whether the answer is 404 or 429. Otherwise each one has to be 200.
    """
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "--timeout", "30s"]
    done = subprocess.run(
        [*command, "-s", str(script), f"http://{LOOPBACK}:{port}/"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        timeout=seconds + 60,
        check=True,
    )
    told = json.loads(done.stderr)
    if not told["requests"] or told["failed"] != (told["requests"] if refused else 0):
        raise SystemExit(f"{script.stem}: not every answer had the right status: {told}")
    return float(told["us"] / told["requests"])


def measure(port: int, scripts: dict[str, Path]) -> dict[str, list[float]]:
    """Ask each kind of question in turn."""
    for script in scripts.values():
        load(port, script, seconds=WARM_UP, refused=script.stem == UNKNOWN)
    found: dict[str, list[float]] = {name: [] for name in scripts}
    for number in range(ROUNDS):
        for name in sorted(scripts, reverse=bool(number % 2)):
            found[name].append(load(port, scripts[name], seconds=SECONDS, refused=name == UNKNOWN))
    return found


def answers_while_down(port: int, domains: list[str], stop: Callable[[], None]) -> bool:
    """Stop the catalog; return whether the right answers go on, each within a second."""
    stop()
    deadline = time.monotonic() + DOWN_SECONDS
    while b"catalog is down" not in fetch(port, host=DOMAIN, path="/-/ready")[2]:
        if time.monotonic() > deadline:
            raise SystemExit("No worker has noticed that the catalog is down.")
        time.sleep(0.1)
    asked = cycle([(domains[0], 200), (domains[-1], 200), ("nobody.example.net", 404)])
    for _, (domain, status) in zip(range(DOWN_QUESTIONS), asked, strict=False):
        began = time.monotonic()
        if fetch(port, host=DOMAIN, path=f"/-/ask?domain={domain}")[0] != status:
            return False
        if time.monotonic() - began > 1:
            return False
    return True


def report(found: dict[str, list[float]], server: Server, *, down_ok: bool) -> dict[str, float]:
    """Print a table; return the figures."""
    for name, times in found.items():
        print(f"{name:10}{median(times):8.0f} us an answer")
    health = found[HEALTH]
    ratios = {
        name: median(ours / base for ours, base in zip(times, health, strict=True))
        for name, times in found.items()
    }
    mb = max(resident(process) for process in server.workers())
    print(f"{N:,} domains; the largest worker has {mb:.0f} MiB")
    return {
        "ask_us": round(median(found[VERIFIED]), 1),
        "health_us": round(median(health), 1),
        "ask_ratio": round(ratios[VERIFIED], 2),
        "unknown_ratio": round(ratios[UNKNOWN], 2),
        "worker_mb": round(mb),
        "down_ok": down_ok,
    }


def main() -> int:
    """Measure and print one line of JSON."""
    if shutil.which("wrk") is None:
        print("wrk is missing; `make system` installs it", file=sys.stderr)
        return 2
    logging.disable(logging.WARNING)
    with (
        tempfile.TemporaryDirectory(prefix="tenantry-ask-") as name,
        catalog_server() as (url, stop),
    ):
        folder, internal = Path(name), free_port()
        settings = load_settings(
            domain=DOMAIN,
            data_dir=folder,
            access_log="off",
            catalog_url=url,
            secret_keys=("benchmark-" * 4,),
        )
        domains = prepare(settings)
        environment = environment_of(
            settings,
            TENANTRY_CATALOG_URL=url,
            TENANTRY_INTERNAL_LISTEN=f"{LOOPBACK}:{internal}",
        )
        (folder / "run").mkdir(exist_ok=True)
        (folder / "run" / "reload").touch()
        with serving(
            ROOT / "uwsgi.ini", folder=folder, host=DOMAIN, environment=environment
        ) as server:
            found = measure(internal, write_scripts(folder, domains))
            down_ok = answers_while_down(internal, domains, stop)
            print(json.dumps(report(found, server, down_ok=down_ok)))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
