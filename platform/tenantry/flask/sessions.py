"""Session cookies of one tenant: its own key, name and path, with its id inside."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Any

from flask.sessions import SecureCookieSession, SecureCookieSessionInterface

from tenantry.errors import UnsafeCookieError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flask import Flask, Request, Response
    from flask.sessions import SessionMixin

_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+\Z")
_SAME_SITE = (None, "Lax", "Strict")

SCOPE = "_scope"
"""Key inside the session that names its tenant."""


def check_cookie_settings(config: Mapping[str, Any]) -> None:
    """Refuse what would let a session cookie of an app reach further than its tenant's site.

    ``SESSION_COOKIE_NAME``, ``_SAMESITE`` (``Lax`` or ``Strict``), ``_SECURE`` (to switch it on) and
    ``_PARTITIONED`` are honoured. Domain and path are always those of the tenant's own site.

    :raises UnsafeCookieError: It names the setting, its value and the remedy.
    """
    remedies = {
        "SESSION_COOKIE_DOMAIN": (
            config["SESSION_COOKIE_DOMAIN"] in (None, False),
            "other tenants' sites would get the cookie; leave it unset",
        ),
        "SESSION_COOKIE_PATH": (
            config["SESSION_COOKIE_PATH"] in (None, "/"),
            "the path is where the platform serves the site; leave it unset",
        ),
        "SESSION_COOKIE_HTTPONLY": (
            bool(config["SESSION_COOKIE_HTTPONLY"]),
            "scripts could read the session; leave it on",
        ),
        "SESSION_COOKIE_SAMESITE": (
            config["SESSION_COOKIE_SAMESITE"] in _SAME_SITE,
            "other sites' forms could use the session; set it to 'Lax' or 'Strict'",
        ),
        "SESSION_COOKIE_NAME": (
            _is_name(config["SESSION_COOKIE_NAME"]),
            "use letters, digits, '-' and '_'; over HTTPS the platform itself adds '__Host-'",
        ),
    }
    for setting, (accepted, remedy) in remedies.items():
        if not accepted:
            raise UnsafeCookieError(setting, config[setting], remedy)


def _is_name(value: object) -> bool:
    if not isinstance(value, str) or not _NAME.match(value):
        return False
    return not value.lower().startswith(("__host-", "__secure-"))


class ScopedSessionInterface(SecureCookieSessionInterface):
    """Flask's signed cookie sessions, scoped.

    Over HTTPS the cookie is ``__Host-…`` (R17), so that no sibling subdomain can plant it. An app
    mounted on a path gets a cookie for that path, under a name that holds the tenant's id.

    :param scope: The tenant's id, or the platform's scope; checked in every session (R15).
    :param name: The cookie's name; ``None``: the app's ``SESSION_COOKIE_NAME``.
    :param https: Whether the deployment is reached over HTTPS.
    :param whole_host: Keep ``Path=/`` although the app is mounted on a path, so that the cookie
        can be ``__Host-``.
    """

    digest_method = staticmethod(hashlib.sha256)

    def __init__(
        self, *, scope: str, name: str | None, https: bool, whole_host: bool = False
    ) -> None:
        self._scope = scope
        self._name = name
        self._https = https
        self._whole_host = whole_host

    def open_session(self, app: Flask, request: Request) -> SecureCookieSession | None:
        session = self._load(app, request)
        # One that names no tenant was not made here, even with the right key.
        if session and session.get(SCOPE) != self._scope:
            return self.session_class()
        return session

    def save_session(self, app: Flask, session: SessionMixin, response: Response) -> None:
        # Here and not after the request: asking flask.session whether it was touched touches it.
        if session.modified:
            # The request has a cookie, whatever the view says about its page (R23).
            response.headers["Cache-Control"] = "private, no-store"
        elif session.accessed:
            # A shared cache must never keep a page that was made for one visitor.
            response.headers.setdefault("Cache-Control", "private, no-store")
        if session and session.modified:
            session[SCOPE] = self._scope
        super().save_session(app, session, response)

    def _load(self, app: Flask, request: Request) -> SecureCookieSession | None:
        serializer = self.get_signing_serializer(app)
        if serializer is None:
            return None
        values = request.cookies.getlist(self._cookie_name(app, request))
        # Two cookies of one name: another site set one of them. Neither is trusted (R18).
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

    def get_cookie_name(self, app: Flask) -> str:
        return self._cookie_name(app, _request())

    def get_cookie_path(self, app: Flask) -> str:  # noqa: ARG002 - Flask's signature
        return self._path(_request())

    def get_cookie_secure(self, app: Flask) -> bool:
        return self._https or _request().is_secure or bool(app.config["SESSION_COOKIE_SECURE"])

    def get_cookie_httponly(self, app: Flask) -> bool:  # noqa: ARG002 - Flask's signature
        return True

    def get_cookie_samesite(self, app: Flask) -> str | None:
        wanted: str | None = app.config["SESSION_COOKIE_SAMESITE"]
        return wanted if wanted == "Strict" else "Lax"

    def get_cookie_domain(self, app: Flask) -> str | None:  # noqa: ARG002 - Flask's signature
        return None

    def _path(self, request: Any) -> str:
        prefix = "" if self._whole_host else request.script_root
        return f"{prefix}/"

    def _cookie_name(self, app: Flask, request: Any) -> str:
        path = self._path(request)
        chosen = self._name or app.config["SESSION_COOKIE_NAME"]
        base = chosen if _is_name(chosen) else "session"
        name = base if path == "/" else f"{base}_{self._scope}"
        if not (self._https or request.is_secure):
            return name
        return f"__Host-{name}" if path == "/" else f"__Secure-{name}"


def _request() -> Request:
    from flask import request  # noqa: PLC0415 - the proxy, not the class named above

    return request
