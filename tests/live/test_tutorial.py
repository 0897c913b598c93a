"""The tutorial, followed by its letter: each command runs, and prints what the page shows."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

from tests.live.server import ROOT, free_port, until
from tests.live.test_new_project import is_served

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = ROOT / "docs" / "tutorial.md"
BLOCK = re.compile(
    r"^(<!-- not run:[^\n]*-->\n\n)?```console\n(.*?)^```$", re.MULTILINE | re.DOTALL
)
END = "end-of-command"


class Step(NamedTuple):
    """A command, and what the page shows under it."""

    command: str
    shown: str


def steps() -> Iterator[Step]:
    """Yield the commands of the page, but for the block that installs the environment."""
    for skipped, block in BLOCK.findall(PAGE.read_text()):
        if not skipped:
            for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
                command, _, shown = part.partition("\n")
                yield Step(command, shown.strip())


class Shell:
    """A reader's terminal: variables and background jobs live as long as it."""

    def __init__(self, folder: Path, port: int) -> None:
        self.port = port
        environment = {k: v for k, v in os.environ.items() if not k.startswith("TENANTRY_")}
        environment |= {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "PYTHONDONTWRITEBYTECODE": "1",
            "TENANTRY_PORT": str(port),
        }
        self.process = subprocess.Popen(
            ["bash"],
            cwd=folder,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, command: str) -> tuple[int, str]:
        """Run a command; return its exit code and its output."""
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(f"{command}\n__code=$?; echo; echo {END} $__code\n")
        self.process.stdin.flush()
        lines: list[str] = []
        for line in self.process.stdout:
            if line.startswith(END):
                return int(line.split()[1]), "".join(lines).strip()
            lines.append(line)
        raise AssertionError(f"the shell ended at: {command}")

    def close(self) -> None:
        """End the server, and then the shell."""
        self.run("kill $(jobs -p) && wait")
        self.process.communicate(timeout=60)


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    """Return a terminal in an empty folder."""
    opened = Shell(tmp_path, free_port())
    yield opened
    opened.close()


def test_the_tutorial_ends_in_two_isolated_sites(shell: Shell) -> None:
    """From nothing to two customers with own domains, without a changed line of flaskr."""
    done = 0
    for command, shown in steps():
        wanted = shown.replace("8000", str(shell.port)).replace("...", "*")
        if command == "tenantry serve":
            shell.run("tenantry serve >serve.log 2>&1 &")
            until(lambda: is_served(shell.port), seconds=60, why="tenantry serve")
            continue
        code, output = shell.run(f"{command.replace('8000', str(shell.port))} 2>&1")
        if command.startswith("pip download") and code:
            pytest.skip(f"flaskr cannot be fetched: {output}")
        escaped = wanted.replace("[", "[[]")
        assert code == 0 or "grep -c" in command, (command, output)  # which exits with 1 for none
        assert not shown or fnmatchcase(output, escaped), (command, output)
        done += 1
    assert done > 20
