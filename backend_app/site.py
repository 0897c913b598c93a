"""A site's own backend: what it is, how it presents itself, what was done, the way in."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from flask import (
    Blueprint,
    abort,
    flash,
    g,
    make_response,
    redirect,
    render_template,
    request,
    url_for,
)
from flask_wtf import FlaskForm

from backend_app.access import MANAGERS, MEMBERS, open_to
from backend_app.context import backend, catalog, current_actor, current_scope
from backend_app.entering import go_to
from backend_app.figures import RANGES, read_figures
from backend_app.forms import SiteForm
from backend_app.instances import open_management
from backend_app.tables import TableQuery
from backend_app.workers import find_failures
from tenantry import TenantState, accent_tones, is_local_path, read_accent, request_id
from tenantry.errors import PlacementError, PoolError, UnknownPlacementError
from tenantry.flask.quotas import read_quotas
from tenantry.mail.outbox import sender_address
from tenantry.ui.colours import find_changes

if TYPE_CHECKING:
    from flask.typing import ResponseReturnValue

    from tenantry import Quota, Tenant

log = logging.getLogger(__name__)

bp = Blueprint("site", __name__)

RECENT = 6
PAGE_SIZE = 50
DEFAULT_ACCENT = "#1d6b52"
"""The look's own. A colour field cannot be empty: browsers would send black."""
KEYS = ("tagline", "language", "accent", "listed", "mail_name", "mail_reply_to")


@bp.route("/settings", methods=["GET", "POST"])
@open_to(MANAGERS)
def settings() -> ResponseReturnValue:
    """Change how the site presents itself, on its pages and in its mail."""
    tenant = _tenant()
    shown = {"accent": DEFAULT_ACCENT, "language": "en", **tenant.settings}
    form = SiteForm(data={"name": tenant.name, **{key: shown.get(key) for key in KEYS}})
    if form.validate_on_submit():
        catalog().tenants.configure(
            tenant.id,
            name=form.name.data,
            settings={key: form[key].data for key in KEYS},
            by=current_actor(),
        )
        flash("Saved. Visitors see it now.", "success")
        return redirect(url_for(".settings"), 303)
    page = render_template(
        "backend/site_settings.html",
        form=form,
        chosen=read_accent(shown["accent"]),
        changes=find_changes(read_accent(shown["accent"])),
        sender=sender_address(backend().settings, tenant),
    )
    return page, 422 if form.errors else 200


@bp.get("/colour.css")
@open_to(MANAGERS)
def colour() -> ResponseReturnValue:
    """Serve the site's colour, which its console wears too; its address holds the revision."""
    accent = read_accent(_tenant().settings.get("accent"))
    response = make_response(
        render_template(
            "ui/colour.css",
            light=accent_tones(accent, dark=False),
            dark=accent_tones(accent, dark=True),
        )
    )
    response.mimetype = "text/css"
    response.headers["Cache-Control"] = "private, max-age=86400"
    return response


@bp.get("/activity")
@open_to(MANAGERS)
def activity() -> ResponseReturnValue:
    """Show what was done to this site, by whom; nothing of any other (R58)."""
    query = TableQuery.from_request()
    events = catalog().audit.list(tenant_id=_tenant().id, page=query.page, size=PAGE_SIZE)
    return render_template("backend/activity.html", events=events)


@bp.post("/open")
@open_to(MEMBERS)
def open_site() -> ResponseReturnValue:
    """Open the site, signed in as its owner.

    Not for visiting operators: they have no account on a customer's site, and get none in passing.
    """
    tenant, account = _tenant(), g.account
    if not can_open(tenant):
        abort(403)
    with open_management(tenant) as offered:
        path = None
        if offered is not None:
            path = offered.entry_path(email=account.email, name=account.name)
    if path is None or not is_local_path(path):
        abort(404)
    catalog().audit.record("site.opened", tenant_id=tenant.id, by=current_actor())
    url = backend().settings.site_url(tenant).rstrip("/") + path
    if urlsplit(url).netloc == request.host:
        return redirect(url, 303)
    return go_to(url, name=tenant.name)


def show_overview(tenant: Tenant) -> str:
    """Return the site's first page; it works while the site's app does not."""
    counts, trouble = _count(tenant)
    return render_template(
        "backend/site.html",
        counts=counts,
        trouble=trouble,
        failure=next(iter(find_failures(tenant.id)), None),
        url=backend().settings.site_url(tenant),
        events=catalog().audit.list(tenant_id=tenant.id, size=RECENT).items,
        can_open=can_open(tenant),
        quotas=find_quotas(tenant),
        figures=read_figures(tenant.id),
        ranges=RANGES,
        form=FlaskForm(),
    )


def find_quotas(tenant: Tenant) -> tuple[Quota, ...]:
    """Return how much room of its plan a tenant takes; nothing while its database does not answer."""
    try:
        return read_quotas(tenant, backend().settings)
    except (PlacementError, UnknownPlacementError) as error:
        log.warning("cannot look how full tenant %s is: %s", tenant.id, error)
        return ()


def can_open(tenant: Tenant) -> bool:
    """Say whether the account that is signed in here can be signed in at the site itself."""
    if g.as_operator or tenant.state != TenantState.ACTIVE:
        return False
    return catalog().memberships.find_role(g.account.id, tenant.id) == "owner"


def _count(tenant: Tenant) -> tuple[list[tuple[str, str, int]], str | None]:
    """Return how much is in each section, or the error under which it is logged that nobody knows."""
    try:
        with open_management(tenant) as offered:
            sections = offered.sections if offered else ()
            return [
                (section.name, section.label, section.find(search="", page=1, size=1).total)
                for section in sections
            ], None
    except PoolError as error:
        log.warning("cannot ask tenant %s: %s", tenant.id, error)
        return [], error.error_id or request_id()
    except Exception:
        log.exception("cannot ask tenant %s: its app failed", tenant.id)
        return [], request_id()


def _tenant() -> Tenant:
    tenant = current_scope().tenant
    assert tenant is not None
    return tenant
