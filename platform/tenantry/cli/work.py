"""``tenantry work``: a job worker, until it is told to stop."""

from __future__ import annotations

import os
import signal
import sys
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import click

from tenantry.catalog.joining import find_elsewhere, is_drained
from tenantry.catalog.node_lease import Lease
from tenantry.cli.context import ready_catalog
from tenantry.jobs.schedules import platform_schedules
from tenantry.jobs.worker import JobWorker
from tenantry.settings import get_settings
from tenantry.worker.logs import configure_logs
from tenantry.worker.server import end_with_parent

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from tenantry.catalog import Catalog
    from tenantry.factory import Factory
    from tenantry.jobs import JobDefinitions
    from tenantry.settings import Settings
    from tenantry.values.tenant import Tenant

BUILD_SECONDS = 60.0
"""How long a job waits for its tenant's app: nobody waits for the job."""


@click.command()
@click.option("--threads", type=click.IntRange(1, 64), help="Jobs at once.  [TENANTRY_JOB_THREADS]")
@click.option("--until-empty", is_flag=True, help="End when no job is due.")
@click.option("--attached", is_flag=True, help="End with the process that has started this one.")
def work(*, threads: int | None, until_empty: bool, attached: bool) -> None:
    """Run jobs until Ctrl-C or SIGTERM.

    The server starts one job worker by itself; start more here or on other machines of the platform.
    SIGTERM lets the running jobs end, or gives them back to other workers. SIGHUP does the same and
    then starts anew, with new code.
    """
    settings = get_settings()
    if attached:
        end_with_parent(signal.SIGTERM, os.getppid())
    configure_logs(settings.log_level)
    with ready_catalog(settings) as catalog:
        lease = Lease(settings) if settings.is_fleet else None
        apps = _Apps(catalog, settings)
        worker = JobWorker(
            catalog,
            apps.load_definitions,
            threads=threads or settings.job_threads,
            entering=apps.enter,
            schedules=() if until_empty else platform_schedules(settings),
            find_elsewhere=partial(find_elsewhere, catalog, settings),
            is_drained=partial(is_drained, catalog, settings),
            has_listener=lambda: lease is not None and lease.has_listener,
        )
        restarts = _obey_signals(worker)
        has_ended = worker.run(until_empty=until_empty)
        apps.close()
    if restarts and has_ended:
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606 - itself
    if not has_ended:
        os._exit(0)  # a job's thread still runs, and another worker may take the job up now


def _obey_signals(worker: JobWorker) -> list[int]:
    """Let signals stop the worker, a second one at once; return what fills up if it is to restart."""
    restarts: list[int] = []
    stops: list[int] = []

    def obey(number: int, _frame: Any) -> None:
        if stops and number != signal.SIGHUP:
            os._exit(1)
        if number == signal.SIGHUP:
            restarts.append(number)
        else:
            stops.append(number)
            restarts.clear()
        worker.stop()

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, obey)
    # A signal ends the worker's sleep.
    signal.set_wakeup_fd(worker.waiter.signal_descriptor, warn_on_full_buffer=False)
    return restarts


class _Apps:
    """The factory and its apps, loaded when a job needs them."""

    def __init__(self, catalog: Catalog, settings: Settings) -> None:
        self._catalog = catalog
        self._settings = settings
        self._closes: list[Any] = []

    @cached_property
    def factory(self) -> Factory:
        from tenantry.flask.factories import load_factory  # noqa: PLC0415 - imports the apps

        return load_factory(self._settings)

    def load_definitions(self) -> JobDefinitions:
        """Return all jobs of the platform, its apps and the factory."""
        from tenantry.flask.jobs import provide_queue  # noqa: PLC0415 - see above
        from tenantry.jobs import JobDefinitions  # noqa: PLC0415
        from tenantry.lifecycle.jobs import operation_jobs  # noqa: PLC0415
        from tenantry.mail import mail_jobs  # noqa: PLC0415

        provide_queue(self._settings, self._catalog)
        return JobDefinitions(
            mail_jobs(self._catalog, self._settings),
            operation_jobs(self._catalog, self._settings, self.factory),
            self.factory.jobs,
        )

    def enter(self, tenant: Tenant) -> AbstractContextManager[None]:
        """Enter the context of the tenant's app."""
        entered: AbstractContextManager[None] = self._contexts(tenant)
        return entered

    @cached_property
    def _contexts(self) -> Any:
        from tenantry.databases.engines import ENGINES  # noqa: PLC0415 - see above
        from tenantry.flask.jobs import AppContexts  # noqa: PLC0415
        from tenantry.pool import InstancePool  # noqa: PLC0415
        from tenantry.resources.budget import Budget  # noqa: PLC0415

        settings = self._settings
        ENGINES.budget = budget = Budget(
            instances=settings.pool_instances,
            memory_mb=settings.pool_memory_mb,
            connections=settings.pool_connections,
            descriptors=settings.pool_descriptors,
        )
        self.factory.prepare()
        pool: InstancePool[Any] = InstancePool(
            self.factory.build,
            dispose=self.factory.dispose,
            budget=budget,
            idle_seconds=settings.pool_idle_seconds,
            build_seconds=BUILD_SECONDS,
            max_waiters=settings.job_threads,
            max_waiting=settings.job_threads,
        )
        self._closes.append(pool.close)
        return AppContexts(pool)

    def close(self) -> None:
        """Close the apps."""
        for close in self._closes:
            close()
