"""The parts of a site that its own app lets the owner manage: tables with actions on rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from flask_wtf import FlaskForm

from backend_app.access import MANAGERS, open_to
from backend_app.context import backend, catalog, current_actor, current_scope
from backend_app.instances import open_management
from backend_app.tables import TableQuery
from tenantry import TenantState, ask_first
from tenantry.catalog import Page

if TYPE_CHECKING:
    from flask.typing import ResponseReturnValue

    from tenantry import Tenant
    from tenantry.management import Action, Column, Row, Section, SiteManagement

bp = Blueprint("sections", __name__)

PAGE_SIZE = 25


@dataclass(frozen=True, slots=True)
class _Table:
    """A section's page as values, so that nothing of the tenant's app is needed to render it."""

    name: str
    label: str
    columns: tuple[Column, ...]
    actions: dict[str, Action]
    page: Page[Row]


@bp.get("/sections/<name>")
@open_to(MANAGERS)
def show(name: str) -> ResponseReturnValue:
    """Show a page of a section's table."""
    tenant, query = _tenant(), TableQuery.from_request()
    with open_management(tenant) as offered:
        section = _find(offered, name)
        table = None if section is None else _read(section, query)
    if table is None:
        abort(404)
    return render_template(
        "backend/section.html",
        table=table,
        query=query,
        writable=is_writable(tenant),
        site_url=backend().settings.site_url(tenant).rstrip("/"),
        form=FlaskForm(),
    )


@bp.post("/sections/<name>/<row_id>/<action>")
@open_to(MANAGERS)
def act(name: str, row_id: str, action: str) -> ResponseReturnValue:
    """Do one of the section's actions to one of its rows."""
    tenant = _tenant()
    if not is_writable(tenant):
        flash(f"The site is {tenant.state}: nothing on it can be changed now.", "warning")
        return redirect(url_for(".show", name=name), 303)
    choice = request.form.get("choice")
    offer = _find_offer(tenant, name, action)
    if offer.confirm and (
        ask := ask_first(
            offer.confirm, button=offer.label, back=_back(name), layout="backend/base.html"
        )
    ):
        return ask
    try:
        message = _act(tenant, name, row_id, action, choice)
    except ValueError as error:
        flash(str(error), "danger")
    except LookupError:
        flash("It no longer exists.", "warning")
    else:
        detail = {"section": name, "row": row_id, "choice": choice, "result": message}
        catalog().audit.record(
            f"section.{action}", tenant_id=tenant.id, detail=detail, by=current_actor()
        )
        flash(message, "success")
    return redirect(_back(name), 303)


def is_writable(tenant: Tenant) -> bool:
    """Say whether the site's own data may be changed in its state."""
    return tenant.state == TenantState.ACTIVE


def _act(tenant: Tenant, name: str, row_id: str, action: str, choice: str | None) -> str:
    actor = current_actor().label
    with open_management(tenant) as offered:
        section = _find(offered, name)
        if section is None:
            abort(404)
        offer = _get_offer(section, action)
        if offer.choices and choice not in offer.choices:
            raise ValueError(f"{choice!r} is not one of the choices: {', '.join(offer.choices)}.")
        return section.act(action, row_id, choice=choice if offer.choices else None, actor=actor)


def _find_offer(tenant: Tenant, name: str, action: str) -> Action:
    with open_management(tenant) as offered:
        section = _find(offered, name)
        if section is None:
            abort(404)
        return _get_offer(section, action)


def _get_offer(section: Section, action: str) -> Action:
    offer = next((offer for offer in section.actions if offer.name == action), None)
    if offer is None:
        abort(404)
    return offer


def _find(offered: SiteManagement | None, name: str) -> Section | None:
    sections = offered.sections if offered else ()
    return next((section for section in sections if section.name == name), None)


def _read(section: Section, query: TableQuery) -> _Table:
    listing = section.find(search=query.search, page=query.page, size=PAGE_SIZE)
    return _Table(
        section.name,
        section.label,
        section.columns,
        {action.name: action for action in section.actions},
        Page(listing.rows, listing.total, query.page, PAGE_SIZE),
    )


def _back(name: str) -> str:
    """Return the page of the table that the action was chosen on."""
    query = TableQuery.from_request()
    return url_for(".show", name=name, search=query.search or None, page=query.page)


def _tenant() -> Tenant:
    tenant = current_scope().tenant
    assert tenant is not None
    return tenant
