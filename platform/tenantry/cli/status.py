"""``tenantry status``: one look at the whole platform."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING, Any

import click

from tenantry.catalog import schema
from tenantry.catalog.engine import shown
from tenantry.cli.context import ready_catalog
from tenantry.cli.health import answers
from tenantry.cli.listing import json_option
from tenantry.cli.output import echo_facts, echo_json
from tenantry.settings import get_settings

if TYPE_CHECKING:
    from pathlib import Path

    from tenantry.settings import Settings


@click.command()
@json_option
def status(*, as_json: bool) -> None:
    """Show how the platform is doing."""
    settings = get_settings()
    facts = gather(settings)
    if as_json:
        echo_json(facts)
        return
    tenants = [f"{count} {state}" for state, count in facts["tenants"].items() if count]
    accounts = facts["accounts"]
    folder = facts["data_dir"]
    operable = "" if accounts["operable"] else "; none has a password yet: run `tenantry init`"
    listener = settings.socket or f"{settings.bind}:{settings.port}"
    echo_facts(
        {
            "Server": f"{'answers' if facts['server']['answers'] else 'does not answer'}, {listener}",
            "Front page": settings.apex_url,
            "Backend": settings.backend_url,
            "Catalog": f"{facts['catalog']['url']}, revision {facts['catalog']['revision']}",
            "Epoch": facts["catalog"]["epoch"],
            "Tenants": ", ".join(tenants) or "none",
            "Accounts": f"{accounts['total']}, operators {accounts['operators']}{operable}",
            "Data folder": f"{folder['path']}, {_shown_size(folder['bytes'])}, "
            f"{_shown_size(folder['free_bytes'])} free",
        }
    )


def gather(settings: Settings) -> dict[str, Any]:
    """Return everything that is shown."""
    with ready_catalog(settings) as catalog:
        return {
            "server": {
                "answers": answers(settings),
                "bind": settings.bind,
                "port": settings.port,
                "socket": settings.socket or None,
            },
            "urls": {"front": settings.apex_url, "backend": settings.backend_url},
            "catalog": {
                "url": shown(settings.catalog_url),
                "revision": schema.head(),
                "epoch": catalog.read_epoch(),
            },
            "tenants": {state.value: count for state, count in catalog.count_tenants().items()},
            "accounts": {
                "total": catalog.list_accounts(size=1).total,
                "operators": catalog.list_accounts(operators=True, size=1).total,
                "operable": catalog.has_operator(),
            },
            "data_dir": {
                "path": str(settings.data_dir),
                "bytes": folder_size(settings.data_dir),
                "free_bytes": shutil.disk_usage(settings.data_dir).free,
            },
        }


def folder_size(path: Path) -> int:
    """Return the bytes of all files under *path*; what vanishes meanwhile does not count."""
    total = 0
    try:
        with os.scandir(path) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    total += folder_size(path / entry.name)
                else:
                    total += entry.stat(follow_symlinks=False).st_size
    except OSError:  # vanished, or not ours to read
        return total
    return total


def _shown_size(size: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:  # noqa: PLR2004 - the step between two units
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"
