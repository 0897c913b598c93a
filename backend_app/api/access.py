"""Who may call what: each view names its scope; one check before every request holds callers to it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar, cast

from flask import current_app, g, request

from backend_app.api.problems import ProblemError
from backend_app.context import backend, catalog
from backend_app.scope import set_scope
from tenantry.catalog import Actor
from tenantry.environ import REQUEST_ID
from tenantry.lifecycle import Operations
from tenantry.limits.table import BURST_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask import Flask, Response

    from tenantry.catalog import Account, ApiToken
    from tenantry.limits import RateTable

View = TypeVar("View", bound="Callable[..., Any]")

RATES = "tenantry.api.rates"
REALM = 'Bearer realm="Tenantry"'


@dataclass(frozen=True, slots=True)
class Needs:
    """What a caller of a view needs."""

    scope: str | None
    """``None``: not even a token."""
    platform: bool = False
    """Whether only a platform token will do."""
    match: bool = False
    """Whether a call must say for which revision of the tenant it was made."""


def needs(
    scope: str | None, *, platform: bool = False, match: bool = False
) -> Callable[[View], View]:
    """Mark a view with what its callers need."""

    def mark(view: View) -> View:
        view.__dict__["needs"] = Needs(scope, platform, match)
        return view

    return mark


def needs_of(view: Callable[..., Any]) -> Needs | None:
    """Return what a view was marked with."""
    return view.__dict__.get("needs")


def require_needs(app: Flask) -> None:
    """Refuse an app with a view that anybody forgot to mark.

    :raises RuntimeError: It names the views.
    """
    unmarked = [name for name, view in app.view_functions.items() if needs_of(view) is None]
    if unmarked:
        raise RuntimeError(f"Views without @needs(...): {', '.join(unmarked)}.")


def check_access() -> None:
    """Before every request: let a token through that has the scope, and nothing else.

    Cookies play no part, so no page of another site can make a browser call the API.
    """
    set_scope()
    if request.endpoint is None:  # No such route, or not for this method: Flask says so.
        return
    wanted = needs_of(current_app.view_functions[request.endpoint])
    if wanted is None or wanted.scope is None:
        return
    g.token, g.account = _authenticate()
    _take_turn(g.token)
    if wanted.scope not in g.token.scopes:
        challenge = f'{REALM}, error="insufficient_scope", scope="{wanted.scope}"'
        raise ProblemError(
            403,
            f"This token has not the scope {wanted.scope}.",
            headers={"WWW-Authenticate": challenge},
        )
    if wanted.platform and g.token.tenant_id is not None:
        raise ProblemError(403, "Only a platform token may do this; this one is for one site.")
    catalog().api_tokens.touch(g.token)


def current_token() -> ApiToken:
    """Return the token of this request."""
    return cast("ApiToken", g.token)


def operations() -> Operations:
    """Return what may be done to tenants, in the name of the token's account."""
    found = backend()
    return Operations(found.catalog, found.factory, settings=found.settings, actor=current_actor())


def current_actor() -> Actor:
    """Return who does what this request asks for: the account, and by which of its tokens."""
    account: Account = g.account
    return Actor(
        "operator" if current_token().tenant_id is None else "owner",
        f"{account.email} (token {current_token().name})",
        account_id=account.id,
        ip=request.remote_addr,
        request_id=request.environ.get(REQUEST_ID),
    )


def add_rate_headers(response: Response) -> Response:
    """Tell the caller how much of its rate is left (draft-ietf-httpapi-ratelimit-headers)."""
    rate, token = backend().settings.limit_client_requests, g.get("token")
    if rate and token is not None:
        burst = max(1.0, rate * BURST_SECONDS)
        left = _rates().count_tokens(_key(token), rate, burst)
        full = math.ceil((burst - left) / rate)
        response.headers["RateLimit-Policy"] = f'"token";q={int(burst)};w={BURST_SECONDS}'
        response.headers["RateLimit"] = f'"token";r={int(left)};t={full}'
    return response


def _authenticate() -> tuple[ApiToken, Account]:
    """Return the token of the request and whose it is.

    A tenant's host takes only tokens for this tenant: what is sent there is never worth more.
    """
    kind, _, secret = request.headers.get("Authorization", "").partition(" ")
    if kind.lower() != "bearer":
        sentence = "Send a token: Authorization: Bearer tnt_…"
        raise ProblemError(401, sentence, headers={"WWW-Authenticate": REALM})
    found = catalog().api_tokens.find(secret.strip())
    tenant = g.scope.tenant
    if found is None or (tenant is not None and found[0].tenant_id != tenant.id):
        raise ProblemError(
            401,
            "This token is unknown, expired or revoked, or its account has lost its rights.",
            headers={"WWW-Authenticate": f'{REALM}, error="invalid_token"'},
        )
    return found


def _take_turn(token: ApiToken) -> None:
    """Count a call against the token's rate, which is that of a client address."""
    rate = backend().settings.limit_client_requests
    if not rate:
        return
    burst = max(1.0, rate * BURST_SECONDS)
    taken, seconds = _rates().take_tokens(_key(token), rate, burst)
    if not taken:
        wait = max(1, math.ceil(seconds))
        sentence = "This token has made too many calls. Wait a moment."
        raise ProblemError(429, sentence, headers={"Retry-After": str(wait)})


def _key(token: ApiToken) -> str:
    return f"api token {token.id}"


def _rates() -> RateTable:
    return cast("RateTable", current_app.extensions[RATES])
