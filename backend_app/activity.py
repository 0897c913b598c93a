"""The audit trail as people read it: sentences, and one line for what belongs together."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tenantry.catalog import AuditEvent

TOGETHER = timedelta(minutes=2)
"""Events of one kind of errand that lie no further apart are one entry."""

SENTENCES: Mapping[str, str] = {
    "account.configure": "Changed the profile of {email}",
    "account.confirm": "Confirmed the address {email}",
    "account.create": "Created the account {email}",
    "account.delete": "Deleted the account {email}",
    "account.email": "Changed the address {before} to {email}",
    "account.email-asked": "Asked to change the address {email} to {after}",
    "account.email-confirmed": "Confirmed one side of a change of the address {email}",
    "account.email-withdrawn": "Withdrew a change of the address {email}",
    "account.export": "Exported the data of the account {email}",
    "account.forgot-unknown": "Asked for a link for an address without an account",
    "account.identity": "Connected {email} with {issuer}",
    "account.passkey": "Added the passkey {name} to {email}",
    "account.passkey-removed": "Removed the passkey {name} of {email}",
    "account.recovery-codes": "Made recovery codes for {email}",
    "account.recovery-used": "Used a recovery code of {email}",
    "account.second-factor-reset": "Removed every second factor of {email}",
    "account.second-failed": "Failed the second factor of {email}",
    "account.sign-up": "Signed up as {email}",
    "account.terms": "Accepted the terms {version} as {email}",
    "account.totp": "Added an authenticator to {email}",
    "account.totp-removed": "Removed the authenticator of {email}",
    "account.end-session": "Ended a session of {email}",
    "account.end-sessions": "Signed {email} out everywhere",
    "account.password": "Set the password of {email}",
    "account.sign-in": "Signed in as {email}",
    "account.sign-in-failed": "Failed to sign in as {email}",
    "account.sign-out": "Signed out as {email}",
    "announcement.add": "Announced “{subject}”",
    "announcement.withdraw": "Withdrew the announcement “{subject}”",
    "api-token.create": "Created the API token {name} of {email}",
    "api-token.revoke": "Revoked the API token {name} of {email}",
    "audit.accept": "Accepted a shorter audit trail after a restore of the catalog",
    "backend.entered": "Entered the site's backend",
    "backend.left": "Left the site's backend",
    "backend.refused": "Was refused: {email} has no role at this site",
    "backend.visit": "Entered the site's backend: {reason}",
    "front.change": "Changed the front page to revision {revision}: {changed}",
    "host.add": "Added the domain {host}",
    "host.expire": "Stopped checking the domain {host}, which was not proved in time",
    "host.lost": "Stopped serving the domain {host}: {problem}",
    "host.primary": "Changed the primary domain from {before} to {after}",
    "host.remove": "Removed the domain {host}",
    "host.renew": "Started to check the domain {host} again",
    "host.verify": "Verified the domain {host}",
    "host.warn": "Warned the owners that the domain {host} will not be served",
    "job.cancel": "Cancelled the job {name}",
    "job.download": "Downloaded the file {file}",
    "job.retry": "Ran the job {name} again",
    "invitation.create": "Invited {email} as {role}",
    "invitation.used": "{email} accepted an invitation as {role}",
    "invitation.withdraw": "Withdrew the invitation of {email}",
    "link.confirm": "Sent {email} a link to confirm the address",
    "link.email-new": "Sent a link to the new address of {email}",
    "link.email-old": "Sent a link to the old address of {email}",
    "link.enter": "Asked to enter the site's backend",
    "link.enter.used": "Entered the site's backend",
    "link.setup": "Created a set-up link for {email}",
    "link.setup.used": "{email} used a set-up link",
    "membership.add": "Made {email} {role} of the site",
    "membership.remove": "Removed the role of {email} at the site",
    "migration.begin": "Started to migrate {tenants} databases to {target}",
    "migration.end": "Ended a migration of databases: {state}",
    "migration.resume": "Continued a migration of {tenants} databases to {target}",
    "node.drain": "Drained the node {node}",
    "node.undrain": "Let the node {node} take visitors again",
    "site.opened": "Opened the site with a sign-in link",
    "tenant.backup": "Backed the site up",
    "tenant.clone": "Created the site as a copy of {slug}",
    "tenant.create": "Created the site {name}",
    "tenant.drill": "Tried a restore of the site from the backup {file}",
    "tenant.export": "Exported the site",
    "tenant.give-up": "Gave up the site {before}: nobody confirmed its owner's address",
    "tenant.forget": "Removed the site after its creation failed",
    "tenant.import": "Imported the site",
    "tenant.move": "Moved the site to another placement",
    "tenant.move.begin": "Started to move the site from {from} to {to}",
    "tenant.move.drop": "Dropped the old copy on {from}",
    "tenant.move.end": "Stopped moving the site from {from} to {to}",
    "tenant.plan": "Changed the plan from {before} to {after}",
    "tenant.purge": "Purged the site's data",
    "tenant.purge.begin": "Started to purge the site's data",
    "tenant.release": "Released the site: it is not quiet any more",
    "tenant.rename": "Renamed the site from {before} to {after}",
    "tenant.restore": "Restored the site from a backup",
    "tenant.schema": "Recorded the schema's revision {after}",
    "webhook.change": "Changed the webhook {url}",
    "webhook.create": "Added the webhook {url}",
    "webhook.off": "Turned the webhook {url} off: {problem}",
    "webhook.remove": "Removed the webhook {url}",
    "webhook.secret": "Renewed the secret of the webhook {url}",
}
"""What each action did, with the facts of its detail in braces."""

STATES: Mapping[str, str] = {
    "active": "Put the site online",
    "maintenance": "Put the site into maintenance",
    "suspended": "Suspended the site",
    "archived": "Archived the site",
    "deleted": "Deleted the site",
    "provisioning": "Started to set up the site",
}

ERRANDS: Mapping[str, frozenset[str]] = {
    "backend.visit": frozenset({"link.enter", "link.enter.used", "backend.entered"}),
    "tenant.create": frozenset({"account.create", "membership.add", "tenant.state", "link.setup"}),
    "backend.entered": frozenset({"link.enter", "link.enter.used"}),
}
"""The event that says what an errand was, and those that are its steps."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One line: what was done, and the events that it is made of, the newest first."""

    event: AuditEvent
    """The one that says most."""
    events: tuple[AuditEvent, ...]

    @property
    def sentence(self) -> str:
        """What was done."""
        return describe(self.event)


def fold(events: Iterable[AuditEvent]) -> list[Entry]:
    """Return the entries for *events*, which come newest first."""
    rest, entries = list(events), []
    while rest:
        entry = _take_errand(rest)
        entries.append(entry)
        rest = [event for event in rest if event not in entry.events]
    return entries


def describe(event: AuditEvent) -> str:
    """Return what an event did as a sentence; its code where nobody has written one."""
    if event.action == "tenant.state":
        return _describe_state(event.detail)
    if event.action == "tenant.configure":
        return _describe_settings(event.detail)
    if event.action.startswith("section."):
        return str(event.detail.get("result") or event.action)
    sentence = SENTENCES.get(event.action)
    if sentence is None:
        return event.action
    return sentence.format_map(_Facts(event.detail))


def show_json(event: AuditEvent) -> str:
    """Return the event's facts as they are kept."""
    return json.dumps(dict(event.detail), indent=2, ensure_ascii=False, default=str)


def _take_errand(rest: list[AuditEvent]) -> Entry:
    """Return the entry of the newest event, with the steps around it."""
    newest = rest[0]
    for lead, steps in ERRANDS.items():
        kinds = {lead, *steps}
        if newest.action not in kinds:
            continue
        taken = _take_steps(rest, newest, kinds)
        found = next((event for event in taken if event.action == lead), None)
        if found is not None:
            return Entry(found, tuple(taken))
    return Entry(newest, (newest,))


def _take_steps(rest: list[AuditEvent], newest: AuditEvent, kinds: set[str]) -> list[AuditEvent]:
    """Return the events of one actor about one site, up to the first one of another kind."""
    taken: list[AuditEvent] = []
    tenant_id = newest.tenant_id
    seen: set[str] = set()
    for event in rest:
        if event.actor != newest.actor or newest.at - event.at > TOGETHER:
            continue
        same_site = tenant_id is None or event.tenant_id in {tenant_id, None}
        if event.action not in kinds or not same_site or event.action in seen:
            break
        tenant_id = tenant_id or event.tenant_id
        seen.add(event.action)
        taken.append(event)
    return taken


def _describe_state(detail: Mapping[str, Any]) -> str:
    done = STATES.get(str(detail.get("after")), "Changed the site's state")
    return f"{done}: {detail['reason']}" if detail.get("reason") else done


def _describe_settings(detail: Mapping[str, Any]) -> str:
    before, after = detail.get("before"), detail.get("after")
    if not isinstance(before, dict) or not isinstance(after, dict):
        return "Changed the site's settings"
    changes = (f"{key} from {_show(before.get(key))} to {_show(new)}" for key, new in after.items())
    return f"Changed the site's settings: {', '.join(changes)}"


def _show(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "nothing" if value in (None, "") else f"“{value}”"


class _Facts(dict[str, Any]):
    """An event's facts; one that an older event lacks is a dash."""

    def __missing__(self, key: str) -> str:
        return "\N{EN DASH}"
