"""docs/terraform.md: the calls that Terraform makes for what the page describes are answered."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.backend_app.api.conftest import Program
    from tests.backend_app.conftest import World

PAGE = (Path(__file__).parents[3] / "docs" / "terraform.md").read_text()
SCOPES = re.findall(r"--scope (\S+)", PAGE)
WEBHOOK_SCOPES = re.findall(r"`(webhooks:\w+)`", PAGE)


def resource(name: str) -> dict[str, str]:
    """Return the arguments of a resource of the page."""
    found = re.search(rf'resource "restapi_object" "{name}" {{\n(.*?)\n}}', PAGE, re.DOTALL)
    assert found is not None
    return dict(re.findall(r"^ +(\w+) += (.+)$", found[1], re.MULTILINE))


def body(argument: str) -> dict[str, str]:
    """Return what ``jsonencode`` makes of its argument."""
    assert argument.startswith("jsonencode(")
    return dict(re.findall(r'(\w+) = "([^"]*)"', argument))


def assert_unchanged(wanted: dict[str, str], answer: dict[str, object]) -> None:
    """Hold an answer to what the provider compares: a difference would be a change in each plan."""
    ignored = re.findall(r'"(\w+)"', wanted.get("ignore_changes_to", ""))
    expected = {key: value for key, value in body(wanted["data"]).items() if key not in ignored}
    assert expected.items() <= answer.items()
    assert answer.keys() <= expected.keys() or wanted.get("ignore_server_additions") == "true"


def test_a_site_is_created_read_changed_and_deleted(world: World, new_program: object) -> None:
    """With a token of the scopes that the page names, and nothing that the page does not say."""
    program: Program = new_program(scopes=SCOPES)  # type: ignore[operator]
    wanted, any_revision = resource("toys"), {"If-Match": "*"}
    made = program.call("POST", "/tenants", json=body(wanted["data"]), headers=any_revision)
    assert made.status_code == 201
    assert made.json is not None
    place = f"/tenants/{made.json['id']}"
    assert program.get(place)["owners"] == ["ada@example.com"]
    assert_unchanged(wanted, program.get(place))
    update = body(wanted["update_data"])
    changed = program.call("PATCH", place, json=update, headers=any_revision)
    assert changed.status_code == 200
    way = wanted["destroy_path"].strip('"').replace("{id}", made.json["id"])
    assert wanted["destroy_method"] == '"POST"'
    gone = program.call("POST", way, json=body(wanted["destroy_data"]), headers=any_revision)
    assert gone.status_code == 202
    assert world.catalog.jobs.list(name="operations.delete").total == 1


def test_a_webhook_is_created_changed_and_removed(new_program: object) -> None:
    """By the provider's own methods and paths, with the scopes that the page names for it."""
    program: Program = new_program(scopes=[*SCOPES, *WEBHOOK_SCOPES])  # type: ignore[operator]
    wanted = resource("billing")
    made = program.call("POST", "/webhooks", json=body(wanted["data"]))
    assert made.status_code == 201
    assert made.json is not None
    place = f"/webhooks/{made.json['id']}"
    assert_unchanged(wanted, program.get(place))
    assert program.call("PATCH", place, json=body(wanted["update_data"])).status_code == 200
    assert program.call("DELETE", place).status_code == 204
