"""What an API token may do: the scopes, and which of them only a platform token has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenantry.errors import BadScopeError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

SCOPES: Mapping[str, str] = {
    "tenants:read": "Read sites, and what can be done to them",
    "tenants:write": "Change names and settings of sites; with a platform token, create sites",
    "operations:write": "Run operations on sites: suspend, back up, move, delete and all others",
    "hosts:read": "Read custom domains",
    "hosts:write": "Add, check and remove custom domains",
    "owners:read": "Read who owns a site",
    "owners:write": "Change who owns a site",
    "jobs:read": "Read jobs and their progress",
    "jobs:write": "Cancel jobs",
    "backups:read": "Read the list of backups",
    "audit:read": "Read the audit trail",
    "webhooks:read": "Read webhooks and their messages",
    "webhooks:write": "Add, change and remove webhooks, and read their secrets",
    "accounts:read": "Read accounts",
    "accounts:write": "Create accounts",
    "front-page:read": "Read the front page, its look and the legal pages",
    "front-page:write": "Change the front page, its look and the legal pages",
}
"""Each scope, and what it allows in a sentence."""

PLATFORM_SCOPES = frozenset(
    {
        *("accounts:read", "accounts:write", "front-page:read", "front-page:write"),
        *("jobs:write", "operations:write", "owners:write"),
    }
)
"""Scopes of platform tokens alone: what an owner does not do at the console, either."""


def scopes_for(tenant_id: str | None) -> Mapping[str, str]:
    """Return the scopes that a token of this reach may have.

    :param tenant_id: The one site that it is for; ``None`` for the whole platform.
    """
    if tenant_id is None:
        return SCOPES
    return {name: text for name, text in SCOPES.items() if name not in PLATFORM_SCOPES}


def check_scopes(wanted: Iterable[str], *, tenant_id: str | None) -> tuple[str, ...]:
    """Return the scopes in the order of the list, each once.

    :raises BadScopeError: One is unknown or not for one site, or there is none.
    """
    allowed, asked = scopes_for(tenant_id), set(wanted)
    if not asked:
        raise BadScopeError("An API token needs a scope", known=tuple(allowed))
    for scope in sorted(asked - allowed.keys()):
        reach = "the platform" if tenant_id is None else "one site"
        problem = f"{scope!r:.60} is not a scope of a token for {reach}"
        raise BadScopeError(problem, known=tuple(allowed))
    return tuple(name for name in allowed if name in asked)
