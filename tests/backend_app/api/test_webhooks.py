"""Webhooks by the API: the platform's with an operator's token, a site's with its owner's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.backend_app.api.conftest import Program
from tests.backend_app.conftest import build_world
from tests.backend_app.job_work import run_jobs
from tests.receiver import receiving

if TYPE_CHECKING:
    from tests.backend_app.conftest import World

URL = "https://hooks.example.com/tenantry"


@pytest.mark.parametrize("who", ["program", "acme"])
def test_a_webhook_is_added_changed_and_removed(
    world: World, who: str, request: pytest.FixtureRequest
) -> None:
    """What was answered is what is found; the secret is asked for, and renewed."""
    caller: Program = request.getfixturevalue(who)
    acme = world.catalog.tenants.get("acme")
    made = caller.call("POST", "/webhooks", json={"url": URL, "events": ["backup.made"]})
    assert made.status_code == 201
    assert made.json is not None
    assert made.json["tenant_id"] == (acme.id if who == "acme" else None)
    assert "secret" not in made.text
    place = made.headers["Location"].partition("/api/v1")[2]
    assert caller.get(place) == made.json
    assert caller.get("/webhooks")["items"] == [made.json]

    first = caller.get(f"{place}/secret")["secret"]
    assert first.startswith("whsec_")
    assert caller.call("POST", f"{place}/secret").status_code == 204
    assert caller.get(f"{place}/secret")["secret"] not in {first, None}

    changed = caller.call("PATCH", place, json={"is_on": False, "events": []})
    assert changed.json is not None
    assert (changed.json["is_on"], changed.json["events"]) == (False, [])
    assert changed.json["url"] == URL
    sent = caller.call("POST", f"{place}/test")
    assert sent.status_code == 202
    assert caller.get(f"{place}/deliveries")["items"] == [sent.json]
    assert caller.call("DELETE", place).status_code == 204
    caller.refused(404, "GET", place)
    assert world.actions()[0] == "webhook.remove"


def test_what_cannot_be_called_is_refused(program: Program, acme: Program) -> None:
    """With a sentence that says why."""
    for url in ("http://hooks.example.com/", "https://127.0.0.1/", "https://acme.example.test/"):
        found = program.refused(422, "POST", "/webhooks", json={"url": url})
        assert url in found["detail"]
    program.refused(422, "POST", "/webhooks", json={"url": URL, "events": ["nothing"]})
    program.refused(422, "POST", "/webhooks", json={})
    acme.refused(404, "POST", "/webhooks", json={"url": URL, "tenant": "bolt"})
    made = program.call("POST", "/webhooks", json={"url": URL, "tenant": "acme"})
    assert made.json is not None
    assert acme.get("/webhooks")["items"] == [made.json]
    program.refused(422, "PATCH", f"/webhooks/{made.json['id']}", json={"url": "x"})
    program.refused(404, "POST", f"/webhooks/{made.json['id']}/deliveries/{'0' * 32}/send")
    for _ in range(9):
        assert acme.call("POST", "/webhooks", json={"url": URL}).status_code == 201
    assert "10 webhooks" in acme.refused(409, "POST", "/webhooks", json={"url": URL})["detail"]


def test_a_message_is_sent_again(world: World, new_program: object) -> None:
    """It has the same id."""
    world.close()
    again = build_world(world.settings.data_dir, webhook_networks="127.0.0.1/32")
    program = Program(again, new_program().token)  # type: ignore[operator]
    with receiving() as receiver:
        made = program.call("POST", "/webhooks", json={"url": receiver.url})
        assert made.json is not None
        place = f"/webhooks/{made.json['id']}"
        program.call("POST", "/tenants/acme/operations/suspend", json={})
        run_jobs(again)
        (message,) = program.get(f"{place}/deliveries")["items"]
        assert (message["type"], message["state"]) == ("tenant.suspended", "accepted")
        sent = program.call("POST", f"{place}/deliveries/{message['id']}/send")
        assert sent.json is not None
        assert sent.json["state"] == "waiting"
        run_jobs(again)
    first, second = receiver.taken
    assert first[1]["webhook-id"] == second[1]["webhook-id"] == message["id"]
    assert first[2] == second[2] == message["body"].encode()
    again.pool.close()
