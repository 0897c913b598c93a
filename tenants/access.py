"""Who is asking, and what they may do."""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from flask import abort, current_app, g
from flask_login import LoginManager, current_user

from tenants.sessions import find_signed_in

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask import Flask

    from tenants.models import Member
    from tenants.permissions import Permission

P = ParamSpec("P")
R = TypeVar("R")


class _Login(LoginManager):
    """Flask-Login without its remember-me cookie.

    Its own ``init_app`` reads the session after every response, to see whether that cookie is
    wanted. No page, feed or style sheet could then be kept by a browser.
    """

    def init_app(self, app: Flask, add_context_processor: bool = False) -> None:  # noqa: ARG002, FBT001, FBT002
        app.login_manager = self  # type: ignore[attr-defined]


login = _Login()
login.session_protection = None  # a phone changes its address many times a day


@login.user_loader
def _load(session_id: str) -> Member | None:
    """Return the member of a session, unless it has ended or the member is blocked (R25)."""
    return find_signed_in(session_id)


def find_member() -> Member | None:
    """Return who is signed in; nobody while the database is out of order."""
    if g.get("without_database") or not current_user.is_authenticated:
        return None
    member: Member = current_user._get_current_object()  # noqa: SLF001 - werkzeug's name
    return member


def get_member() -> Member:
    """Return who is signed in, in a view that :func:`only` guards."""
    member = find_member()
    if member is None:
        abort(403)
    return member


def only(permission: Permission) -> Callable[[Callable[P, R]], Callable[P, R | Any]]:
    """Open a view to members who have the permission; others get 403, visitors may sign in."""

    def decorate(view: Callable[P, R]) -> Callable[P, R | Any]:
        @wraps(view)
        def guarded(*args: P.args, **kwargs: P.kwargs) -> R | Any:
            member = find_member()
            if member is None:
                return current_app.login_manager.unauthorized()  # type: ignore[attr-defined]
            if not member.may(permission):
                abort(403)
            return view(*args, **kwargs)

        return guarded

    return decorate
