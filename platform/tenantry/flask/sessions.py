"""Session cookies that belong to one tenant: own key, own name, own path, the tenant's id inside."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from flask.sessions import SecureCookieSession, SecureCookieSessionInterface

if TYPE_CHECKING:
    from flask import Flask, Request, Response
    from flask.sessions import SessionMixin

SCOPE = "_scope"
"""Key inside the session that names its tenant."""


class ScopedSessionInterface(SecureCookieSessionInterface):
    """Flask's signed cookie sessions, scoped.

    Over HTTPS the cookie is ``__Host-…`` (R17), so that no sibling subdomain can plant it. An app
    mounted on a path gets a cookie for that path, under a name that holds the tenant's id.

    :param scope: The tenant's id, or the platform's scope; checked in every session (R15).
    :param name: The cookie's name.
    :param https: Whether the deployment is reached over HTTPS.
    :param whole_host: Keep ``Path=/`` although the app is mounted on a path, so that the cookie
        can be ``__Host-``.
    """

    digest_method = staticmethod(hashlib.sha256)

    def __init__(self, *, scope: str, name: str, https: bool, whole_host: bool = False) -> None:
        self._scope = scope
        self._name = name
        self._https = https
        self._whole_host = whole_host

    def open_session(self, app: Flask, request: Request) -> SecureCookieSession | None:
        session = self._load(app, request)
        # One that names no tenant was not made here, whoever had the key.
        if session and session.get(SCOPE) != self._scope:
            return self.session_class()
        return session

    def save_session(self, app: Flask, session: SessionMixin, response: Response) -> None:
        # Here and not after the request: asking flask.session whether it was touched touches it.
        if session.accessed or session.modified:
            # A shared cache must never keep a page that was made for somebody (R23).
            response.headers.setdefault("Cache-Control", "private, no-store")
        if session and session.modified:
            session[SCOPE] = self._scope
        super().save_session(app, session, response)

    def _load(self, app: Flask, request: Request) -> SecureCookieSession | None:
        serializer = self.get_signing_serializer(app)
        if serializer is None:
            return None
        values = request.cookies.getlist(self._cookie_name(request))
        # Two cookies of one name: somebody else set one of them. Neither is trusted (R18).
        if len(values) != 1:
            return self.session_class()
        max_age = int(app.permanent_session_lifetime.total_seconds())
        try:
            return self.session_class(serializer.loads(values[0], max_age=max_age))
        except self._bad_signature:
            return self.session_class()

    @property
    def _bad_signature(self) -> type[Exception]:
        from itsdangerous import BadSignature  # noqa: PLC0415 - Flask has imported it already

        return BadSignature

    def get_cookie_name(self, app: Flask) -> str:  # noqa: ARG002 - Flask's signature
        return self._cookie_name(_request())

    def get_cookie_path(self, app: Flask) -> str:  # noqa: ARG002 - Flask's signature
        return self._path(_request())

    def get_cookie_secure(self, app: Flask) -> bool:  # noqa: ARG002 - Flask's signature
        return self._https or _request().is_secure

    def get_cookie_samesite(self, app: Flask) -> str | None:
        return app.config["SESSION_COOKIE_SAMESITE"] or "Lax"

    def get_cookie_domain(self, app: Flask) -> str | None:  # noqa: ARG002 - Flask's signature
        return None

    def _path(self, request: Any) -> str:
        prefix = "" if self._whole_host else request.script_root
        return f"{prefix}/"

    def _cookie_name(self, request: Any) -> str:
        path = self._path(request)
        name = self._name if path == "/" else f"{self._name}_{self._scope}"
        if not (self._https or request.is_secure):
            return name
        return f"__Host-{name}" if path == "/" else f"__Secure-{name}"


def _request() -> Request:
    from flask import request  # noqa: PLC0415 - the proxy, not the class named above

    return request
