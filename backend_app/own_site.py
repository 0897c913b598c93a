"""Pages about a site for its owner: backups, its plan and use, its mail, and the danger zone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flask import Blueprint, redirect, render_template, url_for
from flask_wtf.file import FileField, FileRequired
from wtforms import StringField, SubmitField, ValidationError

from backend_app.access import MEMBERS, OWNERS, is_owner, open_to
from backend_app.context import backend, catalog, operations
from backend_app.figures import RANGES, read_figures
from backend_app.forms import stripped
from backend_app.imports import keeping
from backend_app.own_operations import (
    OWN,
    check_other_restore,
    explain,
    find_next_key,
    find_refusal,
    get_site,
)
from backend_app.site import find_quotas
from backend_app.tables import TableQuery
from tenantry import accept_body
from tenantry.bundles.archive import needs_passphrase, open_bundle
from tenantry.errors import BundleError, CatalogUnavailableError, TenantryError
from tenantry.flask.forms import Form
from tenantry.lifecycle.backup import list_backups, read_listed
from tenantry.lifecycle.restore import check_owner
from tenantry.lifecycle.tenant_paths import TenantPaths
from tenantry.lifecycle.untrusted_bundles import check_quota

if TYPE_CHECKING:
    from pathlib import Path

    from flask.typing import ResponseReturnValue

    from tenantry import Tenant

bp = Blueprint("own_site", __name__)

MOST = 50
PAGE_SIZE = 50
LIMITS = {
    "in_flight": "Requests at once",
    "requests": "Requests a second",
    "statement_seconds": "Seconds a statement may take",
    "database_mb": "Database, MiB",
    "media_mb": "Files, MiB",
    "members": "People with an account",
}
"""Limits of plans that mean something to owners."""


class OwnImportForm(Form):
    """An exported file of the same site."""

    file = FileField("File", validators=[FileRequired("Choose a file.")])
    typed = StringField("Type the site's address to confirm", filters=[stripped])
    submit = SubmitField("Replace the site's content")

    def validate_typed(self, field: Any) -> None:
        """Compare the address."""
        if field.data != get_site().slug:
            raise ValidationError(f"That is not “{get_site().slug}”.")


@bp.get("/own/backups")
@open_to(MEMBERS)
def backups() -> ResponseReturnValue:
    """List the site's newest backups, with the ways back."""
    tenant = get_site()
    paths = list_backups(TenantPaths(tenant, backend().settings))
    return render_template(
        "backend/own_backups.html",
        backups=read_listed(paths[:MOST]),
        most=MOST,
        total=len(paths),
        may_act=is_owner() and not find_refusal(OWN["restore"], tenant),
        may_back_up=is_owner() and not find_refusal(OWN["backup"], tenant),
        owns=is_owner(),
        settings=backend().settings,
    )


@bp.get("/own/usage")
@open_to(MEMBERS)
def usage() -> ResponseReturnValue:
    """Show the site's plan, its limits, and how much of them is used."""
    tenant = get_site()
    limits = backend().settings.limits_of(tenant.plan)
    return render_template(
        "backend/own_usage.html",
        limits=[(label, getattr(limits, name)) for name, label in LIMITS.items()],
        quotas=find_quotas(tenant),
        figures=read_figures(tenant.id),
        ranges=RANGES,
    )


@bp.get("/own/mail")
@open_to(MEMBERS)
def mail() -> ResponseReturnValue:
    """List the site's mails: when each was due, which it was, and what became of it."""
    query = TableQuery.from_request()
    page = catalog().mails.list(tenant_id=get_site().id, page=query.page, size=PAGE_SIZE)
    return render_template("backend/own_mail.html", mails=page)


@bp.get("/own/danger")
@open_to(OWNERS)
def danger() -> ResponseReturnValue:
    """Show what destroys or gives away: each leads to its page."""
    tenant, settings = get_site(), backend().settings
    return render_template(
        "backend/own_danger.html",
        operations=[own for own in OWN.values() if own.is_dangerous],
        people_url=f"{settings.own_sites_url}/{tenant.slug}/people",
        purge_days=settings.purge_days,
    )


@bp.route("/own/import", methods=["GET", "POST"])
@open_to(OWNERS)
@accept_body()
def import_() -> ResponseReturnValue:
    """Replace the site's content by that of a file which it has exported."""
    tenant, form = get_site(), OwnImportForm()
    key = find_next_key(OWN["restore"], tenant)
    problem, status = find_refusal(OWN["restore"], tenant), 200
    if problem:
        status = 409 if form.is_submitted() else 200
    elif form.validate_on_submit():
        try:
            with keeping(form.file.data) as (path, keep):
                _check(path, tenant)
                check_other_restore(tenant)
                job = operations(job_key=key).start(
                    "restore",
                    slug=tenant.slug,
                    path=str(path),
                    backup_first=True,
                    with_settings=False,
                )
                if job.arguments["path"] != str(path):
                    raise BundleError("", "another restore has just been begun")
                keep()
                return redirect(url_for("own_jobs.show", job_id=job.id), 303)
        except CatalogUnavailableError:
            raise
        except TenantryError as error:
            problem, status = explain(error).replace("The backup", "The file", 1), error.status
    page = render_template("backend/own_import.html", form=form, problem=problem)
    return page, 422 if form.errors else status


def _check(path: Path, tenant: Tenant) -> None:
    """Refuse a file that is not an export of this site; all of it is checked.

    Only rows and files are taken from it: anyone could have made it.

    :raises BundleError: It is not.
    """
    if needs_passphrase(path):
        raise BundleError("", "it is encrypted; ask the platform's operator to import it")
    with open_bundle(path) as bundle:
        manifest = bundle.manifest
    if manifest.pages is not None:
        raise BundleError("", "it is a copy of a database and not an exported file")
    if manifest.tenant.id != tenant.id:
        raise BundleError("", "it is not an export of this site")
    check_quota(manifest, backend().settings.limits_of(tenant.plan), name="")
    check_owner(operations().verify(path), tenant, path)
