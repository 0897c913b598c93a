"""A command group that imports a command's module when the command runs."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Mapping


class LazyGroup(click.Group):
    """Imports a command's module when the command runs, or for the group's help.

    :param members: Each command's name with its module and the attribute in it:
        ``{"clone": "tenantry.cli.clone:clone"}``. Commands can be added in the usual way too.
    """

    def __init__(self, *arguments: Any, members: Mapping[str, str], **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._members = members

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*super().list_commands(ctx), *self._members})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self._members:
            return super().get_command(ctx, cmd_name)
        module, _, attribute = self._members[cmd_name].partition(":")
        command: click.Command = getattr(import_module(module), attribute)
        return command
