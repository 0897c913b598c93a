"""What a site does with data that came out of a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import text

from tenantry.databases.placements import tenant_database
from tenants import receive

if TYPE_CHECKING:
    from tests.tenants.helpers import Site


def test_html_out_of_a_file_is_not_shown(site: Site) -> None:
    """It is made again of the Markdown, of which nothing is lost, and by the rules of each kind."""
    site.add_member("ann")
    slug = site.add_post("Hello", "## Some **words**.")
    site.add_comments(slug, 3)
    engine = tenant_database(site.tenant, site.settings).open_engine()
    with engine.begin() as connection:
        for table in ("post", "comment"):
            evil = f"UPDATE {table} SET body_html = '<script>alert(1)</script>'"  # noqa: S608
            connection.execute(text(evil))
    engine.dispose()
    assert "<script>alert" in site.visitor().get(f"/posts/{slug}").text

    receive(site.tenant, site.settings)
    receive(site.tenant, site.settings)  # as after a kill

    page = site.visitor().get(f"/posts/{slug}").text
    assert "<script>alert" not in page
    assert "<strong>words</strong>" in page
    assert "Remark 3." in page


def test_more_texts_than_are_kept_in_memory(site: Site) -> None:
    """None is left out, whatever number it has."""
    engine = tenant_database(site.tenant, site.settings).open_engine()
    site.add_member("ann")
    slug = site.add_post("Hello")
    site.add_comments(slug, 450)
    with engine.begin() as connection:
        connection.execute(text("UPDATE comment SET body_html = 'evil'"))
        connection.execute(text("UPDATE comment SET id = -id WHERE id < 10"))
    receive(site.tenant, site.settings)
    with engine.connect() as connection:
        evil = connection.scalar(text("SELECT count(*) FROM comment WHERE body_html = 'evil'"))
    engine.dispose()
    assert evil == 0
