"""What a site's visitors notice of people who watch jobs in the console.

PAGES pages of jobs are open, and each asks every two seconds for what is new, as htmx does. Most jobs
wait, so the answer is 204; of one page in ten the job has got further since, so the part is rendered
again. Meanwhile visitors come to a site at a steady rate. Rounds with the open pages and without them
alternate, through real uWSGI with the shipped configuration; a site's 99th percentiles are compared.
"""

from __future__ import annotations

import json
import logging
import os
import re
import statistics
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from html import unescape
from pathlib import Path
from typing import TYPE_CHECKING

from bench.servers import configure, environment_of, serving
from bench.signup import AS_PEOPLE_TYPE, DOMAIN, PASSWORD, Visitor
from bench.visitors import Heard, arrivals, ask, send_out
from bench.world import open_world
from tenantry.catalog import SYSTEM
from tenantry.catalog.models import now
from tenantry.catalog.values import NewJob
from tenantry.settings import load_settings

if TYPE_CHECKING:
    from tenantry.catalog import Catalog

PAGES = int(os.environ.get("PAGES", "50"))
ROUNDS = int(os.environ.get("ROUNDS", "5"))
SECONDS = float(os.environ.get("SECONDS", "10"))
RATE = float(os.environ.get("RATE", "60"))
"""Visitors a second, on the site."""
PAUSE = 2.0
"""Seconds between two questions of a page."""
EVERY = 10
"""Of so many pages one has something new each time."""
OPERATOR = "operator@platform.test"


def main() -> int:
    """Measure; print a table and one line of JSON."""
    logging.disable(logging.WARNING)
    with tempfile.TemporaryDirectory(prefix="tenantry-spectators-") as name:
        folder = Path(name)
        settings = load_settings(
            domain=DOMAIN,
            data_dir=folder / "data",
            access_log="off",
            secret_keys=("benchmark-" * 4,),
            trusted_proxies=1,
        )
        catalog = open_world(settings, tenants=0)
        account = catalog.accounts.add(OPERATOR, operator=True, by=SYSTEM)
        catalog.accounts.set_password(account.id, PASSWORD, by=SYSTEM)
        ours = {"TRUSTED_PROXIES": "1", "SIGNUP": "open", "BACKUP_TIME": "off", "PURGE_TIME": "off"}
        environment = environment_of(
            settings, **{f"TENANTRY_{key}": value for key, value in ours.items()}
        )
        ini = configure(folder / "spectators.ini", module="tenantry.wsgi:application")
        with serving(ini, folder=folder, host=DOMAIN, environment=environment) as running:
            host = _make_site(running.port)
            requests = _open_pages(catalog, running.port)
            result = _compare(running.port, host, requests)
        catalog.close()
    print(json.dumps(result))
    return 0


def _make_site(port: int) -> str:
    """Sign up for a site, and return its host."""
    visitor = Visitor(port)
    form = visitor.fill_in()
    time.sleep(AS_PEOPLE_TYPE)
    visitor.sign_up(form)
    return f"{visitor.name}.{DOMAIN}"


def _open_pages(catalog: Catalog, port: int) -> list[bytes]:
    """Open a page for each job, and return what each page then asks."""
    # Due tomorrow, so that no worker takes them: they wait, as most jobs that people watch do.
    due = now() + timedelta(days=1)
    jobs = catalog.jobs.add(
        *(NewJob(name="operations.purge_due", arguments={}, due_at=due) for _ in range(PAGES)),
        by=SYSTEM,
    )
    operator = Visitor(port)
    _, _, page = operator.ask(DOMAIN, "/signin")
    (token,) = set(re.findall(r'name="csrf_token"[^>]* value="([^"]+)"', page))
    form = {"csrf_token": token, "email": OPERATOR, "password": PASSWORD}
    status, _, text = operator.ask(DOMAIN, "/signin", form)
    if status not in {200, 302, 303}:
        raise SystemExit(f"The operator's sign-in was answered with {status}:\n{text[-2000:]}")
    requests = []
    for number, job in enumerate(jobs):
        status, _, page = operator.ask(DOMAIN, f"/backend/jobs/{job.id}")
        found = re.findall(r'data-hx-get="(/backend[^"]+)"', page)
        if status != 200 or len(found) != 1:
            raise SystemExit(f"The page of a job came with {status}:\n{page[-2000:]}")
        path = unescape(found[0]) + ("-older" if number % EVERY == 0 else "")
        requests.append(operator.head(DOMAIN, path))
    return requests


def _compare(port: int, host: str, requests: list[bytes]) -> dict[str, float]:
    """Return the site's 99th percentiles with and without the open pages, and what these heard."""
    site = arrivals(port, [host] * int(RATE * SECONDS), rate=RATE)
    watching = partial(_watch, port=port, requests=requests)
    quiet: list[float] = []
    watched: list[float] = []
    answers = Heard()
    send_out(site)  # what is made once is made now
    for _ in range(ROUNDS):
        (alone,) = send_out(site)
        beside, spectators = send_out(site, watching)
        answers.seconds += spectators.seconds
        answers.statuses += spectators.statuses
        for heard, found in ((alone, quiet), (beside, watched)):
            if heard.failed:
                raise SystemExit(f"The site answered {dict(heard.statuses)}")
            found.append(heard.percentile(99))
    if set(answers.statuses) != {200, 204}:
        raise SystemExit(f"The pages of jobs were answered with {dict(answers.statuses)}")
    without, beside_ms = statistics.median(quiet), statistics.median(watched)
    print(f"a site's p99 without open pages  {without:8.2f} ms")
    print(f"with {PAGES} open pages of jobs      {beside_ms:8.2f} ms")
    print(f"an open page's question, p50      {answers.percentile(50):8.2f} ms")
    return {
        "p99_ms": round(without, 2),
        "watched_p99_ms": round(beside_ms, 2),
        "p99_ratio": round(beside_ms / without, 2),
        "question_ms": round(answers.percentile(50), 2),
    }


def _watch(start: float, *, port: int, requests: list[bytes]) -> Heard:
    """Let each page ask in its own rhythm, and return what all of them heard."""

    def follow(number: int) -> Heard:
        heard = Heard()
        moment = start + PAUSE * number / len(requests)
        while moment < start + SECONDS:
            time.sleep(max(0.0, moment - time.monotonic()))
            began = time.monotonic()
            heard.statuses[ask(port, requests[number])] += 1
            heard.seconds.append(time.monotonic() - began)
            moment = max(moment + PAUSE, time.monotonic())
        return heard

    whole = Heard()
    with ThreadPoolExecutor(len(requests)) as pool:
        for heard in pool.map(follow, range(len(requests))):
            whole.seconds += heard.seconds
            whole.statuses += heard.statuses
    return whole


if __name__ == "__main__":
    sys.exit(main())
