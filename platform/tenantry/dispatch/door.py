"""Builds the front door: the middleware, dispatchers and mounts of every request.

Each layer gets the next one as its method ``__call__``. Python calls a method in less than half of the
time that it takes to call the object, and a request passes a dozen of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from werkzeug.middleware.proxy_fix import ProxyFix

from tenantry.dispatch.canonical_host import HttpsOnly, ToPrimaryHost
from tenantry.dispatch.fleet_gate import FleetGate
from tenantry.dispatch.mounts import Mounts
from tenantry.dispatch.path import PathDispatcher
from tenantry.dispatch.redirect_renamed import redirect_renamed
from tenantry.dispatch.serving import InstanceServer
from tenantry.dispatch.subdomain import SubdomainDispatcher
from tenantry.environ import BODY
from tenantry.middleware.access_log import AccessLog
from tenantry.middleware.acme_challenges import AcmeChallenges
from tenantry.middleware.assets import Assets
from tenantry.middleware.bodies import BodyLimits
from tenantry.middleware.client_limit import ClientLimit
from tenantry.middleware.compression import Compression
from tenantry.middleware.gate import RequestGate
from tenantry.middleware.health import Health
from tenantry.middleware.in_flight import InFlightLimit
from tenantry.middleware.internal import InternalEndpoints
from tenantry.middleware.time_limit import TimeLimit
from tenantry.ui.error_pages import Pages
from tenantry.worker.server import find_local_address, run_in_worker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

    from tenantry.catalog.directory import Directory
    from tenantry.catalog.node_lease import Lease
    from tenantry.catalog.served_hosts import ServedHosts
    from tenantry.limits import ClientRates
    from tenantry.limits.backlog import Listeners
    from tenantry.pool import InstancePool
    from tenantry.resources.usage import Ledger
    from tenantry.settings import Settings

BACKEND = "/backend"


def build_door(
    *,
    settings: Settings,
    directory: Directory,
    pool: InstancePool[WSGIApplication],
    front: WSGIApplication,
    backend: WSGIApplication,
    ledger: Ledger | None = None,
    clients: ClientRates | None = None,
    bodies: BodyLimits | None = None,
    listeners: Listeners | None = None,
    served: ServedHosts | None = None,
    lease: Lease | None = None,
    metrics: Callable[[], bytes] = bytes,
) -> WSGIApplication:
    """Return the application that the server calls.

    :param front: The app of the apex.
    :param backend: The admin app; on a tenant's host it finds ``environ["tenantry.tenant"]``.
    :param ledger: Where the tenants' requests are added up.
    :param clients: How often each client may ask. Requests for shared assets do not count.
    :param bodies: What a body may carry, and who is sending; by default what the settings say.
    :param listeners: Tells whether a connection is queued for which no thread is free.
    :param lease: The node's, in a fleet.
    :param metrics: Returns the node's figures for Prometheus.
    :param served: The custom hosts that may get a certificate, where there is an internal listener.
    """
    pages = Pages(settings.apex_url)
    time_limit = None
    if settings.limit_request_seconds:
        time_limit = TimeLimit(settings.limit_request_seconds, pages=pages)
        run_in_worker(time_limit.start)

    def limited(app: WSGIApplication) -> WSGIApplication:
        if time_limit is not None:
            app = time_limit.around(app)
        most = settings.limit_in_flight or max(1, settings.threads - 1)
        return InFlightLimit(app, most=most, pages=pages, listeners=listeners).__call__

    app: WSGIApplication = build_dispatcher(
        settings=settings,
        directory=directory,
        pool=pool,
        front=limited(front),
        backend=limited(backend),
        pages=pages,
        time_limit=time_limit,
        lease=lease,
    )
    if clients is not None and clients.rate:
        app = ClientLimit(app, rates=clients, pages=pages).__call__
    app = Assets(Compression(app).__call__).__call__
    if settings.trusted_proxies:
        # Host alone names the tenant: never x_host, never x_prefix (R1, R4).
        hops = settings.trusted_proxies
        app = ProxyFix(app, x_for=hops, x_proto=hops, x_host=0, x_port=0, x_prefix=0).__call__
    app = RequestGate(
        app,
        pages=pages,
        hops=settings.trusted_proxies,
        bodies=bodies or BodyLimits.of(settings),
        dechunked=bool(settings.socket),
        loopback=lead_home(settings.url_of(settings.domain)) if settings.is_local else None,
    ).__call__
    # Without trusted proxies, only nginx over the uwsgi protocol can have set the request's id.
    proxied = bool(settings.trusted_proxies or settings.socket)
    app = AccessLog(
        app,
        settings.access_log,
        pages=pages,
        ledger=ledger,
        busy=listeners.busy if listeners is not None else None,
        ids_from_proxy=proxied,
    ).__call__
    app = AcmeChallenges(app, settings.acme_dir).__call__
    if settings.internal_address is not None and served is not None:
        app = InternalEndpoints(
            app,
            address=settings.internal_address,
            find_address=find_local_address,
            own_hosts=settings.own_hosts,
            served=served,
            directory=directory,
            metrics=metrics,
            lease=lease,
        ).__call__
    return Health(app).__call__


def build_dispatcher(
    *,
    settings: Settings,
    directory: Directory,
    pool: InstancePool[WSGIApplication],
    front: WSGIApplication,
    backend: WSGIApplication,
    pages: Pages,
    time_limit: TimeLimit | None = None,
    lease: Lease | None = None,
) -> WSGIApplication:
    """Return the part that finds the app: hosts, paths and mounts."""
    instances: WSGIApplication = InstanceServer(pool, pages=pages, time_limit=time_limit).__call__
    if settings.is_fleet:
        instances = FleetGate(
            instances,
            pages=pages,
            find_other_node=settings.find_other_node,
            lease=lease if settings.without_catalog == "close" else None,
        ).__call__
    knows_scheme = settings.trusted_proxies or settings.socket

    def site(app: WSGIApplication) -> WSGIApplication:
        # Whichever host it is, /backend is the admin app: in reach if a domain is misconfigured.
        mounted = Mounts(app, {BACKEND: backend}).__call__
        if settings.https and knows_scheme:
            return HttpsOnly(mounted, url_of=settings.url_of).__call__
        return mounted

    apex: dict[str, WSGIApplication] = {BACKEND: backend}
    platform: dict[str, WSGIApplication] = {}
    if settings.backend_host:
        apex[BACKEND] = redirect_to(settings.backend_url)
        # The pages of accounts are there too: see frontend_app/hosts.py.
        platform[settings.backend_host] = Mounts(front, {BACKEND: backend}).__call__
    if settings.routing != "subdomain":
        # Visitors' scripts and the backend would share an origin here (R21).
        inner = instances
        if settings.allow_shared_origin:
            inner = Mounts(instances, {BACKEND: backend}).__call__
        apex[settings.path_prefix] = PathDispatcher(
            inner, directory=directory, pages=pages
        ).__call__
    platform[settings.domain] = Mounts(front, apex).__call__
    platform[f"www.{settings.domain}"] = redirect_to(settings.apex_url)
    return SubdomainDispatcher(
        site(instances),
        elsewhere=site(ToPrimaryHost(url_of=settings.url_of).__call__),
        platform=platform,
        unknown=_unread(front),
        domain=settings.domain,
        directory=None if settings.routing == "path" else directory,
        url_of=settings.url_of,
        pages=pages,
    ).__call__


def _unread(app: WSGIApplication) -> WSGIApplication:
    """Return an app that answers without the body: nobody reads what is sent to no site."""

    def unread(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        environ.pop(BODY, None)
        return app(environ, start_response)

    return unread


def lead_home(origin: str) -> WSGIApplication:
    """Return an app that leads from this machine's bare address to the same page of the apex."""

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        path, status = environ["PATH_INFO"], "307 Temporary Redirect"
        return redirect_renamed(origin, path, environ, start_response, status=status)

    return app


def redirect_to(url: str) -> WSGIApplication:
    """Return an app that sends everyone to *url*."""

    def app(_environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        start_response("308 Permanent Redirect", [("Location", url), ("Content-Length", "0")])
        return [b""]

    return app
