"""Runs several commands of one node in one process, for tests: imports take most of a command's time.

Reads a JSON list of commands from stdin, and prints a JSON list of exit codes and of what was written.
"""

from __future__ import annotations

import json
import sys

from click.testing import CliRunner

from tenantry.cli import main

if __name__ == "__main__":
    told = []
    for command in json.load(sys.stdin):
        result = CliRunner().invoke(main, command, prog_name="tenantry")
        told.append((result.exit_code, result.output))
    sys.stdout.write(json.dumps(told))
