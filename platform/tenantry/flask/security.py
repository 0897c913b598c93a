"""Security headers and the origin check."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from flask import abort, request

if TYPE_CHECKING:
    from flask import Flask, Response

CSP = (
    "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'"
)
"""No inline script or style and no other host anywhere, so no nonce is needed (R47)."""

HEADERS = {
    "Content-Security-Policy": CSP,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "strict-origin-when-cross-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


def init_security(app: Flask) -> None:
    """Add the security headers and the origin check to *app*."""
    app.before_request(check_origin)
    app.after_request(add_headers)


def check_origin() -> None:
    """Refuse unsafe requests that another site's page makes (R22).

    Sibling sites are *same-site* to the browser, so ``SameSite`` cookies do not help: only
    *same-origin* will do. Programs that send neither header are left to the CSRF token.
    """
    if request.method in SAFE_METHODS:
        return
    fetch_site = request.headers.get("Sec-Fetch-Site")
    if fetch_site is not None:
        if fetch_site not in {"same-origin", "none"}:
            abort(403, "This form was sent from another site.")
        return
    origin = request.headers.get("Origin")
    if origin is not None and origin != request.host_url.rstrip("/"):
        abort(403, "This form was sent from another site.")


def add_headers(response: Response) -> Response:
    """Set what the view has not set itself."""
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    if request.is_secure:
        response.headers.setdefault("Strict-Transport-Security", "max-age=31536000")
    return response


def is_local_path(target: str | None) -> bool:
    """Say whether *target* is a path on this host, fit for a redirect after sign-in (R12)."""
    if not target or not target.startswith("/") or target.startswith("//"):
        return False
    if "\\" in target or any(ord(char) < 0x20 or ord(char) == 0x7F for char in target):  # noqa: PLR2004
        return False
    parts = urlsplit(target)
    return not parts.scheme and not parts.netloc
