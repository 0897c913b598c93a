"""Under Werkzeug's debugger, what an app raises reaches the developer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from werkzeug.debug import DebuggedApplication
from werkzeug.test import Client, EnvironBuilder

from tenantry.dispatch import Pages
from tenantry.middleware.access_log import AccessLog

if TYPE_CHECKING:
    from collections.abc import Callable


def broken(_environ: object, _start_response: object) -> list[bytes]:
    raise RuntimeError("a slip of the pen")


def test_the_debugger_sees_what_an_app_raises() -> None:
    """The development server shows the traceback instead of the front door's page."""
    door = AccessLog(broken, "off", pages=Pages("http://localhost:8000/"))
    debugged = DebuggedApplication(door, evalex=True)
    response = Client(debugged).get("/", base_url="http://localhost:8000/")
    assert response.status_code == 500
    assert "a slip of the pen" in response.text


def test_without_a_debugger_the_front_door_answers() -> None:
    """Nobody else is shown a traceback."""
    door = AccessLog(broken, "off", pages=Pages("http://localhost:8000/"))
    seen: list[str] = []

    def start(
        status: str, _headers: object, _exc_info: object = None, /
    ) -> Callable[[bytes], object]:
        seen.append(status)
        return lambda _: None

    page = b"".join(door(EnvironBuilder().get_environ(), start)).decode()
    assert seen == ["500 Internal Server Error"]
    assert "RuntimeError" not in page
    assert "a slip" not in page


def test_a_client_cannot_ask_for_the_debugger() -> None:
    """Headers become ``HTTP_…`` keys: none of them switches it on."""
    builder = EnvironBuilder(headers=[("werkzeug.debug.preserve_context", "1")])
    assert "werkzeug.debug.preserve_context" not in builder.get_environ()
