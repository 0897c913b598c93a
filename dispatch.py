"""The composition root: settings, catalog, pool, apps; :func:`start` returns what the server calls.

Nothing imports this module: ``tenantry.wsgi`` loads it from its file, in each worker for itself
(``lazy-apps`` in uwsgi.ini), so background threads start where they will live.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import backend_app
import frontend_app
from tenantry.catalog import open_catalog
from tenantry.catalog.directory import Directory
from tenantry.catalog.joining import join_fleet
from tenantry.catalog.node_lease import Lease
from tenantry.catalog.served_hosts import ServedHosts
from tenantry.databases.engines import ENGINES
from tenantry.databases.placements import find_orphaned_placements, get_server
from tenantry.dispatch import build_door
from tenantry.errors import DatabaseUnavailableError
from tenantry.flask.factories import load_factory
from tenantry.flask.jobs import provide_queue
from tenantry.limits import ClientRates, RateTable, TenantLimits
from tenantry.limits.backlog import Listeners
from tenantry.middleware.bodies import BodyLimits
from tenantry.pool import InstancePool
from tenantry.pool.probe import Probe
from tenantry.resources.budget import Budget
from tenantry.resources.gc_control import GcControl
from tenantry.resources.popularity import Popularity
from tenantry.resources.traffic import TrafficFile
from tenantry.resources.usage import Ledger
from tenantry.worker import Reporter
from tenantry.worker.heartbeat import Heartbeat
from tenantry.worker.logs import configure_logs
from tenantry.worker.node_metrics import NodeMetrics
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
from tenantry.worker.traffic_writer import TrafficWriter
from tenantry.worker.warmup import WarmUp

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

    from tenantry.catalog import Catalog
    from tenantry.factory import Factory
    from tenantry.settings import Settings

log = logging.getLogger(__name__)

GC_CONTROL = GcControl()
KNOWN_HOSTS = 50_000
"""Hosts that a worker remembers even if it keeps few instances; each takes less than a kilobyte."""


@dataclass(frozen=True, kw_only=True)
class Platform:
    """The parts that a worker is put together from."""

    settings: Settings
    catalog: Catalog
    directory: Directory
    served: ServedHosts | None
    """Where a proxy asks for them."""
    factory: Factory
    budget: Budget
    pool: InstancePool[WSGIApplication]
    probe: Probe
    ledger: Ledger
    clients: ClientRates
    bodies: BodyLimits
    listeners: Listeners
    lease: Lease | None
    """The node's, in a fleet."""


def start(settings: Settings) -> WSGIApplication:
    """Return the platform as the server that loads it wants to call it.

    :raises TenantryError: It cannot be put together.
    """
    application = adapt(create_application(settings))
    # What was loaded up to here lives as long as the worker.
    GC_CONTROL.begin()
    return application


def create_application(settings: Settings) -> WSGIApplication:
    """Put the platform together.

    :raises SettingsError: A setting is missing.
    :raises CatalogNotReadyError: ``tenantry init`` has not been run for this release.
    :raises UnsafePlacementError: A server does not keep tenants apart.
    """
    configure_logs(settings.log_level)
    check_servers(settings)
    platform = assemble(settings, open_checked_catalog(settings))
    connect_changes(platform)
    start_background(platform)
    return build_front_door(platform)


def check_servers(settings: Settings) -> None:
    """Refuse servers that do not keep tenants apart. One that is down stops nobody else's site.

    It is looked at again when it is first reached.

    :raises UnsafePlacementError: One of them does not.
    """
    for placement in settings.databases:
        if placement.kind == "postgresql":
            from tenantry.databases.servers import probe  # noqa: PLC0415 - the driver

            try:
                probe(placement)
            except DatabaseUnavailableError as error:
                log.warning("%s", error)
                # Its first visitors need not all wait to find that out again.
                get_server(placement, settings).note_failure(error)


def open_checked_catalog(settings: Settings) -> Catalog:
    """Open the catalog; report placements that tenants need and the settings have lost.

    :raises CatalogNotReadyError: Its schema is not this release's.
    :raises NodeKeysError: Other nodes have other secret keys.
    """
    catalog = open_catalog(settings)
    catalog.check_schema()
    join_fleet(catalog, settings)
    lost = catalog.tenants.count_elsewhere({one.name for one in settings.databases})
    for sentence in find_orphaned_placements(settings, lost):
        log.error(sentence)  # the neighbours' sites are no reason not to start
    return catalog


def assemble(settings: Settings, catalog: Catalog) -> Platform:
    """Make the parts; nothing is started."""
    budget = Budget(
        instances=settings.pool_instances,
        memory_mb=settings.pool_memory_mb,
        connections=settings.pool_connections,
        descriptors=settings.pool_descriptors,
    )
    ENGINES.budget = budget
    factory = load_factory(settings)
    provide_queue(settings, catalog)
    prepare(factory)
    rates = RateTable(settings.run_dir / "rates")
    directory = Directory(
        catalog,
        domain=settings.domain,
        known=max(KNOWN_HOSTS, 2 * settings.pool_instances),
        lookups=settings.limit_lookups,
    )
    served = ServedHosts(catalog, directory) if settings.internal_listen else None
    probe, listeners = Probe(settings), Listeners(find_listeners, threads=settings.threads)
    return Platform(
        settings=settings,
        catalog=catalog,
        directory=directory,
        served=served,
        factory=factory,
        budget=budget,
        pool=build_pool(
            settings=settings,
            factory=factory,
            budget=budget,
            limits=TenantLimits(rates, settings),
            probe=probe,
            listeners=listeners,
        ),
        probe=probe,
        ledger=Ledger(),
        clients=ClientRates(rates, settings.limit_client_requests),
        bodies=BodyLimits.of(settings),
        listeners=listeners,
        lease=Lease(settings) if settings.is_fleet else None,
    )


def prepare(factory: Factory) -> None:
    """Let the factory make what its tenants share. If it cannot, their builds will tell."""
    try:
        factory.prepare()
    except Exception:
        log.exception("preparing the factory failed")


def build_pool(
    *,
    settings: Settings,
    factory: Factory,
    budget: Budget,
    limits: TenantLimits,
    probe: Probe,
    listeners: Listeners,
) -> InstancePool[WSGIApplication]:
    """Return the pool of tenants' instances."""
    return InstancePool(
        factory.build,
        dispose=factory.dispose,
        probe=probe,
        budget=budget,
        gc_control=GC_CONTROL,
        idle_seconds=settings.pool_idle_seconds,
        build_seconds=settings.pool_build_seconds,
        max_waiters=settings.pool_waiters,
        max_waiting=max(1, settings.threads - 1),
        max_in_flight=limits.max_in_flight,
        take_tokens=limits.take_tokens,
        listeners=listeners,
    )


def connect_changes(platform: Platform) -> None:
    """Have what the worker keeps of tenants and of the front page follow the catalog's changes."""
    front_pages = platform.catalog.front_pages
    platform.directory.subscribe_changes(lambda _: front_pages.look_again())
    platform.directory.subscribe(platform.pool.retire)
    platform.directory.subscribe_gone(platform.ledger.forget)


def start_background(platform: Platform) -> None:
    """Register what runs beside requests: it starts in the worker, and ends with it."""
    tasks = [
        PeriodicTask(1, platform.pool.shed),
        PeriodicTask(1, platform.bodies.senders.abort_overdue),
        PeriodicTask(5, lambda: GC_CONTROL.tend(short=platform.budget.shortage() is not None)),
        PeriodicTask(10, platform.pool.evict_idle),
    ]
    if platform.served is not None:
        platform.served.refresh()  # so that the first question finds them
        tasks.append(PeriodicTask(1, platform.served.refresh))
    run_at_end(platform.pool.close)  # the first one registered comes last
    if find_server():  # not in a process that only checks whether the application loads
        tasks += start_worker(platform)
    scheduler = Scheduler(directory=platform.directory, lease=platform.lease, tasks=tasks)
    run_in_worker(scheduler.start)


def start_worker(platform: Platform) -> list[PeriodicTask]:
    """Register what only a server's worker does; return what it does now and then."""
    settings, pool = platform.settings, platform.pool
    number = claim_number(settings.run_dir / "numbers")
    popularity = Popularity(settings.popular_dir, number, platform.ledger)
    traffic = TrafficWriter(platform.ledger, TrafficFile(settings.figures_file))
    for forget in (popularity.forget, traffic.forget):
        platform.directory.subscribe_gone(forget)
    warm_up = WarmUp(
        popularity=popularity,
        catalog=platform.catalog,
        directory=platform.directory,
        pool=pool,
        probe=platform.probe,
        most=settings.pool_warm,
    )
    report = WorkerReport(
        worker=number,
        pool=pool,
        budget=platform.budget,
        gc_control=GC_CONTROL,
        ledger=platform.ledger,
        connections=lambda: ENGINES.connections,
        clients=platform.clients,
        directory=platform.directory,
    )
    reporter = Reporter(settings.workers_dir, report)
    if platform.lease is not None:
        heartbeat = Heartbeat(platform.catalog, settings, platform.lease)
        run_in_worker(heartbeat.start)
        run_at_end(heartbeat.stop)
    for start in (reporter.start, warm_up.start):
        run_in_worker(start)
    for end in (reporter.stop, popularity.save, traffic.write, warm_up.stop):
        run_at_end(end)
    return [PeriodicTask(15, traffic.write), PeriodicTask(30, popularity.save)]


def build_front_door(platform: Platform) -> WSGIApplication:
    """Return the application that the server calls, with the two apps of the platform's own."""
    parts: dict[str, Any] = {
        "settings": platform.settings,
        "catalog": platform.catalog,
        "factory": platform.factory,
        "pool": platform.pool,
    }
    return build_door(
        settings=platform.settings,
        directory=platform.directory,
        pool=platform.pool,
        front=frontend_app.create_app(**parts),
        backend=backend_app.create_app(**parts),
        ledger=platform.ledger,
        clients=platform.clients,
        bodies=platform.bodies,
        listeners=platform.listeners,
        served=platform.served,
        lease=platform.lease,
        metrics=NodeMetrics(platform.settings, platform.catalog, platform.lease),
    )
