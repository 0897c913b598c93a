"""What the front app works with: handed in once, found again in every request."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from flask import current_app, g, request

from tenantry.catalog import Actor
from tenantry.environ import REQUEST_ID
from tenantry.lifecycle import Operations

if TYPE_CHECKING:
    from tenantry import Settings
    from tenantry.catalog import Account, Catalog
    from tenantry.factory import Factory
    from tenantry.pool import InstancePool

EXTENSION = "tenantry.front"


@dataclass(frozen=True, slots=True)
class Front:
    """The collaborators of one front app."""

    settings: Settings
    catalog: Catalog
    factory: Factory
    pool: InstancePool[Any]


def front() -> Front:
    """Return the collaborators of the app that answers this request."""
    return cast("Front", current_app.extensions[EXTENSION])


def catalog() -> Catalog:
    """Return the catalog: what most views need."""
    return front().catalog


def operations() -> Operations:
    """Return what may be done to tenants, in the name of the visitor."""
    found = front()
    return Operations(found.catalog, found.factory, settings=found.settings, actor=current_actor())


def current_actor(account: Account | None = None) -> Actor:
    """Return who does what this request asks for, as the audit trail names them.

    :param account: Whose link the visitor has used, if nobody is signed in.
    """
    who = account or g.get("account")
    request_id = request.environ.get(REQUEST_ID)
    if who is None:
        return Actor("visitor", "visitor", ip=request.remote_addr, request_id=request_id)
    return Actor(
        "operator" if who.operator else "owner",
        who.email,
        account_id=who.id,
        ip=request.remote_addr,
        request_id=request_id,
    )
