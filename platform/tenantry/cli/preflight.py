"""The separate process of ``tenantry reload``: loads the application and requests two pages.

Its only output on stdout is the verdict: :data:`WORKS`, or the reason.
"""

from __future__ import annotations

import sys
import traceback
from contextlib import redirect_stdout
from http import HTTPStatus
from pkgutil import resolve_name
from urllib.parse import urlsplit

from werkzeug.test import Client

from tenantry.errors import TenantryError
from tenantry.settings import Settings, get_settings

WORKS = "works"


def check(settings: Settings) -> str:
    """Return :data:`WORKS`, or the first answer that shows a broken application.

    :raises Exception: The application cannot even be loaded.
    """
    client = Client(resolve_name(settings.application))
    for url in (settings.apex_url, settings.backend_url):
        parts = urlsplit(url)
        origin = f"{parts.scheme}://{parts.netloc}"
        answer = client.get(parts.path, base_url=origin, headers=_headers(settings))
        if answer.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
            return f"{url} answers {answer.status}"
    return WORKS


def _headers(settings: Settings) -> dict[str, str]:
    """Return what the proxies in front would send: without it the gate refuses the request."""
    headers = {"User-Agent": "tenantry-preflight"}
    if hops := settings.trusted_proxies:
        scheme = "https" if settings.https else "http"
        headers["X-Forwarded-For"] = ", ".join(["127.0.0.1"] * hops)
        headers["X-Forwarded-Proto"] = ", ".join([scheme] * hops)
    return headers


def main() -> None:
    """Print the verdict."""
    with redirect_stdout(sys.stderr):  # whatever the application prints is no verdict
        try:
            verdict = check(get_settings())
        except TenantryError as error:
            verdict = str(error)
        except Exception as error:  # noqa: BLE001 - foreign code fails as it likes
            traceback.print_exc()
            verdict = f"{type(error).__name__}: {error}"
    print(verdict.strip().splitlines()[0])  # noqa: T201 - read by the command


if __name__ == "__main__":
    main()
