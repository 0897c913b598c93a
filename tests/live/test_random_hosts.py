"""Law 6: random hosts build nothing, grow nothing, and cost the known tenants nothing."""

from __future__ import annotations

import random
import string
import threading
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from tests.live.load import Load, wake_all
from tests.live.wire import exchange, header_of, status_of

if TYPE_CHECKING:
    from tests.live.conftest import NewOddServer

HOSTS = 20_000
WARM = 3_000
THREADS = 6
GROWTH_MB = 20


def test_twenty_thousand_random_hosts(new_odd_server: NewOddServer) -> None:
    """20,000 hosts that nobody has leave no instance and little memory; known sites serve on."""
    with new_odd_server() as server:
        for slug in ("acme", "globex"):
            wake_all(lambda slug=slug: server.site(slug))  # type: ignore[misc]
        storm(server.port, WARM, seed=1)
        built = server.noted("built")
        files = files_in(server.data)
        workers = server.workers()
        before = {worker: resident_mb(worker) for worker in workers}
        with Load(lambda: server.site("acme"), threads=1) as known:
            seen = storm(server.port, HOSTS, seed=2)
            known.stop()
        assert sum(seen.values()) == HOSTS
        assert set(seen) <= {400, 404, 421, 429}
        assert seen[404] > 0
        assert seen[421] > 0
        assert known.failures == []
        assert known.statuses == {200}
        assert len(known.answers) > 20
        assert server.noted("built") == built
        assert files_in(server.data) == files
        assert server.workers() == workers
        for worker in workers:
            assert resident_mb(worker) - before[worker] < GROWTH_MB


def files_in(data: Path) -> set[Path]:
    """Return what there is but popular sites and figures, which workers write now and then."""
    return {
        path
        for path in data.rglob("*")
        if "popular" not in path.parts and not path.name.startswith("figures.")
    }


def storm(port: int, hosts: int, *, seed: int) -> Counter[int]:
    """Ask for so many random hosts from several threads; return how often each status came."""
    seen: Counter[int] = Counter()
    sites: list[str] = []
    lock = threading.Lock()

    def run(number: int) -> None:
        chance = random.Random(f"{seed}-{number}")
        own: Counter[int] = Counter()
        for _ in range(number, hosts, THREADS):
            head = f"GET / HTTP/1.1\r\nHost: {random_host(chance)}\r\n\r\n"
            response = exchange(port, head.encode())
            own[status_of(response)] += 1
            if site := header_of(response, "X-Site"):
                sites.append(site)
        with lock:
            seen.update(own)

    threads = [threading.Thread(target=run, args=(n,), daemon=True) for n in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(150)
        assert not thread.is_alive()
    assert sites == []
    return seen


def random_host(chance: random.Random) -> str:
    """Return a host that nobody has: a free name, somebody else's domain, or nonsense."""
    word = "".join(chance.choices(string.ascii_lowercase, k=14))
    kind = chance.random()
    if kind < 0.4:
        return f"{word}.localhost"
    if kind < 0.8:
        return f"www.{word}.test"
    return f"{word}_{word}.localhost"


def resident_mb(process: int) -> float:
    """Return the memory that a process holds, in MB."""
    for line in Path(f"/proc/{process}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise AssertionError(f"process {process} is gone")
