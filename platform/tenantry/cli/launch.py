"""The command line of each server that ``tenantry serve`` starts."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tenantry.errors import SettingsError
from tenantry.files.disk import is_file
from tenantry.files.shipped import find_shipped
from tenantry.settings import PREFIX
from tenantry.worker.server import LISTEN

if TYPE_CHECKING:
    from tenantry.settings import Settings

SERVERS = ("uwsgi", "gunicorn", "granian")

SOMAXCONN = Path("/proc/sys/net/core/somaxconn")

STOP_SECONDS = 30
"""For a worker's last requests; `worker-reload-mercy` in uwsgi.ini says the same."""

GRANIAN_RELOAD_SECONDS = 20
"""Between the start of a new worker and the end of the old one, in a reload. Granian does not look
whether the new one serves yet."""

SERVER_SETTINGS = (
    "application",
    "data_dir",
    "bind",
    "port",
    "socket",
    "internal_listen",
    "processes",
    "threads",
    "limit_body_mb",
    "pool_memory_mb",
)
"""Settings that uwsgi.ini reads; it knows the environment, not the file .env."""


def command_of(server: str, settings: Settings) -> list[str]:
    """Return the command that starts one of :data:`SERVERS`.

    :raises click.ClickException: It is not installed.
    :raises SettingsError: It cannot listen where the settings say.
    """
    if server == "uwsgi":
        # The last `listen` counts, so ours comes after the file's.
        return [str(find_uwsgi()), "--ini", str(find_ini()), *listen_options(), "--no-orphans"]
    if find_spec(server) is None:
        raise click.ClickException(
            f"{server} is not installed; `pip install 'tenantry[{server}]'` brings it."
        )
    if settings.socket:
        problem = f"only uWSGI speaks its protocol; remove the setting for {server}"
        raise SettingsError(f"{PREFIX}SOCKET", settings.socket, problem)
    if settings.internal_listen and server == "granian":
        problem = "Granian has one listener only; remove the setting, or use another server"
        raise SettingsError(f"{PREFIX}INTERNAL_LISTEN", settings.internal_listen, problem)
    if server == "gunicorn":
        return [sys.executable, "-m", "gunicorn", "--config", "python:tenantry.gunicorn_conf"]
    return granian_command(settings)


def granian_command(settings: Settings) -> list[str]:
    """Return the command that starts Granian."""
    options: dict[str, object] = {
        "interface": "wsgi",
        "http": "1",
        "host": settings.address,
        "port": settings.port,
        "backlog": LISTEN,
        "workers": settings.processes,
        # More requests than threads would wait inside, where neither the platform sees them nor
        # another worker can take them.
        "blocking-threads": settings.threads,
        "backpressure": settings.threads,
        "workers-kill-timeout": STOP_SECONDS,
        "workers-max-rss": settings.pool_memory_mb + 256,
        "respawn-interval": GRANIAN_RELOAD_SECONDS,
        "log-level": "warning",
    }
    words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    return [
        *(sys.executable, "-m", "granian"),
        *words,
        "--no-ws",
        "--no-http1-keep-alive",
        "--respawn-failed-workers",
        settings.application,
    ]


def job_worker_command() -> list[str]:
    """Return the command that starts a job worker, which ends with this process."""
    return [str(Path(sys.executable).with_name("tenantry")), "work", "--attached"]


def environment_of(settings: Settings) -> dict[str, str]:
    """Return this process's environment, with what uwsgi.ini reads made explicit."""
    values = {name: str(getattr(settings, name)) for name in SERVER_SETTINGS}
    explicit = {f"{PREFIX}{name}".upper(): value for name, value in values.items() if value}
    return {**os.environ, **explicit}


def find_ini() -> Path:
    """Return the operator's own uwsgi.ini, or the one that comes with Tenantry."""
    own = Path("uwsgi.ini")
    return own if is_file(own) else find_shipped("uwsgi.ini", "uwsgi.ini")


def find_uwsgi() -> Path:
    """Return the uWSGI that was installed beside this Python."""
    path = Path(sys.executable).with_name("uwsgi")
    if not is_file(path):
        raise click.ClickException(f"There is no {path}; `pip install pyuwsgi` puts it there.")
    return path


def listen_options(somaxconn: Path = SOMAXCONN) -> list[str]:
    """Return what makes uWSGI ask for a shorter queue where the kernel allows no longer one."""
    try:
        allowed = int(somaxconn.read_text())
    except (OSError, ValueError):
        return []
    if allowed >= LISTEN:
        return []
    click.echo(
        f"Warning: the kernel lets {allowed} connections wait (net.core.somaxconn), not {LISTEN}.",
        err=True,
    )
    return ["--listen", str(allowed)]
