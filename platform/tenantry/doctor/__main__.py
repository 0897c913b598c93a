"""Run by :func:`tenantry.doctor.examine` in a process of its own; writes what it finds, line by line.

Standard output belongs to the examined code, whatever it prints: the findings go to the descriptor
that the first argument names. The second is the time in seconds after which this process ends itself.
The third says how a visitor signs in; it may be empty.
"""

from __future__ import annotations

import faulthandler
import json
import os
import sys
from typing import TYPE_CHECKING

from tenantry.doctor.examination import Examination
from tenantry.doctor.findings import unsafe
from tenantry.doctor.signing_in import Login
from tenantry.errors import TenantryError
from tenantry.settings import get_settings

if TYPE_CHECKING:
    from tenantry.doctor.findings import Finding


def main(descriptor: int, seconds: float, login: str) -> None:
    """Examine the factory that the settings name."""
    faulthandler.dump_traceback_later(seconds, exit=True)

    def write(**line: object) -> None:
        os.write(descriptor, json.dumps(line).encode() + b"\n")

    def emit(finding: Finding) -> None:
        write(finding=finding.to_json())

    def tell(stage: str) -> None:
        write(stage=stage)

    try:
        settings = get_settings()
    except TenantryError as error:
        emit(unsafe("settings", "settings", str(error)))
    else:
        signing_in = Login.parse(login) if login else None
        Examination(settings, emit, tell, seconds, signing_in).run()
    write(end=True)
    # Threads of the examined code may go on for ever.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]), sys.argv[3])
