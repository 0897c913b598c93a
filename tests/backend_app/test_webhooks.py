"""The pages of webhooks: the platform's for operators, a site's for its owners."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from backend_app.activity import SENTENCES
from tenantry.catalog import SYSTEM
from tenantry.lifecycle.webhooks import open_webhook_secret
from tenantry.values.tenant import TenantState
from tenantry.values.webhook_events import EVENTS, find_event
from tests.markup import find_flaws

if TYPE_CHECKING:
    from tests.backend_app.conftest import Browser, World

ACME = "acme.example.test"
URL = "https://hooks.example.com/tenantry"
SECRET = re.compile(r'value="(whsec_[^"]+)"')


@pytest.mark.parametrize(
    ("email", "host", "path"),
    [
        pytest.param("operator@example.com", "example.test", "/webhooks", id="operator"),
        pytest.param("olga@example.com", ACME, "/site-webhooks", id="owner"),
    ],
)
def test_a_webhook_is_added_tried_changed_and_removed(
    world: World, email: str, host: str, path: str
) -> None:
    """An operator's is told of all sites, an owner's of the site whose host she is on."""
    browser = world.browser().adopt(
        world.sign_cookie(email, "acme" if host == ACME else None), host
    )
    webhooks, acme = world.catalog.webhooks, world.catalog.tenants.get("acme")
    tenant_id = acme.id if host == ACME else None
    assert "No webhooks yet" in browser.get(path, host).text
    added = browser.post(path, {"url": URL, "events": ["backup.made", "domain.lost"]}, host)
    (made,) = webhooks.list_of(tenant_id)
    place = f"{path}/{made.id}"
    assert added.location == f"/backend{place}"
    page = browser.get(place, host).text
    shown = SECRET.search(page)
    assert shown is not None
    assert shown[1].replace("&#43;", "+") == open_webhook_secret(world.settings, made)
    assert SECRET.search(browser.get(place, host).text) is None
    assert made.events == ("backup.made", "domain.lost")
    assert find_flaws(page) == []

    assert browser.post(f"{place}/test", host=host).status_code == 303
    (message,) = webhooks.list_deliveries(made.id)
    webhooks.note_refused(message.id, 500, "the answer was 500", is_last=True)
    page = browser.get(place, host).text
    assert "the answer was 500" in page
    assert "Failing" in page
    assert find_flaws(page) == []
    assert browser.post(f"{place}/messages/{message.id}", host=host).status_code == 303
    assert webhooks.list_deliveries(made.id)[0].state == "waiting"

    assert browser.post(place, {"url": f"{URL}/2"}, host).status_code == 303
    assert browser.post(f"{place}/turn/off", host=host).status_code == 303
    assert browser.post(f"{place}/turn/over", host=host).status_code == 404
    changed = webhooks.find(made.id)
    assert changed is not None
    assert (changed.url, changed.events, changed.is_on) == (f"{URL}/2", (), False)
    browser.post(f"{place}/test", host=host)
    assert "Turn it on first" in browser.get(place, host).text
    assert len(webhooks.list_deliveries(made.id)) == 1
    assert browser.post(f"{place}/turn/on", host=host).status_code == 303

    assert "Renew the secret?" in browser.post(f"{place}/secret", host=host).text
    assert browser.post(f"{place}/secret", {"confirmed": "yes"}, host).status_code == 303
    assert SECRET.search(browser.get(place, host).text) is not None
    assert URL in browser.get(path, host).text
    assert find_flaws(browser.get(path, host).text) == []
    assert "Remove the webhook" in browser.post(f"{place}/remove", host=host).text
    assert browser.post(f"{place}/remove", {"confirmed": "yes"}, host).status_code == 303
    assert webhooks.list_of(tenant_id) == ()
    assert browser.get(place, host).status_code == 404


def test_the_forms_say_what_is_wrong(world: World, operator: Browser) -> None:
    """What was typed stays; the reason is beside the field."""
    assert "Enter a URL." in operator.post("/webhooks", {"url": ""}).text
    for url in ("http://hooks.example.com/", "https://10.0.0.1/", "https://x.example.test/"):
        answer = operator.post("/webhooks", {"url": url})
        assert answer.status_code == 422
        assert f'value="{url}"' in answer.text
        assert "cannot be called by a webhook" in answer.text
    assert operator.post("/webhooks", {"url": URL, "events": ["x"]}).status_code == 422
    for _ in range(10):
        assert operator.post("/webhooks", {"url": URL}).status_code == 303
    assert "as many as it may have" in operator.post("/webhooks", {"url": URL}).text
    made = world.catalog.webhooks.list_of(None)[0]
    assert operator.post(f"/webhooks/{made.id}", {"url": "https://[::1]/"}).status_code == 422


def test_each_sees_their_own_only(world: World, operator: Browser, olga: Browser) -> None:
    """R40: a site's webhooks and messages are not found elsewhere, nor the platform's on a site."""
    webhooks, bolt = world.catalog.webhooks, world.catalog.tenants.get("bolt")
    for name, tenant_id in (("a" * 32, None), ("b" * 32, bolt.id)):
        webhooks.create(name, URL, events=(), sealed_secret="", tenant_id=tenant_id, by=SYSTEM)
    message = webhooks.send_test("b" * 32, by=SYSTEM)
    for name in ("a" * 32, "b" * 32, "c" * 32):
        assert olga.get(f"/site-webhooks/{name}", ACME).status_code == 404
        sent = olga.post(f"/site-webhooks/{name}/messages/{message.id}", host=ACME)
        assert sent.status_code == 404
    assert operator.get(f"/webhooks/{'b' * 32}").status_code == 404
    assert operator.get(f"/webhooks/{'a' * 32}").status_code == 200
    assert operator.post(f"/webhooks/{'a' * 32}/messages/{message.id}").status_code == 404


def test_a_failing_webhook_is_on_the_overview(world: World, operator: Browser) -> None:
    """With the way to it."""
    webhooks = world.catalog.webhooks
    webhooks.create("a" * 32, URL, events=(), sealed_secret="", tenant_id=None, by=SYSTEM)
    message = webhooks.send_test("a" * 32, by=SYSTEM)
    assert "A webhook fails" not in operator.get("/").text
    webhooks.note_refused(message.id, None, "no answer", is_last=False)
    page = operator.get("/").text
    assert "A webhook fails" in page
    assert f"/backend/webhooks/{'a' * 32}" in page


def test_each_type_of_event_has_its_meaning() -> None:
    """What the audit trail can lead to stands in the list that people choose from."""
    changes = [{"before": it, "after": after} for it in TenantState for after in TenantState]
    found = [find_event("tenant.state", change) for change in changes]
    found += [find_event(action, {}) for action in (*SENTENCES, "tenant.configure")]
    assert {it[0] for it in found if it is not None} == EVENTS.keys()
