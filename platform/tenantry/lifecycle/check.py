"""Checks that a tenant's data exists and is sound, while its site serves."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from tenantry.databases.placements import tenant_database
from tenantry.errors import TenantryError
from tenantry.files.disk import exists, explain, is_symlink
from tenantry.files.locks import check_finished
from tenantry.lifecycle.export import WITHOUT_DATA

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tenantry.lifecycle.operations import Operations
    from tenantry.values.tenant import Tenant


def check_tenant(operations: Operations, tenant: Tenant) -> tuple[str, ...]:
    """Return what is wrong with a tenant's data, a sentence for each thing.

    SQLite checks every page and index (``quick_check``); on a server, schema and role have to be there.
    """
    if tenant.state in WITHOUT_DATA:
        return ()
    return tuple(_find_problems(operations, tenant))


def _find_problems(operations: Operations, tenant: Tenant) -> Iterator[str]:
    settings = operations.settings
    try:
        check_finished(tenant, settings.files_home)
    except TenantryError as error:
        yield str(error)
    folder = settings.tenant_dir(tenant.id)
    if is_symlink(folder):
        yield f"{folder} is a link; put the folder itself there"
    elif exists(folder) and not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        yield f"{folder} cannot be used by this command's user; let its owner be the server's user"
    try:
        database = tenant_database(tenant, settings)
        if operations.database_missing(tenant):
            yield f"its database is missing ({database.shown})"
        elif database.exists() and (problem := database.check()) is not None:
            yield f"{database.shown}: {problem}"
    except TenantryError as error:
        yield str(error)
    except OSError as error:
        yield explain(error) or str(error)
