"""The walk: an operation is killed before each of its steps, and said again.

A program, because what it forks must have no threads. Its arguments are an empty folder and, for
PostgreSQL, the URL of a server's superuser. It reads operations, one a line, and answers each with a
line of JSON.
"""

from __future__ import annotations

import json
import sys
import traceback
from contextlib import ExitStack
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tenantry.cli import COMMANDS
from tests.tenantry.kills import books
from tests.tenantry.kills.judging import check_between, check_same
from tests.tenantry.kills.operations import BUNDLE, INIT, OPERATIONS
from tests.tenantry.kills.server import Server
from tests.tenantry.kills.world import World

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.tenantry.kills.operations import Operation


class Walk:
    """What is killed, and where it happens.

    :param most: How many steps of an operation are tried; 0 for all that are unlike each other.
    """

    def __init__(self, world: World, *, most: int) -> None:
        self._world = world
        self._most = most
        books.set_revisions(world.home, "one")
        world.keep("nothing")
        self._done(*INIT)
        for slug in ("acme", "globex"):
            self._done("tenant", "create", slug, "--owner", f"{slug}@x.test")
            files = {"pictures/deep/one": b"\0\xff" * 1000, "text": slug.encode()}
            world.write(slug, people=[(1,), (2,)], files=files)
        self._done("tenant", "export", "acme", "-o", *self._filled([BUNDLE]))
        world.keep("sites")

    def take(self, name: str) -> dict[str, Any]:
        """Kill the operation at its steps; return how many there were and how many were tried."""
        operation = OPERATIONS[name]
        self._prepare(name, operation)
        words = self._filled(operation.words)
        before = self._world.look()
        record = self._world.home / "steps"
        said = self._world.say(*words, record=record)
        assert said.status == 0, said.output
        after = self._world.look()
        again = self._world.say(*words)
        assert again.status in {0, 1}, again.output
        check_same(self._world.look(), after)

        steps = record.read_text().splitlines()
        chosen = _choose(steps, self._most)
        for number in chosen:
            self._bring_back(name, operation)
            try:
                self._kill(number, words, operation, before, after)
            except BaseException as error:
                raise AssertionError(
                    f"{name}, killed before step {number}, {steps[number - 1]}"
                ) from error
        return {"steps": len(steps), "killed": len(chosen)}

    def _prepare(self, name: str, operation: Operation) -> None:
        books.set_revisions(self._world.home, "one")
        self._world.bring_back(operation.base)
        for preparation in operation.prepare:
            if callable(preparation):
                preparation(self._world)
            else:
                self._done(*self._filled(preparation))
        self._world.keep(name)
        books.set_revisions(self._world.home, operation.release)

    def _bring_back(self, name: str, operation: Operation) -> None:
        books.set_revisions(self._world.home, "one")
        self._world.bring_back(name)
        books.set_revisions(self._world.home, operation.release)

    def _kill(
        self,
        number: int,
        words: Sequence[str],
        operation: Operation,
        before: dict[str, Any],
        after: dict[str, Any],
    ) -> None:
        killed = self._world.say(*words, last=number)
        # A worker's death is told by the command, which lives on.
        assert killed.status in {-9, 1}, f"exit {killed.status}: {killed.output}"
        seen = self._world.look()
        check_between(seen, before, after, between=operation.between)
        if operation.refused and seen["tenants"]["acme"]["state"] in operation.between:
            self._check_refused(operation.refused)
        again = self._world.say(*words)
        assert again.status in {0, 1}, again.output
        try:
            check_same(self._world.look(), after)
        except AssertionError as error:
            raise AssertionError(f"said again: {again.output}") from error

    def _check_refused(self, commands: Sequence[Sequence[str]]) -> None:
        for words in commands:
            said = self._world.say(*words)
            assert said.status == 1, said.output
            assert "was interrupted" in said.output, said.output

    def _filled(self, words: Sequence[str]) -> list[str]:
        return [word.format(self._world.folder) for word in words]

    def _done(self, *words: str) -> None:
        said = self._world.say(*words)
        assert said.status == 0, said.output


def _choose(steps: Sequence[str], most: int) -> list[int]:
    """Return the numbers of steps that are unlike each other, or so many of them."""
    first = {step: number for number, step in reversed(list(enumerate(steps, 1)))}
    numbers = sorted(first.values())
    if not most or len(numbers) <= most:
        return numbers
    return [numbers[len(numbers) * place // (most + 1)] for place in range(1, most + 1)]


def main() -> None:
    """Read, walk and answer."""
    for command in COMMANDS:  # here, not in each of hundreds of children
        import_module(f"tenantry.cli.{command.replace('-', '_')}")
    most, home, *url = sys.argv[1:]
    with ExitStack() as stack:
        server = Server(url[0]) if url else None
        if server is not None:
            stack.callback(server.close)
        walk = Walk(World(Path(home), server), most=int(most))
        for line in sys.stdin:
            try:
                answer = walk.take(line.strip())
            except Exception:  # noqa: BLE001 - the test tells it
                answer = {"error": traceback.format_exc()}
            print(json.dumps(answer), flush=True)  # noqa: T201 - a program


if __name__ == "__main__":
    main()
