"""A tenant's app outside of requests: in tasks of Celery and RQ, in threads, in APScheduler's jobs."""

from __future__ import annotations

import sys
import threading
from importlib import import_module
from textwrap import dedent
from typing import TYPE_CHECKING, Any

import pytest
from apscheduler.schedulers.background import BackgroundScheduler
from celery import Celery
from flask import current_app
from redis import Redis
from rq.job import Job

from tenantry import current_tenant, for_tenant
from tenantry.catalog import SYSTEM, open_catalog
from tenantry.errors import NoTenantError, TenantClosedError, TenantNotFoundError
from tenantry.flask.tenant_context import _apps
from tenantry.lifecycle import Operations
from tenantry.settings import get_settings
from tests.conftest import KEY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tenantry.values.tenant import Tenant

SHOP = """
    from flask import Flask
    from flask_sqlalchemy import SQLAlchemy
    db = SQLAlchemy()
    class Item(db.Model):
        id = db.Column(db.Integer, primary_key=True)
        name = db.Column(db.String(80))
    def create_app():
        app = Flask(__name__)
        db.init_app(app)
        return app
"""


@pytest.fixture
def operations(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Operations]:
    """Return the operations of a platform, whose settings are those of the process."""
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "task_shop.py").write_text(dedent(SHOP))
    for name, value in {
        "FACTORY": "task_shop",
        "DATA_DIR": str(tmp_path / "var"),
        "SECRET_KEYS": KEY,
    }.items():
        monkeypatch.setenv(f"TENANTRY_{name}", value)
    _forget()
    settings = get_settings()
    settings.data_dir.mkdir()
    catalog = open_catalog(settings)
    catalog.upgrade()
    yield Operations(catalog, settings=settings, actor=SYSTEM)
    catalog.close()
    sys.modules.pop("task_shop", None)
    _forget()


def _forget() -> None:
    get_settings.cache_clear()
    _apps.cache_clear()


@pytest.fixture
def sites(operations: Operations) -> dict[str, Tenant]:
    """Return two tenants of an app that knows of no tenants."""
    return {slug: operations.create(slug, name=slug) for slug in ("acme", "globex")}


def add(name: str) -> None:
    """Do what the app's own code does: it knows of no tenants."""
    task_shop: Any = import_module("task_shop")

    task_shop.db.session.add(task_shop.Item(name=name))
    task_shop.db.session.commit()


def names() -> list[str]:
    """Return what the current tenant has."""
    task_shop: Any = import_module("task_shop")

    return [item.name for item in task_shop.Item.query.all()]


def names_of(tenant: Tenant) -> list[str]:
    """Return what a tenant has."""
    with for_tenant(tenant):
        return names()


def test_a_block_is_the_tenants(sites: dict[str, Tenant]) -> None:
    """Id, slug and value lead to the same tenant; afterwards there is none."""
    acme = sites["acme"]
    for named in (acme.id, "acme", acme):
        with for_tenant(named) as app:
            assert current_tenant.id == acme.id
            assert current_app._get_current_object() is app  # type: ignore[attr-defined]
    with pytest.raises(NoTenantError):
        current_tenant.id  # noqa: B018 - asked for
    with pytest.raises(TenantNotFoundError), for_tenant("initech"):
        pass


def test_a_deleted_tenants_tasks_do_not_run(
    sites: dict[str, Tenant], operations: Operations
) -> None:
    """A task that was queued before finds that the tenant is gone."""
    with for_tenant(sites["acme"].id):
        pass
    operations.delete("acme")
    with pytest.raises(TenantClosedError, match="'acme' is deleted"), for_tenant(sites["acme"].id):
        pass


def test_threads_do_not_mix(sites: dict[str, Tenant]) -> None:
    """Each thread works for its own tenant, however they meet."""
    together = threading.Barrier(2)

    def work(tenant: Tenant) -> None:
        with for_tenant(tenant.id):
            together.wait(30)
            add(tenant.slug)

    threads = [threading.Thread(target=work, args=(tenant,)) for tenant in sites.values()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {slug: names_of(tenant) for slug, tenant in sites.items()} == {
        "acme": ["acme"],
        "globex": ["globex"],
    }


def tenant_task(celery: Any) -> Callable[[Callable[..., Any]], Any]:
    """Register a task that carries its tenant: the recipe of docs/background.md."""

    def register(work: Callable[..., Any]) -> Any:
        def run(tenant_id: str, *arguments: Any) -> Any:
            with for_tenant(tenant_id):
                return work(*arguments)

        return celery.task(name=work.__name__)(run)

    return register


def test_celery(sites: dict[str, Tenant]) -> None:
    """The id travels with the task; an eager one in another tenant's context is its own, too."""
    celery = Celery("shop", broker="memory://", backend="cache+memory://")
    celery.conf.task_always_eager = True
    task = tenant_task(celery)(add)
    with for_tenant(sites["globex"]):
        task.delay(sites["acme"].id, "by a task").get()
        assert current_tenant.slug == "globex"
    assert names_of(sites["acme"]) == ["by a task"]
    assert names_of(sites["globex"]) == []


def run_for(tenant_id: str, work: Callable[..., Any], *arguments: Any) -> Any:
    """Run a job for a tenant: what RQ and APScheduler are given."""
    with for_tenant(tenant_id):
        return work(*arguments)


def test_rq(sites: dict[str, Tenant]) -> None:
    """RQ's own job, performed as its worker does, without a server of Redis."""
    arguments = (sites["acme"].id, add, "by a job")
    job = Job.create(run_for, args=arguments, connection=Redis())  # which connects to nothing
    job._execute()
    assert names_of(sites["acme"]) == ["by a job"]


def test_apscheduler(sites: dict[str, Tenant]) -> None:
    """Its threads have no app of their own."""
    done = threading.Event()
    scheduler = BackgroundScheduler()
    scheduler.add_listener(lambda _event: done.set())
    scheduler.start()
    try:
        scheduler.add_job(run_for, args=(sites["acme"].id, add, "by a schedule"))
        for _ in range(50):
            if names_of(sites["acme"]):
                break
            done.wait(0.2)
            done.clear()
    finally:
        scheduler.shutdown()
    assert names_of(sites["acme"]) == ["by a schedule"]
    assert names_of(sites["globex"]) == []
