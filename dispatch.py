"""The composition root: settings, catalog, pool, apps; ``application`` is what the server calls.

Nothing imports this module but the server that runs it. Each worker runs it for itself (``lazy-apps``
in uwsgi.ini), so the housekeeping thread starts where it will live.
"""

from __future__ import annotations

import logging
import sys
from functools import partial
from typing import TYPE_CHECKING

from flask import Flask

import backend_app
import frontend_app
from tenantry.catalog import open_catalog
from tenantry.catalog.directory import Directory
from tenantry.databases.placements import find_orphaned_placements
from tenantry.databases.servers import SERVERS, probe
from tenantry.dispatch import build_door
from tenantry.dispatch.probe import Probe
from tenantry.errors import DatabaseUnavailableError, TenantryError
from tenantry.factory import Factory, load_factory
from tenantry.flask import init_tenant
from tenantry.flask.binding import EXTENSION
from tenantry.flask.database import ENGINES
from tenantry.flask.sessions import check_cookie_settings
from tenantry.limits import RateTable, TenantRates
from tenantry.limits.backlog import Listeners
from tenantry.middleware.bodies import BodyLimits
from tenantry.middleware.client_limit import ClientLimit
from tenantry.pool import InstancePool
from tenantry.resources.budget import Budget
from tenantry.resources.gc_control import GcControl
from tenantry.resources.popularity import Popularity
from tenantry.resources.usage import Ledger
from tenantry.settings import get_settings
from tenantry.worker import Reporter
from tenantry.worker.logs import configure_logs
from tenantry.worker.report import WorkerReport
from tenantry.worker.scheduler import PeriodicTask, Scheduler
from tenantry.worker.server import (
    adapt,
    claim_number,
    find_listeners,
    find_server,
    run_at_end,
    run_in_worker,
)
from tenantry.worker.warmup import WarmUp

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

    from tenantry.settings import Settings
    from tenantry.ui.error_pages import Pages
    from tenantry.values.tenant import Tenant

log = logging.getLogger(__name__)

COLLECTOR = GcControl()
KNOWN_HOSTS = 50_000
"""Hosts that a worker remembers even if it keeps few instances; each takes less than a kilobyte."""


def build_instance(tenant: Tenant, *, factory: Factory, settings: Settings) -> WSGIApplication:
    """Build a tenant's app, and bind it to the tenant if it is a Flask app that did not do so."""
    app = factory.build(tenant)
    if isinstance(app, Flask) and EXTENSION in app.extensions:
        check_cookie_settings(app.config)  # it may have been configured after it was bound
    elif isinstance(app, Flask):
        init_tenant(app, tenant, settings=settings)
    return app


def prepare(factory: Factory) -> None:
    """Let the factory make what its tenants share. If it cannot, their builds will tell."""
    try:
        factory.prepare()
    except Exception:
        log.exception("preparing the factory failed")


def check_servers(settings: Settings) -> None:
    """Refuse servers that do not keep tenants apart. One that is down stops nobody else's site.

    It is looked at again when it is first reached.

    :raises UnsafePlacementError: One of them does not.
    """
    for placement in settings.databases:
        if placement.kind == "postgresql":
            try:
                probe(placement)
            except DatabaseUnavailableError as error:
                log.warning("%s", error)
                # Its first visitors need not all wait to find that out again.
                SERVERS.get(placement, settings).note_failure(error)


def create_application(settings: Settings) -> WSGIApplication:
    """Put the platform together.

    :raises SettingsError: A setting is missing.
    :raises CatalogNotReadyError: ``tenantry init`` has not been run for this release.
    :raises UnsafePlacementError: A server does not keep tenants apart.
    """
    configure_logs(settings.log_level)
    check_servers(settings)
    catalog = open_catalog(settings)
    catalog.check_schema()
    for sentence in find_orphaned_placements(settings, catalog.tenants.count_by_placement()):
        log.error(sentence)  # the neighbours' sites are no reason not to start
    directory = Directory(
        catalog,
        domain=settings.domain,
        known=max(KNOWN_HOSTS, 2 * settings.pool_instances),
        lookups=settings.limit_lookups,
    )
    budget = Budget(
        instances=settings.pool_instances,
        memory_mb=settings.pool_memory_mb,
        connections=settings.pool_connections,
        descriptors=settings.pool_descriptors,
    )
    ENGINES.budget = budget
    table = RateTable(settings.run_dir / "rates")
    factory = load_factory(settings.factory)
    prepare(factory)
    probe = Probe(settings)
    listeners = Listeners(find_listeners)
    bodies = BodyLimits.of(settings)
    pool: InstancePool[WSGIApplication] = InstancePool(
        partial(build_instance, factory=factory, settings=settings),
        dispose=factory.dispose,
        probe=probe,
        budget=budget,
        gc_control=COLLECTOR,
        idle_seconds=settings.pool_idle_seconds,
        build_seconds=settings.pool_build_seconds,
        max_waiters=settings.pool_waiters,
        max_waiting=max(1, settings.threads - 1),
        max_in_flight=lambda tenant: settings.in_flight_of(tenant.plan),
        take_tokens=TenantRates(table, settings).take_tokens,
        listeners=listeners,
    )
    directory.subscribe(pool.retire)

    ledger = Ledger()
    directory.subscribe_gone(ledger.forget)
    limits: list[ClientLimit] = []

    def limit_clients(app: WSGIApplication, pages: Pages) -> WSGIApplication:
        rate = settings.limit_client_requests
        limits.append(ClientLimit(app, table=table, rate=rate, pages=pages))
        return limits[0]

    chores = [
        PeriodicTask(1, pool.shed),
        PeriodicTask(1, bodies.senders.abort_overdue),
        PeriodicTask(5, lambda: COLLECTOR.tend(short=budget.shortage() is not None)),
        PeriodicTask(10, pool.evict_idle),
    ]
    starts, ends = [], [pool.close]
    if find_server():  # not in a process that only checks whether the application loads
        worker = claim_number(settings.run_dir / "numbers")
        popularity = Popularity(settings.popular_dir, worker, ledger)
        directory.subscribe_gone(popularity.forget)
        warm_up = WarmUp(
            popularity=popularity,
            catalog=catalog,
            directory=directory,
            pool=pool,
            probe=probe,
            most=settings.pool_warm,
        )
        report = WorkerReport(
            worker=worker,
            pool=pool,
            budget=budget,
            collector=COLLECTOR,
            ledger=ledger,
            connections=lambda: ENGINES.connections,
            refused_clients=lambda: sum(limit.refused for limit in limits),
        )
        reporter = Reporter(settings.workers_dir, report)
        chores.append(PeriodicTask(30, popularity.save))
        starts = [reporter.start, warm_up.start]
        ends += [reporter.stop, popularity.save, warm_up.stop]
    housekeeper = Scheduler(catalog=catalog, directory=directory, chores=chores)

    def start_all() -> None:
        for start in (housekeeper.start, *starts):
            start()

    run_in_worker(start_all)
    for end in ends:
        run_at_end(end)  # the last one registered comes first
    return build_door(
        settings=settings,
        directory=directory,
        pool=pool,
        front=frontend_app.create_app(settings=settings, catalog=catalog),
        backend=backend_app.create_app(
            settings=settings,
            catalog=catalog,
            factory=factory,
            pool=pool,
        ),
        ledger=ledger,
        limit_clients=limit_clients if settings.limit_client_requests else None,
        bodies=bodies,
        listeners=listeners,
    )


try:
    application = adapt(create_application(get_settings()))
except TenantryError:
    sys.tracebacklimit = (
        0  # the sentence tells the operator what to do; where it was raised does not
    )
    raise

# What was loaded up to here lives as long as the worker.
COLLECTOR.begin()
