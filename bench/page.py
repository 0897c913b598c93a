"""What a page from memory costs beside one that is rendered, and beside a file that nginx serves.

    make bench-page     # 7 rounds of 2 s for each

The shipped uwsgi.ini runs three times with the same processes and threads: with the bundled site's
app alone, with the whole platform, both without the page cache, and with the platform and its cache.
wrk asks for the front page of a demonstration site. nginx serves the same bytes from a file, with as
many processes. All answer one request a connection. The last line is JSON.
"""

from __future__ import annotations

import http.client
import json
import os
import shutil
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from bench.serve import BARE, HOST, PLATFORM, WARM_UP, Turn, load, prepare
from bench.servers import (
    LOOPBACK,
    Server,
    clean_environment,
    configure,
    end,
    fetch,
    free_port,
    serving,
    wait_for,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ROUNDS = int(os.environ.get("ROUNDS", "7"))
SECONDS = int(os.environ.get("SECONDS", "2"))
CACHED, NOT_MODIFIED, NGINX = "cached", "not_modified", "nginx"

NGINX_CONF = """
{user} daemon off; worker_processes 2; pid {folder}/nginx.pid; error_log {folder}/nginx.log;
events {{ worker_connections 256; }}
http {{
  access_log {folder}/nginx-access.log;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  keepalive_timeout 0;
  server {{ listen {address}:{port}; root {folder}/pages; default_type text/html; }}
}}
"""


@contextmanager
def nginx(folder: Path, page: bytes) -> Iterator[Server]:
    """Run nginx with the page as a file while the block runs."""
    (folder / "pages").mkdir()
    (folder / "pages" / "index.html").write_bytes(page)
    port, log = free_port(), folder / "nginx.log"
    config = folder / "nginx.conf"
    # Started by root, nginx would become another user, who may not read the folder.
    user = "user root;" if os.getuid() == 0 else ""
    config.write_text(NGINX_CONF.format(folder=folder, address=LOOPBACK, port=port, user=user))
    process = subprocess.Popen(
        ["nginx", "-c", config, "-e", log],
        start_new_session=True,
        stdin=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for(process, port=port, host=HOST, log=log)
        yield Server(port, process.pid)
    finally:
        end(process)


def find_etag(port: int) -> str:
    """Return the ETag of the page."""
    peer = http.client.HTTPConnection(LOOPBACK, port, timeout=10)
    peer.request("GET", "/", headers={"Host": HOST})
    etag = peer.getresponse().headers["ETag"]
    peer.close()
    return str(etag)


def measure(servers: Mapping[str, Server], folder: Path) -> dict[str, list[Turn]]:
    """Load all in turn; who came first comes last in the next round."""
    asked: dict[str, tuple[Server, tuple[str, ...]]] = {
        name: (server, ()) for name, server in servers.items()
    }
    condition = f"If-None-Match: {find_etag(servers[CACHED].port)}"
    asked[NOT_MODIFIED] = (servers[CACHED], (condition,))
    sizes = {}
    for name, (server, headers) in asked.items():
        status, sizes[name], body = fetch(server.port, host=HOST, headers=headers)
        expected = 304 if name == NOT_MODIFIED else 200
        if status != expected or (b"Acme" not in body and status == 200):
            raise SystemExit(f"{name}: status {status} instead of {expected}")
        load(server, seconds=WARM_UP, folder=folder, size=sizes[name], headers=headers)
    turns: dict[str, list[Turn]] = {name: [] for name in asked}
    for number in range(ROUNDS):
        for name in sorted(asked, reverse=bool(number % 2)):
            server, headers = asked[name]
            turn = load(server, seconds=SECONDS, folder=folder, size=sizes[name], headers=headers)
            turns[name].append(turn)
    return turns


def report(turns: Mapping[str, list[Turn]]) -> dict[str, float]:
    """Print the table; return the figures."""
    print(f"{'medians':14}{'requests/s':>12}{'CPU ms':>10}{'p50 ms':>10}{'p99 ms':>10}")
    figures = {}
    for name, taken in turns.items():
        rate, cpu = median(turn.rate for turn in taken), median(turn.cpu for turn in taken)
        p50, p99 = median(turn.p50 for turn in taken), median(turn.p99 for turn in taken)
        print(f"{name:14}{rate:12.0f}{cpu:10.3f}{p50:10.2f}{p99:10.2f}")
        figures[f"{name}_rps"] = round(rate, 1)

    def ratio(one: str, other: str) -> list[float]:
        return [a.rate / b.rate for a, b in zip(turns[one], turns[other], strict=True)]

    pairs = zip(turns[BARE], turns[CACHED], strict=True)
    cpu_ratio = median(bare.cpu / kept.cpu for bare, kept in pairs)
    return {
        **figures,
        "platform_ratio": round(median(ratio(PLATFORM, BARE)), 3),
        "cached_ratio": round(median(ratio(CACHED, BARE)), 2),
        "cpu_ratio": round(cpu_ratio, 2),
        "nginx_ratio": round(median(ratio(CACHED, NGINX)), 3),
    }


def main() -> None:
    for program in ("wrk", "nginx"):
        if shutil.which(program) is None:
            print(f"{program} is missing; `make system` installs it", file=sys.stderr)
            raise SystemExit(2)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        environment = clean_environment(
            TENANTRY_DATA_DIR=str(folder / "var"),
            TENANTRY_ACCESS_LOG=str(folder / "access.log"),
            TENANTRY_LIMIT_CLIENT_REQUESTS="1000000",
            TENANTRY_LIMIT_TENANT_REQUESTS="1000000",
            # As many as there are threads: on a busy machine the rest would get a 503.
            TENANTRY_LIMIT_IN_FLIGHT="4",
            PYTHONPATH=str(folder),
        )
        files = prepare(folder, environment)
        rendered = {**environment, "TENANTRY_PAGE_CACHE_MB": "0"}
        cached = configure(folder / "cached.ini", module="tenantry.wsgi:application")
        with (
            serving(files[PLATFORM], folder=folder, host=HOST, environment=rendered) as platform,
            serving(files[BARE], folder=folder, host=HOST, environment=rendered) as bare,
            serving(cached, folder=folder, host=HOST, environment=environment) as kept,
            nginx(folder, fetch(kept.port, host=HOST)[2]) as file,
        ):
            servers = {PLATFORM: platform, BARE: bare, CACHED: kept, NGINX: file}
            turns = measure(servers, folder)
    print(f"{ROUNDS} rounds of {SECONDS} s in turn, http://{HOST}/")
    print(json.dumps(report(turns)))


if __name__ == "__main__":
    main()
