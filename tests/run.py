"""What `make test` runs: the suite in parts, each as parallel as its tests allow.

    python tests/run.py -k door         # any argument of pytest

Tests that walk over the whole heap come first, in processes that import nothing but their files: with
everything loaded, each walk takes three times as long and more. Then come the tests within a process,
several at once, and at the end those with real servers. There a file's tests stay together, because
they share a server. Elsewhere a worker without work takes over tests from another one.

Tests that run side by side can disturb each other: a server that has no processor looks like one that
hangs. So a few that failed are run once more, alone. Those that pass then are named as disturbed; one
that fails again has failed.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

WORKERS = str(min(8, len(os.sched_getaffinity(0)) + 1))
"""One more than there are processors: tests wait for servers and children half of their time."""
TOGETHER = ("-n", WORKERS, "--dist")
LIVE = Path("tests/live")
# What is not imported takes no time.
ALL_BUT_LIVE = tuple(
    f"--ignore={path}" for path in LIVE.parent.iterdir() if path.is_dir() and path != LIVE
)
HEAP = tuple(
    str(path)
    for path in sorted(Path("tests").rglob("test_*.py"))
    if LIVE not in path.parents and "pytest.mark.heap" in path.read_text()
)
PARTS = {
    "heap": ("-m", "heap", f"--ignore={LIVE}", *TOGETHER, "worksteal"),
    "in process": ("-m", "not heap and not live", f"--ignore={LIVE}", *TOGETHER, "worksteal"),
    "with servers": ("-m", "live and not heap", *ALL_BUT_LIVE, *TOGETHER, "loadfile"),
}
COMPILING = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
COLLECT = ("-qq", "-p", "no:cacheprovider", "--collect-only", "tests")
AGAIN = ("--last-failed", "--last-failed-no-failures", "none")
FAILED = Path(".pytest_cache/v/cache/lastfailed")
A_FEW = 20
"""Failures that may be disturbances; more are something else."""
OK, SOME_FAILED, NOTHING_CHOSEN = 0, 1, 5
"""pytest's exit codes: https://docs.pytest.org/en/stable/reference/exit-codes.html"""


@contextmanager
def compiling() -> Iterator[None]:
    """Compile all tests beside the block and keep that, where CI asks for no bytecode.

    Every process would compile the same, which takes 12 s of processor time for the tests alone.
    """
    if "PYTHONDONTWRITEBYTECODE" not in os.environ:
        yield
        return
    command = [sys.executable, "-m", "pytest", *COLLECT]
    with subprocess.Popen(command, env=COMPILING, stdout=subprocess.DEVNULL):
        yield


def run(name: str, *options: str) -> int:
    """Run one part; return pytest's exit code."""
    print(f"\n== tests, {name}", flush=True)
    started = time.monotonic()
    code = subprocess.run([sys.executable, "-m", "pytest", *options], check=False).returncode
    print(f"== {name}: {time.monotonic() - started:.0f} s", flush=True)
    return code


def failures() -> list[str]:
    """Return the tests that pytest remembers as failed."""
    return sorted(json.loads(FAILED.read_text())) if FAILED.exists() else []


def main(arguments: list[str]) -> int:
    """Run all parts; return 0 if some test ran and none failed."""
    FAILED.unlink(missing_ok=True)
    is_chosen = any(Path(it.partition("::")[0]).exists() for it in arguments)
    first, *others = PARTS.items()
    with compiling():
        codes = {run(first[0], *first[1], *arguments, *(() if is_chosen else HEAP))}
    codes |= {run(name, *options, *arguments) for name, options in others}
    failed = failures()
    if codes - {OK, NOTHING_CHOSEN} == {SOME_FAILED} and 0 < len(failed) <= A_FEW:
        codes = {run("failed, once more and alone", *AGAIN, *arguments)}
        for name in sorted(set(failed) - set(failures())):
            print(f"DISTURBED {name}", flush=True)
    bad = codes - {OK, NOTHING_CHOSEN}
    if bad:
        return max(bad)
    return OK if OK in codes else NOTHING_CHOSEN


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
