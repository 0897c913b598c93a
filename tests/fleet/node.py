"""A node: a data folder of its own, its commands, and its server."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tenantry.settings import load_settings
from tests.live.server import ROOT, Server

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tenantry.settings import Settings

COMMANDS = Path(__file__).with_name("commands.py")
KEYS = "0123456789abcdef" * 4
PROGRAM = str(Path(sys.executable).with_name("tenantry"))


class Node(Server):
    """A server whose catalog is on PostgreSQL, and the command line beside it."""

    def __init__(self, data: Path, variables: Mapping[str, str]) -> None:
        self._variables = {
            "TENANTRY_SECRET_KEYS": KEYS,
            "TENANTRY_PROCESSES": "1",
            "TENANTRY_BACKUP_TIME": "off",
            **variables,
        }
        super().__init__(data, env=self._variables)
        self.port = 8000

    @property
    def settings(self) -> Settings:
        """The settings that its commands read."""
        given = {name.removeprefix("TENANTRY_").lower() for name in self._variables}
        values = {name: self._variables[f"TENANTRY_{name}".upper()] for name in given}
        return load_settings(data_dir=self.data, **values)

    def begin(self, *arguments: str) -> subprocess.Popen[str]:
        """Start a command."""
        return subprocess.Popen(
            [PROGRAM, *arguments],
            cwd=ROOT,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str) -> str:
        """Run a command that has to succeed; return what it printed."""
        code, told, problem = self.attempt(*arguments)
        assert code == 0, f"tenantry {' '.join(arguments)}: {problem}{told}"
        return told

    def refused(self, *arguments: str) -> str:
        """Run a command that has to be refused; return what it said."""
        code, told, problem = self.attempt(*arguments)
        assert code == 1, f"tenantry {' '.join(arguments)} ended with {code}: {problem}{told}"
        assert "Traceback" not in problem, problem
        return problem

    def attempt(self, *arguments: str) -> tuple[int, str, str]:
        """Run a command; return its exit code and what it wrote."""
        process = self.begin(*arguments)
        told, problem = process.communicate(timeout=120)
        return process.returncode, told, problem

    def run_all(self, commands: list[list[str]]) -> list[tuple[int, str]]:
        """Run commands one after the other in one process; return exit codes and output."""
        done = subprocess.run(
            [sys.executable, str(COMMANDS)],
            cwd=ROOT,
            env=self.environment,
            input=json.dumps(commands),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return [(code, output) for code, output in json.loads(done.stdout)]

    def tenant_files(self) -> list[Path]:
        """Return everything that is in this node's folder of tenants."""
        return sorted((self.data / "tenants").rglob("*"))
