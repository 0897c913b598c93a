"""Calls with an Idempotency-Key: made once, answered as often as they are repeated."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import update

from tenantry.catalog import SYSTEM
from tenantry.catalog.api_replies import ABANDONED, KEPT_FOR
from tenantry.catalog.models import ApiReplyRecord, now
from tenantry.lifecycle import Operations

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.backend_app.api.conftest import Program
    from tests.backend_app.conftest import World

KEY = {"Idempotency-Key": "5f0c1f0a-9a55-4b1e-8a54-1d2f6f3c9b7e"}
BODY = {"slug": "crisp"}


def age(world: World, by: timedelta) -> None:
    """Let the kept calls be older."""
    with world.catalog.store.updating() as connection:
        connection.execute(update(ApiReplyRecord).values(created_at=now() - by))


def test_a_repeated_call_gets_the_same_answer(world: World, program: Program) -> None:
    """It is not made again; the answer says so."""
    first = program.call("POST", "/tenants", json=BODY, headers=KEY)
    again = program.call("POST", "/tenants", json=BODY, headers=KEY)
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.data == again.data
    assert first.headers["Location"] == again.headers["Location"]
    assert first.headers["ETag"] == again.headers["ETag"]
    assert "Idempotency-Replayed" not in first.headers
    assert again.headers["Idempotency-Replayed"] == "true"
    program.refused(409, "POST", "/tenants", json=BODY)


def test_a_refusal_is_repeated_too(world: World, program: Program) -> None:
    """Also if the call would succeed now: the program has to ask anew."""
    body = {"slug": "acme"}
    program.refused(409, "POST", "/tenants", json=body, headers=KEY)
    Operations(world.catalog, world.factory, settings=world.settings, actor=SYSTEM).rename(
        "acme", "zenith"
    )
    answer = program.call("POST", "/tenants", json=body, headers=KEY)
    assert answer.status_code == 409
    assert answer.mimetype == "application/problem+json"


def test_a_key_belongs_to_one_call(program: Program) -> None:
    """Another body, path or method with it is 422."""
    assert program.call("POST", "/tenants", json=BODY, headers=KEY).status_code == 201
    found = program.refused(422, "POST", "/tenants", json={"slug": "crust"}, headers=KEY)
    assert "says something else" in found["detail"]
    program.refused(422, "POST", "/accounts", json=BODY, headers=KEY)
    path = "/tenants/acme/operations/suspend"
    program.refused(422, "POST", path, headers=KEY)


def test_a_key_is_the_tokens_own(
    new_program: Callable[..., Program], world: World, program: Program
) -> None:
    """Another token's answer is never told."""
    assert program.call("POST", "/tenants", json=BODY, headers=KEY).status_code == 201
    other = new_program()
    other.refused(409, "POST", "/tenants", json=BODY, headers=KEY)


@pytest.mark.parametrize("key", ["", "a b", "x" * 256, "caf\xe9"])
def test_a_key_has_a_form(program: Program, key: str) -> None:
    """A wrong one is refused before anything is done."""
    program.refused(422, "POST", "/tenants", json=BODY, headers={"Idempotency-Key": key})
    program.refused(404, "GET", "/tenants/crisp")


def test_an_answer_is_kept_for_a_day(world: World, program: Program) -> None:
    """After that the key is free."""
    assert program.call("POST", "/tenants", json=BODY, headers=KEY).status_code == 201
    age(world, KEPT_FOR - timedelta(minutes=1))
    assert program.call("POST", "/tenants", json=BODY, headers=KEY).status_code == 201
    age(world, KEPT_FOR + timedelta(minutes=1))
    program.refused(409, "POST", "/tenants", json=BODY, headers=KEY)


def test_a_call_that_is_cut_off_blocks_its_key_for_a_time(world: World, program: Program) -> None:
    """Nobody knows what it did, so it is not made again at once."""
    token = world.catalog.api_tokens.find(program.token or "")
    assert token is not None
    program.call("POST", "/tenants", json=BODY, headers=KEY)
    with world.catalog.store.updating() as connection:
        connection.execute(update(ApiReplyRecord).values(status=None))
    answer = program.call("POST", "/tenants", json=BODY, headers=KEY)
    assert answer.status_code == 409
    assert answer.headers["Retry-After"] == "2"
    age(world, ABANDONED + timedelta(seconds=1))
    program.refused(409, "POST", "/tenants", json={"slug": "crisp"}, headers=KEY)


def test_of_many_at_once_one_is_made(world: World, program: Program) -> None:
    """The others get its answer, or are asked to come back."""
    with ThreadPoolExecutor(6) as threads:
        calls = [
            threads.submit(program.call, "POST", "/tenants/acme/operations/backup", headers=KEY)
            for _ in range(6)
        ]
        statuses = sorted(call.result().status_code for call in calls)
    assert statuses[0] == 202
    assert set(statuses) <= {202, 409}
    assert world.catalog.jobs.list().total == 1


def test_a_failure_of_the_platform_is_not_kept(world: World, program: Program) -> None:
    """The call may be made again with the same key."""
    world.workshop.broken.add("crisp")
    body = {**BODY, "placement": "local"}  # a placement that is named is tried first
    program.refused(500, "POST", "/tenants", json=body, headers=KEY)
    world.workshop.broken.discard("crisp")
    assert program.call("POST", "/tenants", json=body, headers=KEY).status_code == 201
