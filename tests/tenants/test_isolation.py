"""Two sites side by side know nothing of each other."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from tenantry.flask.freezing import is_shared
from tests.tenants.helpers import PASSWORD

if TYPE_CHECKING:
    from tests.tenants.helpers import Site


def test_a_cookie_of_one_site_is_nothing_on_the_next(site: Site, other_site: Site) -> None:
    """The same member id and the same cookie make a visitor next door (R15)."""
    member = site.member()
    other_site.add_member()
    cookie = member.client.get_cookie("session", domain="acme.example.test")
    assert cookie is not None
    thief = other_site.visitor()
    thief.client.set_cookie("session", cookie.value, domain="acme.example.test")
    assert member.is_signed_in()
    assert not thief.is_signed_in()


def test_members_belong_to_one_site(site: Site, other_site: Site) -> None:
    """An account here opens nothing there."""
    email = site.add_member()
    assert site.visitor().sign_in(email, PASSWORD).status_code == 303
    assert other_site.visitor().sign_in(email, PASSWORD).status_code == 422


def test_posts_belong_to_one_site(site: Site, other_site: Site) -> None:
    """What is written here is not there."""
    site.add_member()
    slug = site.add_post("Only here")
    assert site.visitor().get(f"/posts/{slug}").status_code == 200
    assert other_site.visitor().get(f"/posts/{slug}").status_code == 404
    assert "Only here" not in other_site.visitor().get("/").text
    assert "Only here" not in other_site.visitor().get("/feed.xml").text


def test_sites_answer_side_by_side(site: Site, other_site: Site) -> None:
    """Threads that serve different sites at once never mix them up."""
    for one in (site, other_site):
        one.add_member()
        one.add_post(f"Post of {one.tenant.slug}")

    def read(number: int) -> bool:
        one, two = (site, other_site) if number % 2 else (other_site, site)
        page = one.visitor().get("/").text
        return f"Post of {one.tenant.slug}" in page and two.tenant.slug.title() not in page

    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(read, range(80)))


def test_an_entry_link_opens_one_site(site: Site, other_site: Site) -> None:
    """A link made for one site is refused by the next."""
    with site.app.app_context():
        management = site.app.extensions["tenantry.management"]
        path = management.entry_path(email="o@mail.test", name="O")
    assert other_site.visitor().get(path).status_code == 403
    assert site.visitor().get(path).status_code == 303


def test_sites_share_everything_that_is_no_tenants(site: Site, other_site: Site) -> None:
    """Routes and views are the same for every tenant, so that instances can share them."""
    one, two = site.app, other_site.app
    assert is_shared(one)
    assert [str(rule) for rule in one.url_map.iter_rules()] == [
        str(rule) for rule in two.url_map.iter_rules()
    ]
    for name, view in one.view_functions.items():
        assert two.view_functions[name] is view, name
