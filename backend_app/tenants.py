"""Operators look after tenants: find, create, visit, and everything about one on a page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Blueprint, abort, redirect, render_template, url_for
from flask_wtf import FlaskForm

from backend_app.access import OPERATORS, open_to
from backend_app.accounts import make_setup_link
from backend_app.bulk import list_bulk
from backend_app.context import backend, catalog, operations
from backend_app.entering import go_to_backend_of, is_manageable
from backend_app.figures import RANGES, read_figures
from backend_app.forms import NewTenantForm, VisitForm
from backend_app.jobs import title_of
from backend_app.listing import CSV_SIZE, send_csv
from backend_app.one_time import keep_once, take_once
from backend_app.operations import list_offered
from backend_app.site import find_quotas
from backend_app.tenant_table import CSV_HEADS, read_filter, read_listing, to_cells
from backend_app.workers import find_failures
from tenantry import TenantState, tenant_database
from tenantry.errors import NameHeldError, TenantExistsError, TenantryError

if TYPE_CHECKING:
    from flask.typing import ResponseReturnValue

    from tenantry import Tenant
    from tenantry.catalog import Slice, TenantRow

bp = Blueprint("tenants", __name__)

PAGE_SIZE = 25
TRAIL = 20
RECENT_JOBS = 5


@bp.get("/tenants")
@open_to(OPERATORS)
def index() -> ResponseReturnValue:
    """List tenants: searched, filtered, sorted, in pages."""
    listing = read_listing()
    rows = catalog().listings.tenants(
        read_filter(listing), sort=listing.sort, cursor=listing.cursor, size=PAGE_SIZE
    )
    return render_template("backend/tenants.html", listing=listing, rows=rows, bulk=list_bulk())


@bp.get("/tenants.csv")
@open_to(OPERATORS)
def download() -> ResponseReturnValue:
    """Send the tenants that the table shows, all of its pages, as a file."""
    listing, listings = read_listing(), catalog().listings
    which = read_filter(listing)

    def read(cursor: str) -> Slice[TenantRow]:
        return listings.tenants(which, sort=listing.sort, cursor=cursor, size=CSV_SIZE)

    return send_csv("sites", CSV_HEADS, read, to_cells)


@bp.route("/tenants/new", methods=["GET", "POST"])
@open_to(OPERATORS)
def create() -> ResponseReturnValue:
    """Create a site with its owner."""
    form = NewTenantForm()
    if form.validate_on_submit():
        tenant = _create(form)
        if tenant is not None:
            _keep_link(tenant, form.owner_email.data)
            return redirect(url_for(".created", slug=tenant.slug), 303)
    domain = backend().settings.domain
    return render_template("backend/tenant_new.html", form=form, domain=domain), (
        422 if form.errors else 200
    )


@bp.get("/tenants/<slug>/created")
@open_to(OPERATORS)
def created(slug: str) -> ResponseReturnValue:
    """Show the new site and, the first time, its owner's set-up link."""
    tenant = catalog().tenants.get(slug)
    owner = catalog().accounts.find(tenant.owners[0]) if tenant.owners else None
    return render_template(
        "backend/tenant_created.html",
        site=tenant,
        owner=owner,
        link=take_once(f"created {tenant.id}"),
        url=_site_url(tenant),
        form=FlaskForm(None),
    )


@bp.get("/tenants/<slug>")
@open_to(OPERATORS)
def show(slug: str) -> ResponseReturnValue:
    """Show everything about one tenant."""
    return _show(catalog().tenants.get(slug))


@bp.post("/tenants/<slug>/visit")
@open_to(OPERATORS)
def visit(slug: str) -> ResponseReturnValue:
    """Enter the tenant's backend as operator, with a reason that stays in the trail (R53)."""
    tenant, form = catalog().tenants.get(slug), VisitForm(prefix="visit")
    if not is_manageable(tenant):
        abort(404)
    if not form.validate():
        return _show(tenant, visit_form=form), 422
    return go_to_backend_of(tenant, reason=form.reason.data)


def _create(form: NewTenantForm) -> Tenant | None:
    try:
        return operations().create(
            form.slug.data,
            name=form.name.data,
            owner_email=form.owner_email.data,
            site_settings={"listed": form.listed.data},
        )
    except NameHeldError:
        form.slug.errors = ["Another site had this address, and it stays reserved for that one."]
    except TenantExistsError:
        form.slug.errors = ["A site with this address exists already. Choose another one."]
    except TenantryError as error:
        form.slug.errors = [str(error)]
    return None


def _keep_link(tenant: Tenant, owner_email: str) -> None:
    """Make the owner's set-up link, and keep it for the one page that shows it."""
    owner = catalog().accounts.find(owner_email)
    if owner is not None and not owner.has_password:
        keep_once(f"created {tenant.id}", make_setup_link(owner))


def _show(tenant: Tenant, *, visit_form: VisitForm | None = None) -> str:
    settings, row = backend().settings, catalog().tenants.get_row(tenant.slug)
    offered = {declared.name: (declared, url) for declared, url in list_offered(row)}
    return render_template(
        "backend/tenant.html",
        site=tenant,
        row=row,
        url=_site_url(tenant),
        hosts=(settings.host_of(tenant), *tenant.hosts),
        pending=[host.name for host in catalog().hosts.list(tenant.id) if not host.is_served],
        trouble=_find_trouble(tenant),
        quotas=() if tenant.state is TenantState.DELETED else find_quotas(tenant),
        former=catalog().names.list_former(tenant.id),
        events=catalog().audit.list(tenant_id=tenant.id, size=TRAIL),
        manageable=is_manageable(tenant),
        failures=find_failures(tenant.id),
        figures=read_figures(tenant.id),
        ranges=RANGES,
        offered=offered,
        is_dangerous=any(declared.is_typed for declared, _ in offered.values()),
        jobs=catalog().jobs.list(tenant_id=tenant.id, size=RECENT_JOBS),
        title_of=title_of,
        visit_form=visit_form or VisitForm(None, prefix="visit"),
    )


def _find_trouble(tenant: Tenant) -> str | None:
    """Return what keeps this one site from being served though its state says nothing of it."""
    if tenant.state in {TenantState.PROVISIONING, TenantState.DELETED}:
        return None
    try:
        if operations().database_missing(tenant):
            place = tenant_database(tenant, backend().settings).shown
            return f"Its database is missing ({place})."
    except TenantryError as error:
        return str(error)
    except OSError as error:
        return f"{error.filename}: {error.strerror}"
    return None


def _site_url(tenant: Tenant) -> str:
    return backend().settings.site_url(tenant)
