"""What search engines are told: where not to look, and which pages there are."""

from __future__ import annotations

from xml.etree import ElementTree as ET

from flask import Blueprint, Response

from tenantry import current_tenant
from tenants.addresses import endpoint_of
from tenants.look import path_of, public_url
from tenants.publication import public_page
from tenants.reading import list_addresses, list_tags

bp = Blueprint("discovery", __name__)

SITEMAP = "http://www.sitemaps.org/schemas/sitemap/0.9"
CLOSED = ("/backend/", "/members/", "/drafts", "/write", "/search")
FRESH_SECONDS = 3600


@bp.get("/robots.txt")
def robots() -> Response:
    """Keep search engines to what visitors see.

    A copy names no sitemap. It closes nothing more either: its pages say ``noindex``, and an engine
    has to read that.
    """
    lines = ["User-agent: *", *(f"Disallow: {path}" for path in CLOSED)]
    if not current_tenant.quiet:
        lines.append(f"Sitemap: {public_url('discovery.sitemap')}")
    response = Response("\n".join(lines) + "\n", content_type="text/plain; charset=utf-8")
    response.cache_control.public = True
    response.cache_control.max_age = FRESH_SECONDS
    return response


@bp.get("/sitemap.xml")
@public_page
def sitemap() -> Response:
    """List the front page, the published posts and pages, and the tags."""
    root = ET.Element("urlset", {"xmlns": SITEMAP})
    ET.SubElement(ET.SubElement(root, "url"), "loc").text = public_url("pages.front")
    origin = public_url("pages.front").removesuffix(path_of("pages.front"))
    for slug, is_page, changed in list_addresses():
        entry = ET.SubElement(root, "url")
        ET.SubElement(entry, "loc").text = origin + path_of(endpoint_of(is_page), slug=slug)
        ET.SubElement(entry, "lastmod").text = changed.strftime("%Y-%m-%dT%H:%M:%SZ")
    for tag in list_tags():
        entry = ET.SubElement(root, "url")
        ET.SubElement(entry, "loc").text = origin + path_of("tags.tag", slug=tag.slug)
    xml = ET.tostring(root, encoding="unicode", xml_declaration=True)
    return Response(xml, content_type="application/xml; charset=utf-8")
