"""Reads what mail servers return: which mail it is about, and whether it failed for good (RFC 3464)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from email import message_from_bytes, message_from_string
from email.policy import default
from typing import TYPE_CHECKING, Any

from tenantry.mail.outbox import ID_HEADER

if TYPE_CHECKING:
    from email.message import Message

_ID = re.compile(r"[0-9a-f]{32}")
_TO = ("To", "Delivered-To", "X-Original-To", "Envelope-To")


@dataclass(frozen=True, slots=True)
class Bounce:
    """A report that a mail could not be delivered."""

    mail_id: str
    problem: str


def read_bounce(content: bytes) -> Bounce | None:
    """Return what a returned mail says; ``None`` if it reports no failure of a mail of ours.

    A delay is no failure, and neither is somebody's automatic answer.
    """
    message = message_from_bytes(content, policy=default)
    problem, mail_id = "", _find_in_address(message)
    for part in message.walk():
        kind = part.get_content_type()
        if kind == "message/delivery-status":
            problem = problem or _find_failure(part)
        elif kind == "text/rfc822-headers":
            returned = message_from_string(str(part.get_payload()), policy=default)
            mail_id = mail_id or _checked(returned[ID_HEADER])
        else:  # the returned mail itself is among the parts
            mail_id = mail_id or _checked(part[ID_HEADER])
    return Bounce(mail_id, problem) if mail_id and problem else None


def _find_failure(part: Any) -> str:
    """Return the status of a recipient whose mail has failed for good."""
    fields = part.get_payload()
    for recipient in fields if isinstance(fields, list) else ():
        status = str(recipient.get("Status", "")).strip()
        action = str(recipient.get("Action", "")).strip().lower()
        if action == "failed" and not status.startswith("4"):
            told = str(recipient.get("Diagnostic-Code", "")).partition(";")[2]
            return " ".join(f"{status} {told}".split()) or "failed"
    return ""


def _find_in_address(message: Message) -> str:
    for name in _TO:
        for value in message.get_all(name, []):
            found = re.search(r"\+([0-9a-f]{32})@", str(value))
            if found:
                return found[1]
    return ""


def _checked(value: object) -> str:
    text = str(value or "").strip()
    return text if _ID.fullmatch(text) else ""
