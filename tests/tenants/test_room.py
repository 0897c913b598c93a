"""A site that takes all the room of its plan is read and tidied up, and does not grow."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import pytest

from tenantry.values.tenant import Tenant
from tenants import create_app, provision
from tenants.permissions import Role
from tests.tenants.helpers import PASSWORD, Site, make_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    MakeSite = Callable[..., Site]

JOIN = {"name": "Eve", "email": "eve@mail.test", "password": PASSWORD}


@pytest.fixture
def make_limited(tmp_path: Path, databases: dict[str, str]) -> Iterator[MakeSite]:
    """Return a function that opens one site under different limits of its plan."""
    tenant_id = uuid.uuid4().hex
    sites: list[Site] = []

    def make(**limits: Any) -> Site:
        settings = make_settings(tmp_path, databases=databases, limit_plans={"free": limits})
        # Each is another revision, as after a change of the plan.
        tenant = Tenant(tenant_id, "acme", "Acme", revision=len(sites) + 1)
        provision(tenant, settings)
        sites.append(Site(tenant, settings, create_app(tenant, settings)))
        return sites[-1]

    yield make
    for site in sites:
        site.close()


def test_a_full_site_is_read_and_tidied_up(make_limited: MakeSite) -> None:
    """What would grow is 507 and says why; what was typed stays; pages and deletions go on."""
    site = make_limited(database_mb=0.001)
    author = site.member("ann", Role.EDITOR)
    slug = site.add_post("A post", "Words.")
    (comment,) = site.add_comments(slug)

    writing = author.post("/write", {"title": "More", "body": "More words.", "intent": "publish"})
    assert writing.status_code == 507
    assert "More words." in writing.text
    assert "This site is full" in writing.text
    said = author.post(f"/posts/{slug}/comments", {"text": "Me too."})
    assert said.status_code == 507
    assert "Me too." in said.text
    longer = {"title": "A post", "body": "Words, words, words.", "intent": "save"}
    assert author.edit(slug, longer).status_code == 507
    joining = site.visitor().post("/members/sign-up", JOIN)
    assert joining.status_code == 507
    assert site.find_member("eve") is None

    assert author.get(f"/posts/{slug}").status_code == 200
    shorter = {"title": "A post", "body": "Word", "intent": "save"}
    assert author.edit(slug, shorter).status_code == 303
    assert author.confirm(f"/comments/{comment}/delete").status_code == 303
    assert author.confirm(f"/posts/{slug}/delete").status_code == 303


def test_those_who_can_do_something_about_it_are_told_the_numbers(make_limited: MakeSite) -> None:
    """Editors see it on every page; visitors and members do not."""
    site = make_limited(database_mb=0.001)
    owner, member = site.member("ann", Role.EDITOR), site.member("bob")
    slug = site.add_post()

    assert "of 0.001 MiB" in owner.get("/").text
    for visitor in (member, site.visitor()):
        assert "This site is full" not in visitor.get("/").text
    refused = member.post(f"/posts/{slug}/comments", {"text": "Hello."})
    assert "Its owner or the platform&#39;s operator can make room" in refused.text
    assert "MiB" not in refused.text


def test_with_room_again_it_goes_on(make_limited: MakeSite) -> None:
    """A larger plan holds from the next revision of the tenant on."""
    full = make_limited(database_mb=0.001)
    full.member("ann", Role.EDITOR)
    site = make_limited(database_mb=100)
    author = site.visitor()
    author.sign_in("ann@mail.test")
    assert "This site is full" not in author.get("/").text
    answer = author.post("/write", {"title": "More", "body": "Words.", "intent": "publish"})
    assert answer.status_code == 303


def test_a_crowded_site_takes_nobody_in(make_limited: MakeSite) -> None:
    """403, in the same words for an address that has an account; those who are there write on."""
    site = make_limited(members=1)
    owner = site.member("ann", Role.EDITOR)
    new = site.visitor().post("/members/sign-up", JOIN)
    known = site.visitor().post("/members/sign-up", {**JOIN, "email": "ann@mail.test"})
    assert new.status_code == known.status_code == 403
    for answer in (new, known):
        assert "its maximum number of members" in answer.text
    answer = owner.post("/write", {"title": "More", "body": "Words.", "intent": "publish"})
    assert answer.status_code == 303

    roomier = make_limited(members=2)
    assert roomier.visitor().post("/members/sign-up", JOIN).status_code == 303
