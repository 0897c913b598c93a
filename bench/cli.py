"""How long a short command takes, beside the imports that nobody can do without.

    make bench-cli              # 15 rounds
    ROUNDS=40 make bench-cli

`tenantry tenant list` over three tenants, and a Python that imports Flask, SQLAlchemy's ORM and click,
take turns; the figures are medians of the seconds from start to exit. The last line is JSON.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from bench.servers import BIN, environment_of
from bench.world import open_world, settings_in

ROUNDS = int(os.environ.get("ROUNDS", "15"))
LIST = [str(BIN / "tenantry"), "tenant", "list"]
IMPORTS = [sys.executable, "-c", "import flask, sqlalchemy.orm, click"]


def run(command: list[str], environment: dict[str, str], folder: Path) -> float:
    """Return the seconds that a command takes from start to exit."""
    started = time.perf_counter()
    subprocess.run(command, env=environment, cwd=folder, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


def main() -> None:
    """Measure both in turn; print a table and one line of JSON."""
    times: dict[str, list[float]] = {"list": [], "imports": []}
    with tempfile.TemporaryDirectory(prefix="tenantry-cli-") as name:
        folder = Path(name)
        settings = settings_in(folder / "data")
        open_world(settings, tenants=3).close()
        environment = environment_of(settings)
        for command in (LIST, IMPORTS):  # compiled files are written once
            run(command, environment, folder)
        for _ in range(ROUNDS):
            times["list"].append(run(LIST, environment, folder))
            times["imports"].append(run(IMPORTS, environment, folder))
    for label, taken in times.items():
        print(f"{label:10}{min(taken):8.3f} s at best{median(taken):8.3f} s in the middle")
    ratio = median(one / other for one, other in zip(times["list"], times["imports"], strict=True))
    figures = {
        "list_s": round(median(times["list"]), 3),
        "imports_s": round(median(times["imports"]), 3),
        "ratio": round(ratio, 2),
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
