"""A factory as small as it can be; ``broken-…`` cannot be provisioned."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from tenantry.settings import get_settings

if TYPE_CHECKING:
    from collections.abc import Iterable

    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

    from tenantry.values.tenant import Tenant

DEMONSTRATIONS: dict[str, dict[str, Any]] = {
    "acme": {"name": "Acme", "settings": {"tagline": "Anvils"}},
    "globex": {"name": "Globex", "settings": {}},
}


def create_app(tenant: Tenant) -> WSGIApplication:
    """Return an app that says whose it is."""

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [tenant.slug.encode()]

    return app


def provision(tenant: Tenant) -> None:
    """Make the tenant's folder; fail where the test wants it."""
    folder = get_settings().tenant_dir(tenant.id)
    folder.mkdir(parents=True, exist_ok=True)
    if tenant.slug.startswith("broken"):
        raise RuntimeError("the disk is full")
    while (get_settings().data_dir / "wait").exists():
        time.sleep(0.01)
    (folder / "made").touch()


def demonstrate(tenant: Tenant) -> None:
    """Write down each time that example content is asked for."""
    if (get_settings().data_dir / "stop").exists():
        raise KeyboardInterrupt
    with (get_settings().tenant_dir(tenant.id) / "content").open("a") as file:
        file.write("example\n")
