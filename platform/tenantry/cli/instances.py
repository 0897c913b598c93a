"""Finds out whether a release works as flyweights, for ``TENANTRY_INSTANCES=auto``."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from tenantry.flask.verdicts import UNCHECKED, Verdict, read_verdict, release_of, write_verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tenantry.settings import Settings

SECONDS = 120.0
"""How long the examination of a release may take."""


def check_release(
    settings: Settings,
    *,
    environment: Mapping[str, str] = os.environ,
    seconds: float = SECONDS,
    tell: Callable[[str], None] = lambda _stage: None,
    log: Callable[[str], None] = lambda _text: None,
) -> Verdict:
    """Examine the factory as flyweights with two throw-away tenants, and keep what was found.

    Tenants get flyweights if nothing is unsafe. Workers read it when they start.
    """
    from tenantry.doctor import Severity, examine  # noqa: PLC0415 - other commands read verdicts

    release = release_of(settings)  # of the code that the examination begins with
    chosen = {**environment, "TENANTRY_INSTANCES": "flyweight"}
    found = examine(settings.factory, chosen, seconds=seconds, tell=tell, log=log)
    unsafe = [finding for finding in found if finding.severity is Severity.UNSAFE]
    reason = f"{unsafe[0].subject}: {unsafe[0].sentence}" if unsafe else ""
    verdict = Verdict(release, flyweight=not unsafe, reason=reason)
    write_verdict(settings, verdict)
    return verdict


def is_checked(settings: Settings) -> bool:
    """Say whether nothing has to be found out for these settings."""
    return settings.instances != "auto" or read_verdict(settings).reason != UNCHECKED


def describe_instances(settings: Settings) -> dict[str, str]:
    """Return how tenants' apps are made, and why so, for ``tenantry status``."""
    if settings.instances != "auto":
        return {"mode": settings.instances, "kind": settings.instances, "reason": ""}
    verdict = read_verdict(settings)
    kind = "flyweight" if verdict.flyweight else "full"
    return {"mode": "auto", "kind": kind, "reason": verdict.reason}
