"""What may be seen of a platform after a command was killed, and what has to be seen at the end."""

from __future__ import annotations

from difflib import unified_diff
from pprint import pformat
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection

NEIGHBOUR = "globex"


def check_same(seen: Any, wanted: Any) -> None:
    """Make sure that nothing is otherwise."""
    if seen != wanted:
        one, other = (pformat(value, width=120).splitlines() for value in (wanted, seen))
        difference = "\n".join(unified_diff(one, other, "wanted", "seen", lineterm="", n=1))
        raise AssertionError(difference)


def check_between(
    seen: dict[str, Any], before: dict[str, Any], after: dict[str, Any], *, between: Collection[str]
) -> None:
    """Make sure that each tenant is as before or as after, or is not served and says why.

    :param between: The states that say why.
    """
    known = [view.get("tenants", {}) for view in (before, after)]
    tenants = seen.get("tenants", {})
    for slug, facts in known[0].items():
        expected = facts["state"] != "provisioning" and slug in known[1]
        assert slug in tenants or not expected, f"{slug} is gone"
    for slug, facts in tenants.items():
        if facts["state"] in between and (slug != NEIGHBOUR or "maintenance" in between):
            continue
        possible = [view[slug] for view in known if slug in view]
        # Each by itself: a database knows of its migration before the catalog does.
        for name, value in facts.items():
            if value not in [view[name] for view in possible]:
                check_same({slug: facts}, {slug: possible[0]})
