"""What the backend works with: handed in once, found again in every request."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from flask import current_app, g, request

from backend_app.lost_sites import LostSitesWatch
from tenantry.catalog import Actor
from tenantry.environ import REQUEST_ID
from tenantry.lifecycle import Operations

if TYPE_CHECKING:
    from backend_app.scope import Scope
    from tenantry import Settings
    from tenantry.catalog import Catalog
    from tenantry.factory import Factory
    from tenantry.pool import InstancePool

EXTENSION = "tenantry.backend"


@dataclass(frozen=True, slots=True)
class Backend:
    """The collaborators of one backend app."""

    settings: Settings
    catalog: Catalog
    factory: Factory
    pool: InstancePool[Any]
    lost_sites: LostSitesWatch = field(default_factory=LostSitesWatch)


def backend() -> Backend:
    """Return the collaborators of the app that answers this request."""
    return cast("Backend", current_app.extensions[EXTENSION])


def catalog() -> Catalog:
    """Return the catalog: what most views need."""
    return backend().catalog


def operations(*, job_key: str | None = None) -> Operations:
    """Return what may be done to tenants, in the name of the account that asks.

    :param job_key: Of the job that it starts: a second one with this key is not added.
    """
    found = backend()
    return Operations(
        found.catalog,
        found.factory,
        settings=found.settings,
        actor=current_actor(),
        job_key=job_key,
    )


def current_scope() -> Scope:
    """Return what this request's host may be used for."""
    return cast("Scope", g.scope)


def current_actor() -> Actor:
    """Return who does what this request asks for, as the audit trail names them."""
    account = g.get("account")
    if account is None:
        return Actor("visitor", "visitor", ip=request.remote_addr, request_id=_request_id())
    by_operator = account.operator if current_scope().tenant is None else g.as_operator
    return Actor(
        "operator" if by_operator else "owner",
        account.email,
        account_id=account.id,
        ip=request.remote_addr,
        request_id=_request_id(),
    )


def _request_id() -> str | None:
    return request.environ.get(REQUEST_ID)
