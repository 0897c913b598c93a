"""Operations on a site that ask first: a page says what happens, and a form on it does it.

They are the command line's own operations. The page works without scripts. To destroy something, people
type its name.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from flask import Blueprint, flash, redirect, render_template, url_for

from backend_app.access import OPERATORS, PROVED_OPERATORS, open_to
from backend_app.context import catalog, operations
from backend_app.forms import ConfirmForm, PurgeForm
from tenantry import TenantState
from tenantry.errors import TenantryError

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask.typing import ResponseReturnValue

    from tenantry.catalog import TenantRow

bp = Blueprint("operations", __name__)


@dataclass(frozen=True, slots=True)
class Operation:
    """What is asked, and what the answer does."""

    title: str
    button: str
    text: str
    check: Callable[[TenantRow], object]
    """Refuses what cannot be done."""
    run: Callable[[str], object]
    done: str


class NothingToDoError(TenantryError):
    """The site is as the operation would make it."""

    message = "{problem}"
    status = 409
    problem: str


def _check_quiet(row: TenantRow) -> None:
    if not row.tenant.quiet:
        raise NothingToDoError(f"{row.tenant.slug} is not a quiet copy.")


def _check_deleted(row: TenantRow) -> None:
    operations().preview_undelete(row.tenant.slug)
    if row.tenant.state is not TenantState.DELETED:
        raise NothingToDoError(f"{row.tenant.slug} is not deleted.")


OPERATIONS = {
    "undelete": Operation(
        title="Undelete {name}",
        button="Undelete it",
        text="It is then archived, with all its data. Its visitors still read that it is closed, "
        "until you resume it.",
        check=_check_deleted,
        run=lambda slug: operations().undelete(slug),
        done="{name} is undeleted: it is archived, and you can resume it.",
    ),
    "release": Operation(
        title="Release {name}",
        button="Release it",
        text="This copy may then send mail, call webhooks and run jobs, be in the directory, and be "
        "found by search engines. A released site does not become quiet again.",
        check=_check_quiet,
        run=lambda slug: operations().release(slug),
        done="{name} is released.",
    ),
}


@bp.route("/tenants/<slug>/<any(undelete, release):operation>", methods=["GET", "POST"])
@open_to(OPERATORS)
def confirm(slug: str, operation: str) -> ResponseReturnValue:
    """Ask, and do it when the form comes back."""
    row, asked, form = catalog().tenants.get_row(slug), OPERATIONS[operation], ConfirmForm()
    form.submit.label.text = asked.button
    try:
        asked.check(row)
        if not form.validate_on_submit():
            return render_template("backend/confirm.html", row=row, operation=asked, form=form)
        asked.run(slug)
    except TenantryError as error:
        flash(str(error), "warning")
    else:
        flash(asked.done.format(name=row.tenant.name), "success")
    return redirect(url_for("tenants.show", slug=slug), 303)


@bp.route("/tenants/<slug>/purge", methods=["GET", "POST"])
@open_to(PROVED_OPERATORS)
def purge(slug: str) -> ResponseReturnValue:
    """Show what would be destroyed, and destroy it when its name has been typed."""
    row, form = catalog().tenants.get_row(slug), PurgeForm()
    form.wanted, form.is_due = slug, row.is_due
    try:
        operations().preview_purge(slug, early=True)
        if row.purged_at is not None:
            return redirect(url_for("tenants.show", slug=slug))
        if not form.validate_on_submit():
            residual_data = operations().find_residual_data(row.tenant)
            page = render_template(
                "backend/purge.html", row=row, residual_data=residual_data, form=form
            )
            return page, 422 if form.errors else 200
        operations().purge(slug, early=form.early.data)
    except TenantryError as error:
        flash(str(error), "danger")
    else:
        flash(f"{row.tenant.name} is purged; only its names and its audit trail remain.", "success")
    return redirect(url_for("tenants.show", slug=slug), 303)
