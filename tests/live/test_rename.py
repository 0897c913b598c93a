"""Law 7: a site that is renamed under load loses no request; both workers know both names at once."""

from __future__ import annotations

import subprocess
import sys
from itertools import count, pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from tests.live.load import Load, together
from tests.live.server import until

if TYPE_CHECKING:
    from tests.live.conftest import NewOddServer
    from tests.live.odd import OddServer
    from tests.live.wire import Answer

PROGRAM = Path(sys.executable).with_name("tenantry")
NAMES = ("acme", "bolt", "coil", "acme")
AT_ONCE = 4


def rename(server: OddServer, old: str, new: str) -> None:
    """Do what an operator does."""
    command = [str(PROGRAM), "tenant", "rename", old, new]
    subprocess.run(command, env=server.environment, cwd=server.data.parent, check=True, timeout=60)


def test_renamed_again_and_again_under_load(new_odd_server: NewOddServer) -> None:
    """Visitors of the old address get the page or 308, and the site next door notices nothing."""
    with new_odd_server("acme", "globex") as server:
        turns = count()

        def visit() -> Answer:
            return server.site("globex" if next(turns) % 4 == 0 else "acme", "/?c=d")

        with Load(visit) as load:
            until(lambda: len(load.workers) == 2, why="both workers answer")
            for old, new in pairwise(NAMES):
                rename(server, old, new)
                # The command has returned: from now on nobody may be served by a former name.
                workers: set[str] = set()
                while len(workers) < 2:
                    answers = together(lambda _, new=new: server.site(new), AT_ONCE)  # type: ignore[misc]
                    assert {answer.status for answer in answers} == {200}
                    workers |= {answer.worker for answer in answers}
                former = set(NAMES[: NAMES.index(old) + 1]) - {new}
                for name in former:
                    for answer in together(lambda _, name=name: server.site(name, "/x?y"), AT_ONCE):  # type: ignore[misc]
                        assert answer.status == 308
                        address = f"http://{new}.localhost:{server.port}/x?y"
                        assert answer.headers["location"] == address
                seen = load.count
                until(lambda seen=seen: load.count > seen + 50, why="visitors go on")  # type: ignore[misc]
        assert load.failures == []
        assert load.statuses == {200, 308}
        led = {a.headers["location"] for a in load.answers if a.status == 308}
        assert led <= {f"http://{name}.localhost:{server.port}/?c=d" for name in ("bolt", "coil")}
