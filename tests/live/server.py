"""The platform as it is shipped: a data folder, and ``uwsgi --ini uwsgi.ini`` serving from it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import tenants
from tenantry.catalog import SYSTEM, Catalog, open_catalog
from tenantry.factory import Factory
from tenantry.lifecycle import Operations
from tenantry.settings import load_settings
from tests.live.wire import DEADLINE, LOOPBACK, Answer, ask
from tests.tenantry.support import hello

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from tenantry.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
INI = ROOT / "uwsgi.ini"
FACTORIES = Path(__file__).parent / "factories"
SITES = ("acme", "globex", "initech")
START_SECONDS = 3 * DEADLINE
"""Until a server answers whose processors others keep busy; one that ends is noticed at once."""
TRIES = 3
"""Another program may take the free port between our look and the server's start."""


def until(condition: Callable[[], object], *, seconds: float = DEADLINE, why: str = "") -> None:
    """Wait until *condition* holds; fail if it does not within *seconds*."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s: {why or condition}"
        time.sleep(0.02)


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port


def make_data(
    data: Path,
    slugs: Iterable[str] = SITES,
    *,
    provisioned: bool = True,
    domain: str = "localhost",
    databases: Mapping[str, Any] | None = None,
    homes: Mapping[str, str] | None = None,
) -> None:
    """Prepare a data folder with tenants, as ``tenantry init --demo`` does.

    :param provisioned: Make and fill the sites' own databases; not needed by odd factories.
    :param databases: The placements, if there are others than the data folder.
    :param homes: The placements of those tenants that do not live on the first one.
    """
    data.mkdir(parents=True)
    (data / "secret_keys").write_text("0123456789abcdef" * 4)
    settings = load_settings(data_dir=data, domain=domain, databases=databases or ())
    catalog = open_catalog(settings)
    catalog.upgrade()
    # A placement that is named is tried with the app, whose keys are this folder's and not ours.
    factory = Factory(build=lambda _: hello("site"))
    if provisioned:
        factory = Factory(
            build=lambda _: hello("site"),
            provision=partial(tenants.provision, settings=settings),
            demonstrate=partial(tenants.demonstrate, settings=settings),
        )
    for slug in slugs:
        shown = tenants.DEMONSTRATIONS.get(slug, {"name": slug.title(), "settings": {}})
        tenant = Operations(catalog, factory, settings=settings, actor=SYSTEM).create(
            slug,
            name=shown["name"],
            site_settings=shown["settings"],
            owner_email=f"owner@{slug}.test",
            placement=(homes or {}).get(slug),
        )
        factory.demonstrate(tenant)
    catalog.close()


class Server:
    """One running deployment. Use it as a context manager: it always ends, by its process id.

    :param data: Its data folder.
    :param env: Further ``TENANTRY_*`` and other variables.
    :param user: Run as this user, which needs root.
    :param options: Further arguments of uWSGI.
    """

    def __init__(
        self,
        data: Path,
        *,
        env: Mapping[str, str] | None = None,
        user: str | None = None,
        options: Iterable[str] = (),
    ) -> None:
        self.data = data
        self.port = 0
        self.log_file = data.with_name(f"{data.name}.log")
        self.access_file = data.with_name(f"{data.name}.access")
        self._env = dict(env or {})
        self._user = user
        self._options = tuple(options)
        self._process: subprocess.Popen[bytes] | None = None
        self._catalog: Catalog | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    # --- its life -------------------------------------------------------------------------------

    @property
    def environment(self) -> dict[str, str]:
        """What its process, and the command line beside it, is started with."""
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("TENANTRY_")}
        return {
            **inherited,
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONPATH": str(FACTORIES),
            "TENANTRY_DATA_DIR": str(self.data),
            "TENANTRY_PORT": str(self.port),
            "TENANTRY_ACCESS_LOG": str(self.access_file),
            # All requests come from one address here, as fast as they can.
            "TENANTRY_LIMIT_CLIENT_REQUESTS": "0",
            "TENANTRY_LIMIT_TENANT_REQUESTS": "0",
            # Nobody listens there: a test that asks the DNS brings its own.
            "TENANTRY_DNS_RESOLVERS": "127.0.0.1:1",
            **self._env,
        }

    @property
    def command(self) -> list[str]:
        """What starts it."""
        return [str(Path(sys.executable).with_name("uwsgi")), "--ini", str(INI)]

    @property
    def master(self) -> subprocess.Popen[bytes]:
        """The running master process."""
        assert self._process is not None
        return self._process

    def start(self) -> None:
        """Start it and wait until it serves."""
        for _ in range(TRIES):
            self.port = free_port()
            with self.log_file.open("ab") as log:
                self._process = subprocess.Popen(
                    [*self.command, *self._options],
                    cwd=ROOT,
                    env=self.environment,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                    user=self._user,
                    extra_groups=[] if self._user else None,
                )
            if self._wait_for_health():
                return
            if "Address already in use" not in self.log():
                break
        raise AssertionError(f"it does not start:\n{self.log()[-40_000:]}")

    def _wait_for_health(self) -> bool:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self.master.poll() is not None:
                return False
            if self.is_healthy() and len(self.workers()) == self.processes:
                return True
            time.sleep(0.05)
        self.end()
        return False

    @property
    def processes(self) -> int:
        """How many workers it was told to have."""
        return int(self._env.get("TENANTRY_PROCESSES", "2"))

    def is_healthy(self) -> bool:
        """Say whether it answers; over its Unix socket nobody can ask, so the log tells."""
        if "TENANTRY_SOCKET" in self._env:
            return self.log().count("WSGI app 0 (mountpoint='') ready") >= self.processes
        try:
            return ask(self.port, "health.invalid", "/-/health", timeout=5).body == b"ok\n"
        except OSError:
            return False

    def send(self, number: signal.Signals) -> None:
        """Send the master a signal."""
        self.master.send_signal(number)

    def stop(self, number: signal.Signals = signal.SIGTERM, *, seconds: float = DEADLINE) -> int:
        """Ask it to stop, wait, and return its exit code."""
        self.send(number)
        return self.master.wait(seconds)

    def end(self) -> None:
        """End it whatever state it is in, with everything it has started."""
        if self._catalog is not None:
            self._catalog.close()
            self._catalog = None
        process, self._process = self._process, None
        if process is None:
            return
        if process.poll() is None:
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(5)
        # The group may outlive its master; it is ours alone.
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(DEADLINE)

    # --- talking to it --------------------------------------------------------------------------

    def ask(self, host: str, path: str = "/", **options: Any) -> Answer:
        """Send a request; see :func:`tests.live.wire.ask`."""
        return ask(self.port, host, path, **options)

    def site(self, slug: str, path: str = "/", **options: Any) -> Answer:
        """Send a request to a tenant's own host."""
        return ask(self.port, f"{slug}.localhost", path, **options)

    @property
    def catalog(self) -> Catalog:
        """Its catalog, opened by this process as the command line would."""
        if self._catalog is None:
            self._catalog = open_catalog(self.settings)
        return self._catalog

    @property
    def settings(self) -> Settings:
        """The settings of its data folder, as the command line would read them."""
        return load_settings(data_dir=self.data)

    def site_file(self, slug: str) -> Path:
        """Return the path of a tenant's database."""
        return self.settings.tenant_dir(self.catalog.tenants.get(slug).id) / "site.sqlite3"

    # --- looking into it ------------------------------------------------------------------------

    def stats(self) -> bytes:
        """Return what the stats socket tells."""
        with socket.socket(socket.AF_UNIX) as peer:
            peer.settimeout(DEADLINE)
            peer.connect(str(self.data / "run" / "stats.sock"))
            received = bytearray()
            while data := peer.recv(65536):
                received += data
            return bytes(received)

    def workers(self) -> set[int]:
        """Return the process ids of the workers that take requests now."""
        try:
            told = json.loads(self.stats())
        except OSError:
            return set()
        return {w["pid"] for w in told["workers"] if w["pid"] and w["accepting"]}

    def log(self) -> str:
        """Return what the server and the application have written."""
        return self.log_file.read_text(errors="replace") if self.log_file.exists() else ""

    def access_lines(self) -> list[str]:
        """Return the lines of the access log."""
        return self.access_file.read_text().splitlines()


def copy_data(template: Path, target: Path) -> Path:
    """Copy a prepared data folder that no server uses."""
    shutil.copytree(template, target)
    return target


def say(server: Server, *words: str) -> str:
    """Run a command beside the server; return what it says."""
    done = subprocess.run(
        [Path(sys.executable).with_name("tenantry"), *words],
        cwd=ROOT,
        env=server.environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
