"""Operations on a site: a page each, with what it would do, its form, and what came of it.

They are the operations of :data:`tenantry.lifecycle.offered.OPERATIONS`, as the command line has them.
The pages work without scripts. To destroy something, people type its name. What takes longer than a
moment is a job, and leads to the job's page.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flask import Blueprint, flash, redirect, render_template, request, url_for

from backend_app.access import OPERATORS, PROVED_OPERATORS, open_to
from backend_app.carrying import sign_writer
from backend_app.context import catalog, operations
from backend_app.operation_forms import OperationForm, make_form
from tenantry.errors import CatalogUnavailableError, TenantryError
from tenantry.lifecycle.offered import OPERATIONS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flask.typing import ResponseReturnValue

    from tenantry.catalog import TenantRow
    from tenantry.lifecycle.declaration import Declaration

bp = Blueprint("operations", __name__)


def _any_of(*, is_typed: bool) -> str:
    names = (name for name, declared in OPERATIONS.items() if declared.is_typed is is_typed)
    return f"any({', '.join(repr(name) for name in names)})"


@bp.route(f"/tenants/<slug>/<{_any_of(is_typed=False)}:operation>", methods=["GET", "POST"])
@open_to(OPERATORS)
def show(slug: str, operation: str) -> ResponseReturnValue:
    """Show what an operation would do, and do it when its form comes back."""
    return _show(slug, OPERATIONS[operation])


@bp.route(f"/tenants/<slug>/<{_any_of(is_typed=True)}:destructive>", methods=["GET", "POST"])
@open_to(PROVED_OPERATORS)
def show_destructive(slug: str, destructive: str) -> ResponseReturnValue:
    """Do the same for what destroys or replaces something."""
    return _show(slug, OPERATIONS[destructive])


def find_url(declared: Declaration, slug: str, **query: Any) -> str:
    """Return the page of an operation on a tenant."""
    if declared.is_typed:
        return url_for("operations.show_destructive", slug=slug, destructive=declared.name, **query)
    return url_for("operations.show", slug=slug, operation=declared.name, **query)


def list_offered(row: TenantRow) -> Iterator[tuple[Declaration, str]]:
    """Yield the operations that a site's page has buttons for, with their pages."""
    for declared in OPERATIONS.values():
        if declared.is_offered(row):
            yield declared, find_url(declared, row.tenant.slug)


def _show(slug: str, declared: Declaration) -> ResponseReturnValue:
    row = catalog().tenants.get_row(slug)
    form = make_form(declared, slug, request.args.to_dict())
    would: tuple[str, ...] = ()
    problem, status = "", 200
    is_asked = form.validate_on_submit()
    try:
        if is_asked and not form.dry_run.data:
            return _do(row, declared, form)
        if is_asked or (request.method == "GET" and not _needs_answers(declared)):
            arguments = form.arguments(declared) if is_asked else _widest(declared)
            would = declared.prepare(operations(), slug, **arguments).would
    except CatalogUnavailableError:
        raise
    except TenantryError as error:
        problem, status = str(error), error.status
    page = render_template(
        "backend/operation.html",
        row=row,
        operation=declared,
        form=form,
        would=would,
        problem=problem,
        writer=sign_writer(),
    )
    return page, 422 if form.errors else status if request.method == "POST" else 200


def _do(row: TenantRow, declared: Declaration, form: OperationForm) -> ResponseReturnValue:
    """Do what the form says, and lead to where its result is seen."""
    slug = row.tenant.slug
    prepared = declared.prepare(operations(), slug, **form.arguments(declared))
    job = prepared.run()
    if job is not None:
        return redirect(url_for("jobs.show", job_id=job.id), 303)
    flash(prepared.done, "success" if prepared.is_needed else "warning")
    now = catalog().tenants.get_by_id(row.tenant.id)
    return redirect(url_for("tenants.show", slug=now.slug), 303)


def _widest(declared: Declaration) -> dict[str, bool]:
    """Return the arguments with which a page shows the most that its operation would do."""
    return {one.name: True for one in declared.parameters if one.type is bool}


def _needs_answers(declared: Declaration) -> bool:
    return any(parameter.is_required for parameter in declared.parameters)
