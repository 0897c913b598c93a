"""The doctor: checks tenant isolation of a factory, and the machine.

:func:`examine` runs the factory in a process of its own, with two throw-away tenants;
:func:`examine_settings` and :func:`examine_machine` look at what is around it.
"""

from __future__ import annotations

from tenantry.doctor.choices import examine_settings
from tenantry.doctor.examine import examine
from tenantry.doctor.findings import Finding, Severity, allowing, is_safe
from tenantry.doctor.machine import examine_machine
from tenantry.doctor.mail_checks import examine_mail
from tenantry.doctor.placement_checks import (
    examine_homes,
    examine_moves,
    examine_placements,
    examine_plans,
)
from tenantry.doctor.trail import examine_audit

__all__ = [
    "Finding",
    "Severity",
    "allowing",
    "examine",
    "examine_audit",
    "examine_homes",
    "examine_machine",
    "examine_mail",
    "examine_moves",
    "examine_placements",
    "examine_plans",
    "examine_settings",
    "is_safe",
]
