"""The ``tenantry`` command for hundreds of calls: a process that has it loaded forks for each of them.

Each call is a process of its own, as it is for an operator, but does not spend a second on imports.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Mapping

LIMIT_SECONDS = 120.0
"""A command that takes longer is ended, and has failed."""
KILLED = -signal.SIGALRM
"""The exit code of a command that was ended."""
LOADED = ("backup", "init", "migrate", "reload", "restore", "status", "tenant")


class Commands:
    """Says commands; use it as a context manager, and from one thread.

    :param env: What they are started with.
    :param folder: Where they are started.
    :param notes: A file for what they say.
    """

    def __init__(self, env: Mapping[str, str], *, folder: Path, notes: Path) -> None:
        self._env, self._folder, self._notes = env, folder, notes

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, __file__],
            cwd=self._folder,
            env=self._env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()  # the end of its input is its end

    def say(self, *arguments: str, die_after: float = LIMIT_SECONDS) -> tuple[int, str]:
        """Return the exit code of a command and what it has said; below 0 a signal has ended it.

        :param die_after: End it by a signal that it does not handle after so many seconds.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        order = [str(self._notes), die_after, *arguments]
        print(json.dumps(order), file=self._process.stdin, flush=True)
        code = int(self._process.stdout.readline())
        return code, self._notes.read_text()


def _serve() -> None:
    """Fork for each line of stdin, and answer with the exit code."""
    for name in LOADED:
        importlib.import_module(f"tenantry.cli.{name}")
    for line in sys.stdin:
        child = os.fork()
        if not child:
            notes, seconds, *arguments = json.loads(line)
            _become(Path(notes), seconds, arguments)
            return
        _, status = os.waitpid(child, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


def _become(notes: Path, seconds: float, arguments: list[str]) -> None:
    """Be the command."""
    signal.setitimer(signal.ITIMER_REAL, seconds)
    nothing = os.open(os.devnull, os.O_RDONLY)
    output = os.open(notes, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for descriptor, standard in ((nothing, 0), (output, 1), (output, 2)):
        os.dup2(descriptor, standard)
    sys.argv = ["tenantry", *arguments]
    importlib.import_module("tenantry.cli").main()


if __name__ == "__main__":
    _serve()
