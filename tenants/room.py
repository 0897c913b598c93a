"""What the site's plan leaves no room for, in words for those whom it stops.

The status is 507 Insufficient Storage (RFC 4918, section 11.5) where the site is full: reading and
deleting go on, and what was typed stays in its form. It is 403 where there are members enough.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import g
from sqlalchemy import func, select

from tenantry import current_settings, current_tenant, find_exceeded
from tenantry.errors import PlacementError
from tenants.access import find_member
from tenants.database import db
from tenants.models import Member
from tenants.permissions import Permission

if TYPE_CHECKING:
    from tenantry import Quota

FULL = 507
ENOUGH = 403
REMEDY = "Its owner or the platform's operator can make room."


def find_fullness(*, adding: int = 0) -> str | None:
    """Say why nothing can be added to the site; editors are told the numbers.

    :param adding: Bytes of files that are to be added.
    """
    quota = find_exceeded(adding=adding)
    if quota is None:
        return None
    if not quota.exceeded:
        return f"This file takes {_mib(adding)} MiB, and does not fit. {quota}. {REMEDY}"
    member = find_member()
    if member is None or not member.may(Permission.SEE_STATE):
        return f"This site is full: you cannot add anything now. {REMEDY}"
    return f"This site is full. {_explain(quota)}"


def find_crowd() -> str | None:
    """Say why nobody can join the site."""
    allowed = current_settings.limits_of(current_tenant.plan).members
    if allowed is None:
        return None
    if (db.session.scalar(select(func.count()).select_from(Member)) or 0) < allowed:
        return None
    return f"This site has its maximum number of members. {REMEDY}"


def find_notice() -> str | None:
    """Return what every page tells editors of a full site."""
    if g.get("without_database"):
        return None
    member = find_member()
    if member is None or not member.may(Permission.SEE_STATE):
        return None
    try:
        quota = find_exceeded()
    except PlacementError:
        return None  # the page itself will say what the matter is, if it needs the database
    return None if quota is None else _explain(quota)


def _mib(size: int) -> str:
    return f"{size / (1 << 20):.1f}"


def _explain(quota: Quota) -> str:
    return (
        f"{quota}, as its plan allows. It can be read, and nothing can be added until something is "
        "deleted or the platform's operator gives it more room."
    )
