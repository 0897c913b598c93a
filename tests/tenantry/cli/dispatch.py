"""A platform as small as it can be, for the programs that serve ``dispatch:application``."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from _typeshed.wsgi import StartResponse, WSGIEnvironment

print("printed at import")  # noqa: T201 - what prints at import must not disturb anybody


def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Answer with what was asked for; ``/slow`` takes its time, ``ill`` makes the backend fail."""
    path = environ["PATH_INFO"]
    status = "200 OK"
    if path == "/slow":
        Path("asked").touch()
        time.sleep(1.0)
    if path.startswith("/backend") and Path("ill").exists():
        status = "503 Service Unavailable"
    if Path("picky").exists() and "HTTP_X_FORWARDED_FOR" not in environ:
        status = "500 Internal Server Error"
    start_response(status, [("Content-Type", "text/plain")])
    shown = [environ["HTTP_HOST"], path, os.environ.get("TENANTRY_THREADS", "")]
    return [" ".join(shown).encode()]
