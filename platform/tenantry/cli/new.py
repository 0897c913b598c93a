"""``tenantry new``: writes a project to begin with."""

from __future__ import annotations

from pathlib import Path

import click

from tenantry.projects.create import create_project


@click.command()
@click.argument("name")
@click.argument("folder", required=False, type=click.Path(file_okay=False, path_type=Path))
def new(*, name: str, folder: Path | None) -> None:
    """Write a new project whose package is NAME.

    It has a factory, a model with its revision, a page, tests with the test kit, settings, a Makefile
    and a Containerfile. FOLDER is where it goes; by default a new folder NAME.
    """
    target = folder or Path(name)
    for path in create_project(name, target):
        click.echo(path)
    click.echo(f"\nNext: cd {target} && make test && make run")
