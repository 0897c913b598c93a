"""What a token may see: a platform token everything, a site's token one tenant, 404 for the rest."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from backend_app.api.access import current_token
from backend_app.api.problems import ProblemError
from backend_app.context import catalog
from tenantry.errors import TenantNotFoundError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tenantry.catalog import Job, TenantRow

_ID = re.compile(r"[0-9a-f]{32}\Z")
_NAME = re.compile(r"[a-z0-9-]{1,63}\Z")
LARGEST = 2**63 - 1


def get_row(name: str) -> TenantRow:
    """Return a tenant by its id or its slug.

    :raises ProblemError: It does not exist, or the token is another site's: nobody can tell which.
    """
    found = _find_row(name) if _NAME.match(name) else None
    token = current_token()
    if found is None or token.tenant_id not in {None, found.tenant.id}:
        raise ProblemError(404, f"There is no tenant {name!r:.70}, or your token may not see it.")
    return found


def find_tenant_id(wanted: Mapping[str, Any]) -> str | None:
    """Return the id of the tenant that a list is narrowed to; ``None`` lists those of all.

    :param wanted: The list's arguments; ``tenant`` is an id or a slug.
    :raises ProblemError: That tenant does not exist, or the token is another site's.
    """
    if "tenant" in wanted:
        return get_row(wanted["tenant"]).tenant.id
    return current_token().tenant_id


def get_job(job_id: int) -> Job:
    """Return a job.

    :raises JobNotFoundError: It does not exist.
    :raises ProblemError: The token is another site's.
    """
    token, missing = current_token(), f"There is no job {job_id}, or your token may not see it."
    if job_id > LARGEST:
        raise ProblemError(404, missing)
    found = catalog().jobs.get(job_id)
    if token.tenant_id not in {None, found.tenant_id}:
        raise ProblemError(404, missing)
    return found


def _find_row(name: str) -> TenantRow | None:
    tenants = catalog().tenants
    tenant = tenants.find_by_id(name) if _ID.match(name) else None
    try:
        return tenants.get_row(tenant.slug if tenant is not None else name)
    except TenantNotFoundError:
        return None
