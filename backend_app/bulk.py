"""An operation on all sites of a filter: a page with the count, a dry run, its form, and one job.

The filter stands in the address, as on the list of sites. The form says how many sites were shown; if
others match by now, nothing is done and the page shows the new number.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Blueprint, flash, redirect, render_template, request, url_for

from backend_app.access import OPERATORS, PROVED_OPERATORS, open_to
from backend_app.carrying import sign_writer
from backend_app.context import operations
from backend_app.operation_forms import OperationForm, make_form
from backend_app.tenant_table import read_filter, read_listing
from tenantry.errors import CatalogUnavailableError, TenantryError
from tenantry.lifecycle.bulk import NAMES, BulkPreview
from tenantry.lifecycle.offered import OPERATIONS

if TYPE_CHECKING:
    from flask.typing import ResponseReturnValue

    from backend_app.listing import Listing
    from tenantry.catalog import TenantFilter
    from tenantry.lifecycle.declaration import Declaration

bp = Blueprint("bulk", __name__)

MAX_DIGITS = 9
_GENTLE = ", ".join(repr(name) for name in NAMES if not OPERATIONS[name].is_typed)


@bp.route(f"/bulk/<any({_GENTLE}):many>", methods=["GET", "POST"])
@open_to(OPERATORS)
def show(many: str) -> ResponseReturnValue:
    """Show what an operation would do to the sites of a filter, and have a job do it."""
    return _show(OPERATIONS[many])


@bp.route("/bulk/delete", methods=["GET", "POST"])
@open_to(PROVED_OPERATORS)
def delete() -> ResponseReturnValue:
    """Do the same for the deletion; their number is typed first."""
    return _show(OPERATIONS["delete"])


def list_bulk() -> list[tuple[Declaration, str]]:
    """Return the operations that can be done to many sites, each with its page's endpoint."""
    return [
        (OPERATIONS[name], "bulk.delete" if OPERATIONS[name].is_typed else "bulk.show")
        for name in NAMES
    ]


def _show(declared: Declaration) -> ResponseReturnValue:
    listing = read_listing()
    # Without that filter, it would be done to sites that nobody has chosen.
    if _is_misread(listing):
        flash("One of the filters cannot be used any more. Choose again.", "warning")
        return redirect(listing.url(), 303)
    which = read_filter(listing)
    shown = request.form.get("expected", "")
    form = make_form(declared, shown, {})
    problem, status = "", 200
    is_asked = form.validate_on_submit()
    try:
        if is_asked and not form.dry_run.data:
            return _start(declared, which, form, shown)
        preview = _preview(declared, which, form if is_asked else None)
    except CatalogUnavailableError:
        raise
    except TenantryError as error:
        problem, status = str(error), error.status
        preview = operations().count_bulk(declared.name, which)
    if declared.is_typed:
        form.typed.label.text = f"Type {preview.count} to confirm"
    page = render_template(
        "backend/bulk.html",
        operation=declared,
        listing=listing,
        form=form,
        preview=preview,
        problem=problem,
        writer=sign_writer(),
        url=f"{request.script_root}{request.full_path}",
    )
    return page, 422 if form.errors else status


def _is_misread(listing: Listing) -> bool:
    """Say whether the address has a filter that the list leaves out, as a plan that no site has."""
    asked = request.args.get
    left_out = any(asked(choice.name) and not choice.value for choice in listing.choices)
    return left_out or asked("search", "").strip() != listing.search


def _preview(
    declared: Declaration, which: TenantFilter, answered: OperationForm | None
) -> BulkPreview:
    """Return what it would do; of what has not been told all that it needs, to how many."""
    if answered is None and any(one.is_required for one in declared.parameters):
        return operations().count_bulk(declared.name, which)
    arguments = {} if answered is None else answered.arguments(declared)
    return operations().preview_bulk(declared.name, which, **arguments)


def _start(
    declared: Declaration, which: TenantFilter, form: OperationForm, shown: str
) -> ResponseReturnValue:
    expected = int(shown) if shown.isdecimal() and len(shown) <= MAX_DIGITS else 0
    job = operations().start_bulk(
        declared.name, which, expected=expected, **form.arguments(declared)
    )
    return redirect(url_for("jobs.show", job_id=job.id), 303)
