"""The composition root: settings, catalog, pool, apps; ``application`` is what the server calls.

Nothing imports this module but the server that runs it. Each worker runs it for itself (``lazy-apps``
in uwsgi.ini), so the housekeeping thread starts where it will live.
"""

from __future__ import annotations

import atexit
import gc
import sys
from functools import partial
from typing import TYPE_CHECKING

from flask import Flask

import backend_app
import frontend_app
from tenantry.catalog import open_catalog, schema
from tenantry.catalog.directory import Directory
from tenantry.dispatch import build_door
from tenantry.errors import TenantryError
from tenantry.factory import Factory, load_factory
from tenantry.flask import init_tenant
from tenantry.flask.binding import EXTENSION
from tenantry.housekeeping import Housekeeper
from tenantry.logs import configure_logs
from tenantry.pool import InstancePool
from tenantry.settings import get_settings

try:
    import uwsgi
except ImportError:  # another server, or the command line
    uwsgi = None

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

    from tenantry.settings import Settings
    from tenantry.tenant import Tenant


def build_instance(tenant: Tenant, *, factory: Factory, settings: Settings) -> WSGIApplication:
    """Build a tenant's app, and bind it to the tenant if it is a Flask app that did not do so."""
    app = factory.build(tenant)
    if isinstance(app, Flask) and EXTENSION not in app.extensions:
        init_tenant(app, tenant, settings=settings)
    return app


def start_in_worker(housekeeper: Housekeeper) -> None:
    """Start the background thread in this process, or in each child of a prefork master."""
    if uwsgi is None or uwsgi.worker_id():
        housekeeper.start()
    else:
        uwsgi.post_fork_hook = housekeeper.start


def create_application(settings: Settings) -> WSGIApplication:
    """Put the platform together.

    :raises SettingsError: A setting is missing.
    :raises CatalogNotReadyError: ``tenantry init`` has not been run for this release.
    """
    configure_logs(settings.log_level)
    catalog = open_catalog(settings)
    schema.check(catalog.engine)
    directory = Directory(catalog, domain=settings.domain, lookups=settings.limit_lookups)
    factory = load_factory(settings.factory)
    pool: InstancePool[WSGIApplication] = InstancePool(
        partial(build_instance, factory=factory, settings=settings),
        dispose=factory.dispose,
        max_instances=settings.pool_instances,
        idle_seconds=settings.pool_idle_seconds,
        build_seconds=settings.pool_build_seconds,
        max_waiters=settings.pool_waiters,
        max_waiting=max(1, settings.threads - 1),
    )
    directory.subscribe(pool.retire)
    housekeeper = Housekeeper(catalog=catalog, directory=directory, pool=pool)
    start_in_worker(housekeeper)
    atexit.register(pool.close)
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
    )


try:
    application = create_application(get_settings())
except TenantryError:
    sys.tracebacklimit = (
        0  # the sentence tells the operator what to do; where it was raised does not
    )
    raise

# What was loaded up to here lives as long as the worker. The collector need not walk through it
# again and again, which stops every thread.
gc.collect()
gc.freeze()
