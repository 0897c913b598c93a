"""Long lists in pieces and kept answers of the API, on both databases."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tenantry.catalog import SYSTEM
from tenantry.errors import RepeatedCallError, RunningCallError

if TYPE_CHECKING:
    from tenantry.catalog import Catalog


def test_a_list_is_read_piece_by_piece(any_catalog: Catalog) -> None:
    """Each tenant once, also those that are added meanwhile behind the last one."""
    made = {any_catalog.tenants.add(f"site-{n}", name="Site", by=SYSTEM).id for n in range(7)}
    seen: list[str] = []
    piece = any_catalog.scans.read_tenants(size=3)
    while True:
        seen += [row.tenant.id for row in piece.items]
        if not piece.has_more:
            break
        piece = any_catalog.scans.read_tenants(after=seen[-1], size=3)
    assert seen == sorted(made)


@pytest.mark.parametrize("value", ["nothing", "a\0b", "\0", "%", "\N{KELVIN SIGN}" * 300])
def test_filters_take_any_text(any_catalog: Catalog, value: str) -> None:
    """What nothing can be called finds nothing, on either database."""
    any_catalog.tenants.add("acme", name="Acme", by=SYSTEM)
    scans = any_catalog.scans
    for found in (
        scans.read_tenants(search=value),
        scans.read_tenants(slug=value),
        scans.read_tenants(owner=value),
        scans.read_tenants(plan=value, state=value),
        scans.read_jobs(name=value),
        scans.read_accounts(search=value),
        scans.read_events(action=value),
    ):
        assert found.items == ()


def test_a_call_is_claimed_once(any_catalog: Catalog) -> None:
    """Until it has an answer it runs; then the answer is told to the same call only."""
    replies = any_catalog.api_replies
    assert replies.claim("t1", "key", "same") is None
    assert replies.claim("t2", "key", "same") is None
    with pytest.raises(RunningCallError):
        replies.claim("t1", "key", "same")
    replies.keep("t1", "key", status=201, headers={"ETag": '"1"'}, body="{}")
    found = replies.claim("t1", "key", "same")
    assert found is not None
    assert (found.status, found.headers, found.body) == (201, {"ETag": '"1"'}, "{}")
    with pytest.raises(RepeatedCallError):
        replies.claim("t1", "key", "other")
    replies.release("t1", "key")
    assert replies.claim("t1", "key", "other") is None
