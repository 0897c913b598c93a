"""docs/webhooks.md lists what webhooks tell."""

from __future__ import annotations

import re
from pathlib import Path

from tenantry.values.webhook_events import EVENTS

PAGE = (Path(__file__).parents[2] / "docs" / "webhooks.md").read_text()


def test_each_event_is_in_the_page() -> None:
    """With what it means, and no other one."""
    part = PAGE[PAGE.index("## Events") :]
    assert dict(re.findall(r"^- `([\w.]+)`: (.+)\.$", part, re.MULTILINE)) == EVENTS
