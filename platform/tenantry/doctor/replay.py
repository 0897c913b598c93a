"""Sends one tenant's cookies and tokens to another tenant's app, where they must be worth nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenantry.doctor.findings import Finding, unsafe

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from werkzeug.test import TestResponse

    Ask = Callable[[str, Mapping[str, str]], TestResponse]

CHECK = "sessions"
MIN_OPAQUE = 16
"""Characters from which on a cookie may name a visitor; a shorter one holds a language or a theme."""


def replayed(
    ask: Ask, paths: Iterable[str], *, cookies: Mapping[str, str], tokens: Iterable[str]
) -> Iterator[Finding]:
    """Yield the pages that answer otherwise to the other tenant's visitor than to a stranger.

    :param ask: Sends a GET request with these headers, and keeps no cookies.
    """
    opaque = {name: value for name, value in cookies.items() if len(value) >= MIN_OPAQUE}
    carried: list[tuple[str, dict[str, str]]] = [
        (f"cookies ({', '.join(opaque)})", {"Cookie": cookie_header(opaque)})
    ]
    carried = carried if opaque else []
    carried += [("token", {"Authorization": f"Bearer {token}"}) for token in tokens]
    for path in paths:
        for what, headers in carried:
            if difference(ask(path, {}), ask(path, {}), ask(path, headers)) is not None:
                yield unsafe(
                    CHECK,
                    f"GET {path}",
                    f"With the first tenant's {what} it answers otherwise than without.",
                    "Sign them with app.secret_key, and keep sessions under the tenant's id.",
                )


def cookie_header(cookies: Mapping[str, str]) -> str:
    """Return cookies as a request carries them."""
    return "; ".join(f"{name}={value}" for name, value in cookies.items())


def difference(first: TestResponse, second: TestResponse, other: TestResponse) -> str | None:
    """Return a line that *other* has and that two answers to strangers have not, or its status.

    Tokens differ from answer to answer; a page for a visitor who is known has further lines.
    """
    lines = [set(answer.text.splitlines()) for answer in (first, second, other)]
    varying = len(lines[1] - lines[0])
    new = lines[2] - lines[0] - lines[1]
    if other.status_code == first.status_code and len(new) <= varying:
        return None
    return min(new, default=other.status).strip()
