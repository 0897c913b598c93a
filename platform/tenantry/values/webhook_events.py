"""What webhooks tell: which events of the audit trail, under which types, with which facts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

PING = "webhook.test"
"""Sent only on request."""

EVENTS: Mapping[str, str] = {
    "tenant.created": "A site was created",
    "tenant.changed": "Its name or its settings were changed",
    "tenant.renamed": "It has another address",
    "tenant.plan_changed": "It has another plan",
    "tenant.suspended": "It was suspended",
    "tenant.maintenance": "It was put into maintenance",
    "tenant.resumed": "It is served again",
    "tenant.archived": "It was archived",
    "tenant.moved": "Its data is on another placement",
    "tenant.released": "It is not quiet any more",
    "tenant.restored": "It was restored from a backup",
    "tenant.deleted": "It was deleted",
    "tenant.undeleted": "It was taken back after it was deleted",
    "tenant.purged": "Its data was purged",
    "backup.made": "A backup was made",
    "domain.added": "A domain was added",
    "domain.verified": "A domain was verified",
    "domain.lost": "A domain is not served any more",
    "domain.removed": "A domain was removed",
    "member.added": "An account became an owner or staff, or has another role",
    "member.removed": "An account is no owner or staff any more",
}
"""Each type of event, and when it happens."""

_TOLD: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "tenant.configure": ("tenant.changed", ()),
    "tenant.rename": ("tenant.renamed", ("before", "after")),
    "tenant.plan": ("tenant.plan_changed", ("before", "after")),
    "tenant.move": ("tenant.moved", ("from", "to")),
    "tenant.release": ("tenant.released", ()),
    "tenant.restore": ("tenant.restored", ("file",)),
    "tenant.purge": ("tenant.purged", ()),
    "tenant.backup": ("backup.made", ("file", "size")),
    "host.add": ("domain.added", ("host",)),
    "host.verify": ("domain.verified", ("host",)),
    "host.lost": ("domain.lost", ("host", "problem")),
    "host.remove": ("domain.removed", ("host",)),
    "membership.add": ("member.added", ("email", "role")),
    "membership.remove": ("member.removed", ("email", "role")),
}
"""For an action of the audit trail: the type, and the facts that are sent. Others stay here."""

_STATES: Mapping[str, str] = {
    "suspended": "tenant.suspended",
    "maintenance": "tenant.maintenance",
    "active": "tenant.resumed",
    "archived": "tenant.archived",
    "deleted": "tenant.deleted",
}
_FROM: Mapping[tuple[str, str], str] = {
    ("provisioning", "active"): "tenant.created",
    ("deleted", "archived"): "tenant.undeleted",
}
"""Transitions that have a type of their own."""


def find_event(action: str, detail: Mapping[str, Any]) -> tuple[str, dict[str, Any]] | None:
    """Return the type and the facts that webhooks send for an audit event; ``None`` for most."""
    if action == "tenant.state":
        before, after = str(detail.get("before")), str(detail.get("after"))
        kind = _FROM.get((before, after)) or _STATES.get(after)
        reason = detail.get("reason")
        facts = {"before": before, "after": after} | ({"reason": reason} if reason else {})
        return None if kind is None else (kind, facts)
    if action not in _TOLD:
        return None
    kind, names = _TOLD[action]
    return kind, {name: detail[name] for name in names if name in detail}
