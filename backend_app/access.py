"""Each view says who may use it; one check holds them to it; a view that says nothing is refused."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlencode, urlsplit

from flask import abort, current_app, g, make_response, redirect, request

from backend_app.carrying import hold_back
from backend_app.context import backend, catalog, current_scope
from tenantry import is_local_path, prefers_json, problem
from tenantry.flask.account_sessions import is_proof_recent, lacks_second_factor
from tenantry.flask.security import SAFE_METHODS

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask import Flask
    from werkzeug.wrappers import Response

View = TypeVar("View", bound="Callable[..., Any]")


@dataclass(frozen=True, slots=True)
class Audience:
    """Who may use a view, and on which kind of host."""

    name: str
    platform: bool = False
    site: bool = False
    signed_in: bool = True
    operator: bool = False
    """Only for operators."""
    member: bool = False
    """Only for those with a role at the site: no operator on a visit."""
    owner: bool = False
    """Only for owners of the site."""
    recent: bool = False
    """To change something, only for those who have proved a short time ago who they are."""


SITE_VISITORS = Audience("site visitors", site=True, signed_in=False)
SIGNED_IN = Audience("signed in", platform=True, site=True)
ACCOUNTS = Audience("accounts", platform=True)
OPERATORS = Audience("operators", platform=True, operator=True)
PROVED_OPERATORS = Audience("operators, sensitive", platform=True, operator=True, recent=True)
MANAGERS = Audience("managers", site=True)
"""Sessions on a tenant's host: its owner or staff, or a visiting operator."""
MEMBERS = Audience("members", site=True, member=True)
OWNERS = Audience("owners", site=True, member=True, owner=True)


def open_to(audience: Audience) -> Callable[[View], View]:
    """Mark a view with its audience."""

    def mark(view: View) -> View:
        view.__dict__["audience"] = audience
        return view

    return mark


def audience_of(view: Callable[..., Any]) -> Audience | None:
    """Return the audience that a view was marked with."""
    return view.__dict__.get("audience")


def require_audiences(app: Flask) -> None:
    """Refuse an app with a view that anybody forgot to mark.

    :raises RuntimeError: It names the views.
    """
    unmarked = [name for name, view in app.view_functions.items() if audience_of(view) is None]
    if unmarked:
        raise RuntimeError(f"Views without @open_to(...): {', '.join(unmarked)}.")


def check_access() -> Response | None:
    """Before every request: let the audience through and nobody else."""
    if request.endpoint is None:  # No such route, or not for this method: Flask says so.
        return None
    audience = audience_of(current_app.view_functions[request.endpoint])
    is_platform = current_scope().tenant is None
    if audience is None or not (audience.platform if is_platform else audience.site):
        abort(404)
    if not audience.signed_in:
        return None
    if g.account is None:
        return ask_to_sign_in()
    if (audience.operator and not g.account.operator) or (audience.member and g.as_operator):
        abort(403)
    if audience.owner and not is_owner():
        abort(403)
    if audience.operator and lacks_second_factor(g.account, backend().settings):
        return redirect(f"{backend().settings.accounts_url}account/security", 303)
    if audience.recent and request.method not in SAFE_METHODS and not is_proof_recent(g.session):
        return ask_again()
    return None


def is_owner() -> bool:
    """Say whether the account that is signed in here owns the site."""
    tenant = current_scope().tenant
    if tenant is None or g.as_operator:
        return False
    return catalog().memberships.find_role(g.account.id, tenant.id) == "owner"


def ask_again() -> Response:
    """Ask for the password once more, before something sensitive."""
    if prefers_json():
        return problem(401, "Prove who you are", "Send your password to /signin/again first.")
    page = _find_referrer()
    query = ""
    if page:
        query = f"?{urlencode({'next': page})}"
        hold_back(urlsplit(page).path)
    return redirect(f"{backend().settings.accounts_url}signin/again{query}", 303)


def ask_to_sign_in() -> Response:
    """Send an anonymous request to the sign-in page, and back afterwards if it was harmless."""
    if prefers_json():
        return problem(401, "Not signed in", "Only signed-in accounts may do this.")
    back = None
    if request.headers.get("HX-Request"):
        shown = urlsplit(request.headers.get("HX-Current-URL", ""))
        back = f"{shown.path}?{shown.query}".rstrip("?") if is_local_path(shown.path) else None
    elif request.method == "GET":
        back = (request.script_root + request.full_path).rstrip("?")
    elif back := _find_referrer():  # the page whose form was sent: it can be sent again
        hold_back(urlsplit(back).path)
    target = sign_in_url(back)
    if request.headers.get("HX-Request"):
        # htmx would follow a redirect silently and look for its fragment on the sign-in page.
        return make_response("", 401, {"HX-Redirect": target})
    return redirect(target, 302 if request.method == "GET" else 303)


def _find_referrer() -> str | None:
    """Return the local page that the request comes from. Its query may be the filter of a list."""
    shown = urlsplit(request.referrer or "")
    return f"{shown.path}?{shown.query}".rstrip("?") if is_local_path(shown.path) else None


def sign_in_url(back: str | None) -> str:
    """Return the sign-in page that leads back to a page of this host."""
    tenant = current_scope().tenant
    wanted = {"site": tenant.slug if tenant is not None else None, "next": back}
    query = urlencode({name: value for name, value in wanted.items() if value})
    return f"{backend().settings.accounts_url}signin{'?' if query else ''}{query}"
