"""Reads passphrases of bundles from a file, stdin or a terminal, never from the command line."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tenantry.bundles.archive import needs_passphrase

if TYPE_CHECKING:
    from collections.abc import Callable

MIN_LENGTH = 8


def passphrase_option(what: str) -> Callable[..., Any]:
    """Return the option ``--passphrase-file``."""
    return click.option(
        "--passphrase-file",
        "passphrase_file",
        type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path),
        help=f"{what} with the first line of this file; - reads it from stdin.",
    )


def new_passphrase(file: Path | None, *, encrypt: bool) -> bytes | None:
    """Return the passphrase that shall encrypt, typed twice if it is in no file."""
    if file is None:
        if not encrypt:
            return None
        found = str(click.prompt("Passphrase", hide_input=True, confirmation_prompt=True, err=True))
    else:
        found = _first_line(file)
    if len(found) < MIN_LENGTH:
        raise click.UsageError(f"The passphrase must have {MIN_LENGTH} characters or more.")
    return found.encode()


def known_passphrase(file: Path | None, bundle: Path) -> bytes | None:
    """Return the passphrase of an encrypted bundle; ask for it on a terminal."""
    if not needs_passphrase(bundle):
        return None
    if file is not None:
        return _first_line(file).encode()
    if sys.stdin.isatty():
        return str(click.prompt("Passphrase", hide_input=True, err=True)).encode()
    raise click.UsageError(f"{bundle} is encrypted; give --passphrase-file.")


def _first_line(file: Path) -> str:
    if str(file) == "-":
        line = sys.stdin.readline()
    else:
        with file.open(encoding="utf-8") as content:
            line = content.readline()
    return line.rstrip("\r\n")
