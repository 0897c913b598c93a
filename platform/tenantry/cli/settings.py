"""``tenantry settings``: lists every setting with its default and its meaning."""

from __future__ import annotations

from textwrap import fill

import click

from tenantry.cli.output import echo_json
from tenantry.settings import PREFIX, Settings


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead.")
def settings(*, as_json: bool) -> None:
    """List every setting, with its default and its meaning.

    It reads no setting, so it also works if one is wrong.
    """
    found = [
        {
            "name": f"{PREFIX}{name}".upper(),
            "default": str(field.default) if field.default not in ("", (), {}) else "",
            "meaning": field.description or "",
        }
        for name, field in Settings.model_fields.items()
    ]
    if as_json:
        echo_json(found)
        return
    for one in found:
        default = f"={one['default']}" if one["default"] else ""
        click.echo(click.style(one["name"], bold=True) + default)
        click.echo(fill(one["meaning"], 100, initial_indent="    ", subsequent_indent="    "))
