"""What the home page of a site weighs for somebody who was never there, and how soon it is seen.

    make bench-weight     # ROUNDS=9

The shipped uwsgi.ini serves a demonstration site. Chromium opens its home page and, in turn, a page of
one letter from a server of a few lines, each in a new profile. It counts what comes over the wire with
the head of each answer (`kib`), how many files are asked for (`requests`), and how long the first
contentful paint takes beside that of the page of one letter (`fcp_ratio`). The last line is JSON.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from playwright.sync_api import sync_playwright

from bench.serve import HOST, PLATFORM, prepare
from bench.servers import LOOPBACK, clean_environment, serving

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser

ROUNDS = int(os.environ.get("ROUNDS", "9"))
NAMES = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run")
LETTER = b"<!doctype html><html lang=en><title>x</title><link rel=icon href=data:,><p>x"
PAINT = """() => new Promise((resolve) => new PerformanceObserver((list) => {
    const paint = list.getEntriesByName("first-contentful-paint")[0];
    if (paint) resolve(paint.startTime);
}).observe({type: "paint", buffered: true}))"""


class _Letter(BaseHTTPRequestHandler):
    """Serves the page of one letter."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(LETTER)))
        self.end_headers()
        self.wfile.write(LETTER)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@dataclass(frozen=True, slots=True)
class Visit:
    """What Chromium tells of one page."""

    kib: float
    requests: int
    fcp_ms: float


@contextmanager
def letter() -> Iterator[str]:
    """Serve the page of one letter while the block runs; yield its address."""
    server = ThreadingHTTPServer((LOOPBACK, 0), _Letter)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://letter.localhost:{server.server_port}/"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def visit(browser: Browser, address: str) -> Visit:
    """Open a page in a new profile, until nothing more is asked for."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    page = context.new_page()
    wire, sizes = context.new_cdp_session(page), []
    wire.on("Network.loadingFinished", lambda done: sizes.append(done["encodedDataLength"]))
    wire.send("Network.enable")
    answer = page.goto(address, wait_until="networkidle")
    if answer is None or answer.status != 200:
        raise SystemExit(f"{address} did not answer with a page")
    paint = page.evaluate(PAINT)
    context.close()
    return Visit(sum(sizes) / 1024, len(sizes), paint)


def measure(address: str) -> dict[str, float]:
    """Open both pages in turn."""
    path = next((found for name in NAMES if (found := shutil.which(name))), None)
    if path is None:
        raise SystemExit("There is no Chromium here: run `make system`.")
    ours: list[Visit] = []
    least: list[Visit] = []
    with letter() as empty, sync_playwright() as player:
        browser = player.chromium.launch(executable_path=path, args=list(ARGUMENTS))
        for place in (address, empty):
            visit(browser, place)  # what the first one costs is the browser's
        for _ in range(ROUNDS):
            for kept, place in ((ours, address), (least, empty)):
                kept.append(visit(browser, place))
        browser.close()
    paint, blank = (median(it.fcp_ms for it in visits) for visits in (ours, least))
    return {
        "kib": round(max(it.kib for it in ours), 1),
        "requests": max(it.requests for it in ours),
        "fcp_ms": round(paint, 1),
        "letter_fcp_ms": round(blank, 1),
        "fcp_ratio": round(paint / blank, 2),
    }


def main() -> None:
    """Measure, and tell."""
    with tempfile.TemporaryDirectory(prefix="tenantry-bench-") as name:
        folder = Path(name)
        environment = clean_environment(
            TENANTRY_DATA_DIR=str(folder / "var"), TENANTRY_LIMIT_CLIENT_REQUESTS="0"
        )
        ini = prepare(folder, environment)[PLATFORM]
        with serving(ini, folder=folder, host=HOST, environment=environment) as server:
            print(json.dumps(measure(f"http://{HOST}:{server.port}/")))


if __name__ == "__main__":
    main()
