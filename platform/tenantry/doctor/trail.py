"""Checks the audit trail."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenantry.doctor.findings import Finding, fine, unsafe, warning

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tenantry.catalog import AuditCheck

SUBJECT = "audit trail (catalog)"


def examine_audit(found: AuditCheck) -> Iterator[Finding]:
    """Say what following the whole trail has found."""
    if found.problem:
        remedy = (
            "Keep a copy of the catalog and find out who changed it. If it was restored from a backup, "
            "run `tenantry audit accept --reason TEXT`."
        )
        yield unsafe("audit", SUBJECT, found.problem, remedy)
    elif found.anchor is None and found.checked:
        sentence = (
            "The trail has no anchor outside its table: the removal of its newest events would not "
            "be detected."
        )
        yield warning("audit", SUBJECT, sentence, "Run `tenantry init`.")
    else:
        yield fine("audit", SUBJECT, f"{found.checked} events have valid hashes, to the end.")
