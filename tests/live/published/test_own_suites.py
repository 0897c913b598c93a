"""The published apps' own test suites pass through the front door as often as they pass plainly."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest

from tests.live.published.fetching import SUITES, fetch
from tests.live.server import ROOT

if TYPE_CHECKING:
    from pathlib import Path

NOWHERE = "http://127.0.0.1:9"


@dataclass(frozen=True)
class Suite:
    """A published app's tests.

    :param factory: As the suite imports it.
    :param folder: Where it is below the fetched apps.
    :param differs: Tests that pass plainly alone, and why.
    """

    factory: str
    folder: str
    differs: tuple[str, ...] = ()

    def run(self, published: Path, scratch: Path, *, door: bool) -> tuple[set[str], str]:
        """Run it; return the names of the tests that failed, and the report.

        :param door: Through the front door; else plainly, and only what has failed before.
        """
        results = scratch / f"{door}.xml"
        cache = f"cache_dir={scratch / 'cache'}"
        command = [sys.executable, "-m", "pytest", "-q", "-W", "ignore", f"--junitxml={results}"]
        command += ["-o", cache, *(["-p", "front_door"] if door else ["--last-failed"])]
        done = subprocess.run(
            [*command, "--rootdir", ".", "tests"],
            cwd=published / self.folder,
            env={
                **{
                    k: v for k, v in os.environ.items() if not k.startswith(("TENANTRY_", "PYTEST"))
                },
                "HTTPS_PROXY": NOWHERE,  # it asks for today's rates of currencies
                "PYTHONDONTWRITEBYTECODE": "1",
                "PYTHONPATH": f"{published}:{ROOT / 'tests/live/published'}",
                "THROUGH_DOOR": self.factory,
            },
            capture_output=True,
            text=True,
            check=False,
        )
        assert results.is_file(), done.stdout + done.stderr
        cases = ET.parse(results).iter("testcase")  # noqa: S314 - pytest has just written it
        failed = {
            case.get("name", "")
            for case in cases
            if case.find("failure") is not None or case.find("error") is not None
        }
        return failed, done.stdout


@pytest.mark.timeout(1200)
@pytest.mark.parametrize(
    "suite",
    [
        pytest.param(Suite("flaskr:create_app", f"{SUITES}/flaskr"), id="flaskr"),
        pytest.param(
            Suite(
                "ihatemoney.run:create_app",
                "ihatemoney",
                differs=(
                    # They compare settings that are pinned: the key, and the sender of mail.
                    "test_default_configuration",
                    "test_default_configuration_file",
                    "test_env_var_configuration_file",
                    "test_rss_feed",  # its links are expected to lead to http://localhost/
                ),
            ),
            id="ihatemoney",
        ),
        pytest.param(Suite("fsqlalchemy1.app:create_app", "fsqlalchemy1"), id="flask-security"),
    ],
)
def test_a_suite_passes_through_the_front_door(suite: Suite, tmp_path: Path) -> None:
    """What fails is what fails plainly too, and what asks for a pinned setting or another host."""
    published = fetch()
    failed, report = suite.run(published, tmp_path, door=True)
    requests = re.search(r"^(\d+) requests came through the front door", report, re.MULTILINE)
    assert requests, report
    assert int(requests[1]) > 0
    assert re.search(r"\d+ passed", report), report
    plainly = suite.run(published, tmp_path, door=False)[0] if failed else set()
    assert failed - plainly == set(suite.differs), report
