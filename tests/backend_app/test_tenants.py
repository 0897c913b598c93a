"""The operators' pages: tenants, accounts, the audit trail."""

from __future__ import annotations

import csv
import html
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from backend_app.lost_sites import LostSitesWatch
from backend_app.tenant_table import COLUMNS
from tenantry.catalog import SYSTEM
from tenantry.lifecycle import Operations
from tenantry.values.tenant import TenantState
from tests.markup import find_flaws

if TYPE_CHECKING:
    from tests.backend_app.conftest import Browser, World


SOON = datetime.now(UTC) + timedelta(days=3)


def rows(page: str) -> list[str]:
    """Return the slugs of the table's rows, in order."""
    return re.findall(r'<td data-label="Address"><a href="/backend/tenants/([a-z0-9-]+)">', page)


@pytest.fixture
def many(world: World) -> World:
    """Return the platform with thirty sites more."""
    for number in range(30):
        world.catalog.tenants.add(f"site-{number:02}", name=f"Name {99 - number}", by=SYSTEM)
    return world


def test_the_table_is_searched(many: World, operator: Browser) -> None:
    """By slug, name or host, and a wildcard is only a character."""
    acme = many.catalog.tenants.get("acme")
    many.catalog.hosts.add(acme.id, "bakery.example.org", proof="operator", by=SYSTEM)
    assert rows(operator.get("/tenants?search=site-07").text) == ["site-07"]
    assert rows(operator.get("/tenants?search=name+92").text) == ["site-07"]
    assert rows(operator.get("/tenants?search=bakery").text) == ["acme"]
    assert "No sites match “%”" in operator.get("/tenants?search=%25").text


def test_its_columns_are_chosen(world: World, operator: Browser) -> None:
    """They are a part of the address, and stay there with each search, page and sort."""
    usual = operator.get("/tenants").text
    assert 'data-label="Placement"' in usual
    assert 'data-label="Id"' not in usual
    page = operator.get("/tenants?column=id&column=state&column=password_hash").text
    assert find_flaws(page) == []
    assert re.findall(r'<td data-label="([^"]+)"', page)[:3] == ["Address", "State", "Id"]
    assert world.catalog.tenants.get("acme").id in page
    assert "/backend/tenants?sort=state&amp;column=state&amp;column=id" in page
    assert page.count('<input type="hidden" name="column" value="id">') == 1
    every = "&".join(f"column={name}" for name in COLUMNS)
    assert 'data-label="Schema"' in operator.get(f"/tenants?{every}").text
    assert rows(operator.get("/tenants?column=none").text) == ["acme", "bolt"]


def test_the_table_is_sorted(many: World, operator: Browser) -> None:
    """By a column, forwards and backwards; what is no column is ignored."""
    assert rows(operator.get("/tenants?sort=-slug").text)[:2] == ["site-29", "site-28"]
    assert rows(operator.get("/tenants?sort=name&search=site").text)[0] == "site-29"
    usual = rows(operator.get("/tenants").text)
    assert rows(operator.get("/tenants?sort=password_hash").text) == usual
    page = operator.get("/tenants?sort=slug").text
    assert 'aria-sort="ascending"' in page
    assert "sort=-slug" in page


def find_way(page: str, rel: str) -> str:
    """Return the address that a page's neighbour has."""
    found = re.search(rf'rel="{rel}" href="/backend([^"]+)"', page)
    assert found is not None
    return html.unescape(found[1])


def test_the_table_has_pages(many: World, operator: Browser) -> None:
    """Every site is on one page, and the way leads back; a wrong place is the first page."""
    first = operator.get("/tenants").text
    second = operator.get(find_way(first, "next")).text
    assert len(rows(first)) == 25
    assert len({*rows(first), *rows(second)}) == 32
    assert rows(operator.get(find_way(second, "prev")).text) == rows(first)
    assert rows(operator.get("/tenants?at=zzzz").text) == rows(first)
    assert 'rel="prev"' not in first
    assert 'rel="next"' not in second


def test_filters_can_be_kept_and_taken_away(many: World, operator: Browser) -> None:
    """They are in the address, and each has a link that leads to the table without it."""
    many.catalog.tenants.change_plan(many.catalog.tenants.get("acme").id, "gold", by=SYSTEM)
    page = operator.get("/tenants?plan=gold&search=acme&sort=-name").text
    assert rows(page) == ["acme"]
    assert "Plan: gold" in page
    chips = re.findall(r'class="chip" href="/backend([^"]+)"', page)
    assert [html.unescape(chip) for chip in chips] == [
        "/tenants?plan=gold&sort=-name",
        "/tenants?search=acme&sort=-name",
    ]
    assert (
        "No deleted sites match these filters"
        in operator.get("/tenants?plan=gold&state=deleted").text
    )
    assert find_flaws(page) == []


def test_a_filtered_table_is_a_file(many: World, operator: Browser) -> None:
    """All of its pages, in its order; and no name is a formula in a spreadsheet."""
    tenant = many.catalog.tenants.get("site-00")
    many.catalog.tenants.configure(tenant.id, name="=cmd|' /C calc'!A0", by=SYSTEM)
    answer = operator.get("/tenants.csv?state=provisioning&sort=-slug")
    assert answer.mimetype == "text/csv"
    assert 'filename="sites.csv"' in answer.headers["Content-Disposition"]
    lines = list(csv.DictReader(answer.text.splitlines()))
    assert [line["slug"] for line in lines] == [f"site-{29 - number:02}" for number in range(30)]
    assert lines[-1]["name"] == "'=cmd|' /C calc'!A0"
    people = list(csv.DictReader(operator.get("/accounts.csv?search=olga").text.splitlines()))
    assert [line["email"] for line in people] == ["olga@example.com"]
    events = list(csv.DictReader(operator.get("/audit.csv?kind=tenant").text.splitlines()))
    assert {line["action"].partition(".")[0] for line in events} == {"tenant"}
    assert len(events) > 30


def test_the_files_are_for_operators(world: World, olga: Browser) -> None:
    """They hold what every customer has."""
    for name in ("tenants", "accounts", "audit"):
        assert olga.get(f"/{name}.csv", world.host("acme")).status_code == 404
        assert world.browser().get(f"/{name}.csv").status_code == 302


def test_the_table_is_filtered_by_state(many: World, operator: Browser) -> None:
    """The state goes along with search, order and page."""
    assert rows(operator.get("/tenants?state=active").text) == ["acme", "bolt"]
    page = operator.get("/tenants?state=provisioning&sort=-slug").text
    assert len(rows(page)) == 25
    assert "state=provisioning" in page
    assert len(rows(operator.get("/tenants?state=no-such-state").text)) == 25


def test_the_table_works_without_scripts(operator: Browser) -> None:
    """The search is an ordinary form; htmx only sends it while one types."""
    page = operator.get("/tenants").text
    assert '<form class="search" role="search" method="get" action="/backend/tenants"' in page
    assert 'hx-select="#results"' in page
    assert page.count('id="results"') == 1


def test_a_site_is_created_with_its_owner(world: World, operator: Browser) -> None:
    """The next page shows the owner's link, this once; reloading it makes no second site or link."""
    form = {"slug": "cafe", "name": "Café Cora", "owner_email": "cora@example.com", "listed": "y"}
    answer = operator.post("/tenants/new", form)
    assert (answer.status_code, answer.location) == (303, "/backend/tenants/cafe/created")
    page = operator.get("/tenants/cafe/created").text
    link = re.search(r"http://example\.test(/password/[\w-]{43})", page)
    assert link
    again = operator.get("/tenants/cafe/created").text
    assert "/password/" not in again
    assert "New set-up link" in again
    assert "cora@example.com" in world.browser().front("GET", link[1]).text
    cafe = world.catalog.tenants.get("cafe")
    assert (cafe.name, cafe.state, cafe.settings["listed"]) == ("Café Cora", "active", True)
    assert link[1] not in operator.get("/tenants/cafe").text
    assert {"tenant.create", "membership.add", "link.setup"} <= set(world.actions())
    event = next(e for e in world.catalog.audit.list().items if e.action == "tenant.create")
    assert (event.actor_kind, event.actor) == ("operator", "operator@example.com")
    assert event.request_id == "0123456789abcdef"


def test_an_owner_with_a_password_needs_no_link(world: World, operator: Browser) -> None:
    """A second site of the same owner is simply there."""
    form = {"slug": "cafe", "name": "Café", "owner_email": "olga@example.com"}
    operator.post("/tenants/new", form)
    page = operator.get("/tenants/cafe/created").text
    assert "/password/" not in page
    assert "My sites" in page
    assert "Café" in world.browser("olga@example.com").front("GET", "/sites").text


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        pytest.param({"slug": "www"}, "keeps this name for itself", id="reserved"),
        pytest.param({"slug": "Not_a_label"}, "You could take “not-a-label”", id="invalid"),
        pytest.param({"slug": "acme"}, "A site with this address exists already", id="taken"),
        pytest.param({"owner_email": "cora"}, "is not an e-mail address", id="address"),
        pytest.param({"name": "  "}, "This field is required", id="name"),
    ],
)
def test_a_site_that_cannot_be_is_not_created(
    world: World, operator: Browser, change: dict[str, str], problem: str
) -> None:
    """The form says why, and nothing is made."""
    form = {"slug": "cafe", "name": "Café", "owner_email": "cora@example.com", **change}
    response = operator.post("/tenants/new", form)
    assert response.status_code == 422
    assert problem in response.text
    assert "Tenant" not in response.text.replace("Tenantry", "")
    assert ("slug-hint" in response.text) != ("slug-errors" in response.text)
    assert world.catalog.tenants.list().total == 2


def test_suspending_needs_a_reason_and_can_be_taken_back(world: World, operator: Browser) -> None:
    """Suspend and resume move the state, with who and why in the trail."""
    assert operator.post("/tenants/acme/suspend", {"reason": " "}).status_code == 422
    assert world.catalog.tenants.get("acme").state == TenantState.ACTIVE
    operator.post("/tenants/acme/suspend", {"reason": "unpaid since May"})
    assert world.catalog.tenants.get("acme").state == TenantState.SUSPENDED
    assert "unpaid since May" in operator.get("/tenants/acme").text
    operator.post("/tenants/acme/resume")
    assert world.catalog.tenants.get("acme").state == TenantState.ACTIVE
    assert world.actions(world.catalog.tenants.get("acme").id)[:2] == ["tenant.state"] * 2


def test_a_move_that_is_not_allowed_is_explained(world: World, operator: Browser) -> None:
    """A deleted site is not served again by an old page's button."""
    acme = world.catalog.tenants.get("acme")
    for state in (TenantState.ARCHIVED, TenantState.DELETED):
        world.catalog.tenants.transition(acme.id, state, by=SYSTEM)
    assert "cannot become active" in operator.post("/tenants/acme/resume").text
    assert world.catalog.tenants.get("acme").state == TenantState.DELETED


def test_a_site_that_is_being_created_is_not_resumed(world: World, operator: Browser) -> None:
    """An address that no button leads to lets nobody in to a site without data."""
    world.catalog.tenants.add("half", name="Half", by=SYSTEM)
    assert "cannot become active" in operator.post("/tenants/half/resume").text
    assert world.catalog.tenants.get("half").state == TenantState.PROVISIONING


def test_a_site_that_does_not_exist_is_not_found(operator: Browser) -> None:
    """With a page in the look."""
    response = operator.get("/tenants/no-such-site")
    assert response.status_code == 404
    assert "Nothing here" in response.text


def test_accounts_are_searched_and_signed_out(world: World, operator: Browser) -> None:
    """An operator finds an account and ends its sessions, and the trail says so."""
    page = operator.get("/accounts?search=olga").text
    assert "olga@example.com" in page
    assert "otto@example.com" not in page
    olga = world.browser("olga@example.com")
    account = world.catalog.accounts.find("olga@example.com")
    assert account
    asked = operator.post(f"/accounts/{account.id}/end-sessions")
    assert f"Sign {account.email} out everywhere?" in asked.text
    assert world.actions()[0] != "account.end-sessions"
    operator.post(f"/accounts/{account.id}/end-sessions", {"confirmed": "yes"})
    assert olga.front("GET", "/sites").status_code == 303
    assert world.actions()[0] == "account.end-sessions"
    assert operator.post(f"/accounts/{'0' * 32}/end-sessions").status_code == 404


def test_the_trail_has_pages(world: World, operator: Browser) -> None:
    """All of it can be read, newest first."""
    for number in range(60):
        world.catalog.audit.record(f"test.{number}", by=SYSTEM)
    assert "test.59" in operator.get("/audit").text
    second = operator.get(find_way(operator.get("/audit").text, "next")).text
    assert "test.59" not in second
    assert "test.1<" in second
    assert "test.5<" not in operator.get("/audit?kind=account").text
    assert world.catalog.audit.verify().first_bad is None


def test_what_people_typed_is_text(world: World, operator: Browser) -> None:
    """Names and reasons are shown, not run."""
    evil = "<script>alert(1)</script>"
    form = {"slug": "cafe", "name": evil, "owner_email": "cora@example.com"}
    operator.post("/tenants/new", form)
    pages = [operator.get("/tenants/cafe/created")]
    operator.post("/tenants/cafe/suspend", {"reason": evil})
    assert world.catalog.tenants.get_row("cafe").reason == evil
    pages += [operator.get(path) for path in ("/tenants", "/tenants/cafe", "/audit", "/")]
    for page in pages:
        assert evil not in page.text
        assert "alert(1)" in page.text
    assert evil not in operator.get(f"/tenants?search={evil}").text


def test_the_end_of_a_site_is_shown(world: World, operator: Browser) -> None:
    """Its state, until when it can come back, its former names; and when it is purged."""
    acme = world.catalog.tenants.get("acme")
    world.catalog.names.rename(acme.id, "coil", redirects_until=SOON, by=SYSTEM)
    world.catalog.tenants.transition(acme.id, TenantState.ARCHIVED, reason="left us", by=SYSTEM)
    page = operator.get("/tenants/coil").text
    assert "left us" in page
    assert "Resume the site" in page
    assert "Former names" in page
    world.catalog.tenants.transition(acme.id, TenantState.DELETED, purge_at=SOON, by=SYSTEM)
    assert "Can be undeleted until" in operator.get("/tenants/coil").text
    assert f'until <time datetime="{SOON:%Y-%m-%d}' in operator.get("/tenants?search=coil").text
    world.catalog.purges.begin(acme.id, early=True, by=SYSTEM)
    world.catalog.purges.finish(acme.id, by=SYSTEM)
    assert "<dt>Purged</dt>" in operator.get("/tenants/coil").text
    assert "purged <time" in operator.get("/tenants?search=acme").text
    assert operator.get("/tenants/acme").status_code == 404


def test_a_quiet_copy_is_told_apart(world: World, operator: Browser) -> None:
    """A clone looks like its original; whoever looks at either sees which one is silent."""
    copy = world.catalog.tenants.add("twin", name="Twin", quiet=True, by=SYSTEM)
    world.catalog.provisioning.activate({copy.id: None}, by=SYSTEM)
    assert "A quiet copy" in operator.get("/tenants/twin").text
    assert '<span class="meta">quiet</span>' in operator.get("/tenants?search=twin").text
    world.catalog.tenants.release(copy.id, by=SYSTEM)
    assert "A quiet copy" not in operator.get("/tenants/twin").text
    assert '<span class="meta">quiet</span>' not in operator.get("/tenants?search=twin").text


# --- sites without their databases ----------------------------------------------------------------


def test_a_site_whose_database_is_gone_is_seen(world: World, operator: Browser) -> None:
    """The dashboard and the site's page name it, with what brings it back; its state says nothing."""
    for slug in ("acme", "bolt"):
        folder = world.settings.tenant_dir(world.catalog.tenants.get(slug).id)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "site.sqlite3").write_bytes(b"SQLite format 3")
    with world.catalog.store.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE tenants SET schema_revision = '0001'")
    assert "no database" not in operator.get("/").text
    assert "cannot be served" not in operator.get("/tenants/acme").text

    acme = world.catalog.tenants.get("acme")
    (world.settings.tenant_dir(acme.id) / "site.sqlite3").unlink()
    page = operator.get("/tenants/acme").text
    assert "This site cannot be served." in page
    assert "tenantry restore acme" in page
    assert "no database" not in operator.get("/").text, "one look in half a minute"
    operations = Operations(world.catalog, settings=world.settings, actor=SYSTEM)
    found = LostSitesWatch().find(operations)
    assert (found.slugs, found.problems, found.is_complete) == (("acme",), (), True)


def test_the_dashboard_names_lost_sites(world: World, operator: Browser) -> None:
    """An empty file is no database, and a look has an end."""
    folder = world.settings.tenant_dir(world.catalog.tenants.get("bolt").id)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "site.sqlite3").touch()
    with world.catalog.store.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE tenants SET schema_revision = '0001'")
    page = operator.get("/").text
    assert "2 sites have no database:" in page
    assert 'href="/backend/tenants/acme"' in page
    operations = Operations(world.catalog, settings=world.settings, actor=SYSTEM)
    assert not operations.find_missing_databases(most=1).is_complete
