"""A site's domains: brought, proved, chosen and removed by those who manage it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Blueprint, flash, redirect, render_template, url_for

from backend_app.access import MANAGERS, open_to
from backend_app.context import backend, catalog, current_scope, operations
from backend_app.forms import DomainForm
from tenantry import ask_first
from tenantry.errors import (
    BadHostError,
    HostLimitError,
    HostNotFoundError,
    HostNotServedError,
    HostRestingError,
    HostTakenError,
)
from tenantry.values.domain_proof import records_of
from tenantry.values.hosts import canonical_host, shown_host

if TYPE_CHECKING:
    from flask.typing import ResponseReturnValue

    from tenantry import Tenant
    from tenantry.catalog import Host

bp = Blueprint("domains", __name__)

WWW = "www."


@bp.route("/domains", methods=["GET", "POST"])
@open_to(MANAGERS)
def index() -> ResponseReturnValue:
    """List the site's domains with the records that prove them, and add one."""
    tenant, form = _tenant(), DomainForm()
    if form.validate_on_submit() and _add(tenant, form):
        return redirect(url_for(".index"), 303)
    settings = backend().settings
    page = render_template(
        "backend/domains.html",
        form=form,
        own=settings.host_of(tenant),
        hosts=catalog().hosts.list(tenant.id),
        records=lambda host: records_of(host.name, host.token, settings.domain_targets),
        shown=shown_host,
        url_of=settings.url_of,
    )
    return page, 422 if form.errors else 200


@bp.post("/domains/<host>/check")
@open_to(MANAGERS)
def check(host: str) -> ResponseReturnValue:
    """Ask the DNS now."""
    try:
        _tell(operations().check_host(_tenant().slug, host))
    except (HostNotFoundError, BadHostError):
        flash("The domain is not among this site's any more.", "warning")
    return redirect(url_for(".index"), 303)


@bp.post("/domains/<host>/primary")
@open_to(MANAGERS)
def make_primary(host: str) -> ResponseReturnValue:
    """Let the site's other addresses redirect to this domain."""
    try:
        operations().make_host_primary(_tenant().slug, host)
    except (HostNotFoundError, BadHostError):
        flash("The domain is not among this site's any more.", "warning")
    except HostNotServedError:
        flash("Only a verified domain can be the primary one.", "danger")
    else:
        flash(f"The site's other addresses redirect to {shown_host(host)} now.", "success")
    return redirect(url_for(".index"), 303)


@bp.post("/domains/redirects/end")
@open_to(MANAGERS)
def end_redirects() -> ResponseReturnValue:
    """Let the site answer on each of its addresses again."""
    operations().make_host_primary(_tenant().slug, None)
    flash("The site answers on each of its addresses now.", "success")
    return redirect(url_for(".index"), 303)


@bp.post("/domains/<host>/remove")
@open_to(MANAGERS)
def remove(host: str) -> ResponseReturnValue:
    """Take a domain from the site, after a question."""
    question = f"Remove {shown_host(host)}? Visitors will not reach the site there any more."
    if ask := ask_first(
        question, button="Remove", back=url_for(".index"), layout="backend/base.html"
    ):
        return ask
    try:
        operations().remove_host(_tenant().slug, host)
    except (HostNotFoundError, BadHostError):
        flash("The domain is not among this site's any more.", "warning")
    else:
        flash(f"{shown_host(host)} is removed.", "success")
    return redirect(url_for(".index"), 303)


def _add(tenant: Tenant, form: DomainForm) -> bool:
    """Add what the form names; put a refusal into the form."""
    field = form.domain
    try:
        name = canonical_host(field.data)
        names = [name]
        if form.with_www.data and not name.startswith(WWW):
            names.append(WWW + name)
        for each in names:
            _tell(operations().add_host(tenant.slug, each))
    except HostTakenError:
        field.errors = ["Another site has this domain, or it is the platform's own."]
    except HostRestingError as error:
        field.errors = [f"Another site had this domain. It is reserved until {error.until}."]
    except HostLimitError:
        field.errors = ["Too many domains wait for their proof. Prove or remove some first."]
    except BadHostError as error:
        field.errors = [f"This is no domain: {error.problem}."]
    else:
        return True
    return False


def _tell(host: Host) -> None:
    """Say what became of a domain."""
    if host.is_served:
        flash(f"{shown_host(host.name)} is verified: the site answers there.", "success")
    else:
        flash(f"{shown_host(host.name)} is not verified yet. {host.problem}", "info")


def _tenant() -> Tenant:
    tenant = current_scope().tenant
    assert tenant is not None
    return tenant
