"""What `make test` runs: the suite in parts, each as parallel as its tests allow.

    python tests/run.py -k door         # any argument of pytest

Tests that walk over the whole heap come first and alone in a fresh process: later, with everything
loaded, each walk takes minutes. Then come the tests within a process, several at once, and at the end
those with real servers. A file's tests stay together, because they share servers and databases.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time

WORKERS = str(min(8, 2 * len(os.sched_getaffinity(0))))
"""More than there are processors: tests wait for servers, children and disks half of their time."""
TOGETHER = ("-n", WORKERS, "--dist", "loadfile")
PARTS = {
    "heap": ("-m", "heap"),
    "in process": ("-m", "not heap and not live", *TOGETHER),
    "with servers": ("-m", "live and not heap", *TOGETHER),
}
OK, NOTHING_CHOSEN = 0, 5
"""pytest's exit codes: https://docs.pytest.org/en/stable/reference/exit-codes.html"""


def main(arguments: list[str]) -> int:
    """Run all parts; return 0 if some test ran and none failed."""
    codes = {}
    for name, options in PARTS.items():
        print(f"\n== tests, {name}", flush=True)
        started = time.monotonic()
        command = [sys.executable, "-m", "pytest", *options, *arguments]
        codes[name] = subprocess.run(command, check=False).returncode
        print(f"== {name}: {time.monotonic() - started:.0f} s", flush=True)
    failed = [code for code in codes.values() if code not in (OK, NOTHING_CHOSEN)]
    if failed:
        return failed[0]
    return OK if OK in codes.values() else NOTHING_CHOSEN


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
