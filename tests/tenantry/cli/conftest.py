"""A folder like an operator's, with a small factory of its own, and ways to run the command in it."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from tenantry.catalog import Catalog, open_catalog
from tenantry.cli import main
from tenantry.settings import get_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from click.testing import Result

HERE = Path(__file__).parent
PROGRAM = Path(sys.executable).with_name("tenantry")
SECONDS = 90


@dataclass
class Desk:
    """A working folder; ``run`` runs the command in this process, ``start`` in one of its own."""

    folder: Path
    empty_catalog: Path
    """One on which all migrations have run."""

    started: list[subprocess.Popen[str]] = field(default_factory=list)

    def run(self, *words: str) -> Result:
        """Run the command as far as it goes; it sees the settings of now."""
        get_settings.cache_clear()
        return CliRunner().invoke(main, words)

    def prepare(self) -> None:
        """Run ``tenantry init`` on a catalog that is there: its migrations take most of the time."""
        data = self.folder / "var"
        data.mkdir(mode=0o700)
        shutil.copy(self.empty_catalog, data)
        self.done("init", "--no-link")

    def done(self, *words: str) -> str:
        """Run a command that must succeed, and return what it printed."""
        result = self.run(*words)
        assert result.exit_code == 0, result.output
        return result.stdout

    def refused(self, *words: str) -> str:
        """Run a command that must be refused, and return its one line."""
        result = self.run(*words)
        assert result.exit_code == 1, result.output
        assert isinstance(result.exception, SystemExit)
        assert result.stderr.count("\n") == 1, result.stderr
        return result.stderr

    def start(self, *words: str) -> subprocess.Popen[str]:
        """Start the installed program; what it prints goes to the file ``log``."""
        with (self.folder / "log").open("w") as log:
            process = subprocess.Popen(
                [PROGRAM, *words], cwd=self.folder, stdout=log, stderr=log, text=True
            )
        self.started.append(process)
        return process

    def call(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run the installed program to its end."""
        return subprocess.run(
            [PROGRAM, *words],
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )

    @property
    def log(self) -> str:
        """What a started program has printed so far."""
        return (self.folder / "log").read_text()

    @property
    def catalog(self) -> closing[Catalog]:
        """The catalog as it is now, to be closed."""
        get_settings.cache_clear()
        return closing(open_catalog(get_settings()))


def until(condition: Callable[[], object], *, why: Callable[[], object] = lambda: "") -> None:
    """Wait for another process to reach a state, instead of sleeping and hoping."""
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline, why()
        time.sleep(0.02)


@pytest.fixture
def free_port() -> int:
    """Return a port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def desk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free_port: int, _empty_catalog: Path
) -> Iterator[Desk]:
    """Return an empty working folder with a factory; nothing has been prepared yet."""
    shutil.copy(HERE / "shop.py", tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TENANTRY_FACTORY", "shop:create_app")
    monkeypatch.setenv("TENANTRY_PORT", str(free_port))
    # Nobody listens there: a test that asks the DNS brings its own.
    monkeypatch.setenv("TENANTRY_DNS_RESOLVERS", "127.0.0.1:1")
    path, mask = list(sys.path), os.umask(0o022)
    made = Desk(tmp_path, _empty_catalog)
    yield made
    for process in made.started:
        if process.poll() is None:
            process.terminate()
            process.wait(SECONDS)
    os.umask(mask)
    sys.path[:] = path
    sys.modules.pop("shop", None)
    get_settings.cache_clear()


@pytest.fixture
def ready(desk: Desk) -> Desk:
    """Return a working folder after ``tenantry init``."""
    desk.prepare()
    return desk
