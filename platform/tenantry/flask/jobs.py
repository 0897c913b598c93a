"""Jobs of tenants' apps: enqueue them, and run them in the app's context."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from flask import Flask, current_app, has_request_context, request

from tenantry.catalog import SYSTEM, Actor, open_catalog
from tenantry.environ import REQUEST_ID
from tenantry.errors import BadJobError
from tenantry.factory import load_factory
from tenantry.flask.binding import EXTENSION, find_settings
from tenantry.jobs import JobDefinitions, JobQueue
from tenantry.mail import Outbox, mail_jobs

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tenantry.catalog import Catalog, Job
    from tenantry.pool import InstancePool
    from tenantry.settings import Settings
    from tenantry.values.tenant import Tenant


@dataclass(frozen=True, slots=True)
class Queues:
    """Where the apps of a process leave work."""

    queue: JobQueue
    outbox: Outbox


_queues: dict[tuple[str, Path], Queues] = {}
"""By catalog and data folder; a process has one."""


def enqueue(name: str, /, *, key: str | None = None, delay: float = 0.0, **arguments: Any) -> Job:
    """Have a job done by a worker, in the context of this tenant's app.

    The job is recorded when this returns. If it works on rows that this request writes, commit them
    first. Nothing happens while the tenant is suspended or quiet; the job waits.

    :param name: Of a job in the factory's ``JOBS``.
    :param key: If this tenant has a job of this name with the same key already, that one is returned.
    :param delay: Seconds until it may start.
    :param arguments: What its function gets beside the run: JSON.
    :raises UnknownJobError: There is no such job.
    :raises BadJobError: The arguments do not fit, or no app is at work.
    :raises JobQueueFullError: Too many jobs of this tenant wait.
    """
    binding = current_app.extensions.get(EXTENSION) if current_app else None
    if binding is None:
        raise BadJobError(name, "enqueue() works inside an app; use `with app.app_context()`")
    queue = find_queue()
    return queue.enqueue(
        name,
        arguments,
        tenant_id=None if binding.tenant is None else binding.tenant.id,
        key=key,
        due_at=queue.jobs.clock() + timedelta(seconds=delay) if delay > 0 else None,
        by=find_actor(),
    )


def find_actor() -> Actor:
    """Return who asks in a tenant's app: its visitor, as far as the platform knows."""
    if not has_request_context():
        return SYSTEM
    request_id = request.environ.get(REQUEST_ID)
    return Actor("visitor", "visitor", ip=request.remote_addr, request_id=request_id)


def find_queue() -> JobQueue:
    """Return this process's queue for the apps' own jobs."""
    return _find_queues().queue


def find_outbox() -> Outbox:
    """Return what sends this process's mail."""
    return _find_queues().outbox


def provide_queue(settings: Settings, catalog: Catalog) -> None:
    """Let the apps of this process use the catalog that it has open.

    :raises BadJobError: The factory's ``JOBS`` are none, or have the name of another job.
    """
    own = load_factory(settings.factory, settings.factory_args).jobs
    queue = JobQueue(catalog.jobs, JobDefinitions(mail_jobs(catalog, settings), own))
    _queues[settings.catalog_url, settings.data_dir] = Queues(
        queue, Outbox(catalog, queue, settings)
    )


def _find_queues() -> Queues:
    settings = find_settings()
    key = (settings.catalog_url, settings.data_dir)
    if key not in _queues:  # a script, or a command of the app
        provide_queue(settings, open_catalog(settings))
    return _queues[key]


class AppContexts:
    """Lends tenants' apps to jobs: each runs in the context of its tenant's instance."""

    def __init__(self, pool: InstancePool[Any]) -> None:
        self._pool = pool

    @contextmanager
    def __call__(self, tenant: Tenant) -> Iterator[None]:
        """Enter the context of the tenant's app; one that is no Flask app has none."""
        with self._pool.acquire(tenant) as lease:
            if not isinstance(lease.instance, Flask):
                yield
                return
            with lease.instance.app_context():
                yield
