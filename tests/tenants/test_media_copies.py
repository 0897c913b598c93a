"""Uploaded files follow their site: into bundles, clones and backups, to another kind of database."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from io import BytesIO
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from tenantry.catalog import SYSTEM, Catalog
from tenantry.factory import load_factory
from tenantry.lifecycle import Operations
from tenants import create_app, provision, receive
from tenants.permissions import Role
from tests.tenants.helpers import ADDRESS, Site

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tenantry.settings import Settings
    from tenantry.values.tenant import Tenant

    Open = Callable[[Tenant], Site]


@pytest.fixture
def settings(make_settings: Callable[..., Settings], server_url: str) -> Settings:
    """Return settings with a placement of each kind."""
    places = {"local": "sqlite", "main": {"url": server_url, "connections": 4}}
    return make_settings(databases=places, **ADDRESS)


@pytest.fixture
def open_site(settings: Settings) -> Iterator[Open]:
    """Return a function that opens a tenant's site."""
    sites: list[Site] = []

    def make(tenant: Tenant) -> Site:
        sites.append(Site(tenant, settings, create_app(tenant, settings)))
        return sites[-1]

    yield make
    for site in sites:
        site.close()


@pytest.mark.postgresql
def test_files_follow_their_site(
    catalog: Catalog, settings: Settings, open_site: Open, tmp_path: Path
) -> None:
    """R46, R42: what was uploaded is served and verified in each copy; a purge leaves nothing."""
    factory = replace(
        load_factory("tenants:create_app"),
        build=partial(create_app, settings=settings),
        provision=partial(provision, settings=settings),
        receive=partial(receive, settings=settings),
    )
    operations = Operations(catalog, factory, settings=settings, actor=SYSTEM)
    site = open_site(operations.create("acme", name="Acme"))
    site.add_member("ann", Role.EDITOR)
    buffer = BytesIO()
    Image.new("RGB", (600, 400), "green").save(buffer, "PNG")
    key = site.add_file("ann", buffer.getvalue(), name="lawn.png", alt="A lawn")
    site.add_post("T", f"![](/media/{key})")

    def is_whole(site: Site) -> bool:
        page = site.visitor().get("/posts/t").text
        served = site.visitor().get(f"/media/{key}/480.webp", buffered=True)
        checked = site.app.test_cli_runner().invoke(args=["media", "verify"])
        assert 'alt="A lawn"' in page
        return served.status_code == 200 and checked.exit_code == 0

    assert is_whole(site)
    operations.export("acme", tmp_path / "acme.tenant")
    imported = operations.import_(tmp_path / "acme.tenant", slug="imported")
    assert is_whole(open_site(imported))
    assert is_whole(open_site(operations.clone("acme", "copy")))

    operations.backup("acme")
    editor = site.visitor()
    editor.sign_in("ann@mail.test")
    editor.confirm(f"/media/{key}/delete")
    assert editor.get(f"/media/{key}/480.webp").status_code == 404
    assert is_whole(open_site(operations.restore("acme", drain=0)))

    operations.move("acme", "main")
    moved = catalog.tenants.get("acme")
    assert moved.placement == "main"
    assert is_whole(open_site(moved))

    operations.delete("acme")
    operations.purge("acme", early=True)
    assert not settings.tenant_dir(moved.id).exists()
