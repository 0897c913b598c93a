"""``If-Match``: a call changes the tenant that its caller has read, or nothing.

The check is made twice: before the view, so that a caller hears early, and in the transaction that
makes the first change, where nothing can come between.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

from flask import current_app, g, request

from backend_app.api.access import needs_of
from backend_app.api.problems import ProblemError
from backend_app.api.reach import get_row
from tenantry.catalog.preconditions import at_revision
from tenantry.errors import TenantChangedError
from tenantry.flask.security import SAFE_METHODS

if TYPE_CHECKING:
    from flask import Flask
    from werkzeug.routing import Rule

HEADER = "If-Match"


def init_matching(app: Flask) -> None:
    """Let calls of *app* name a tenant's revision; it comes after the check of who calls."""
    app.before_request(require_revision)
    app.teardown_request(_release)


def takes_match(method: str, rule: Rule) -> bool:
    """Say whether a call changes a tenant that its path names."""
    return method not in SAFE_METHODS and "tenant" in rule.arguments


def require_revision() -> None:
    """Before a call that changes a tenant: hold it to the revision that the caller names.

    :raises ProblemError: The call must name one and does not, with 428.
    :raises TenantChangedError: The tenant is at another one, with 412.
    """
    rule = request.url_rule
    if rule is None or "token" not in g or not takes_match(request.method, rule):
        return
    if request.headers.get(HEADER) is None:
        wanted = needs_of(current_app.view_functions[rule.endpoint])
        if wanted is not None and wanted.match:
            sentence = "Send If-Match with the ETag that you have read, so that no change is lost."
            raise ProblemError(428, sentence)
        return
    tenant = get_row((request.view_args or {})["tenant"]).tenant
    if request.if_match.star_tag:
        return
    if not request.if_match.contains(str(tenant.revision)):
        raise TenantChangedError(tenant.slug, tenant.revision)
    g.precondition = ExitStack()
    g.precondition.enter_context(at_revision(tenant.id, tenant.revision))


def _release(_error: BaseException | None) -> None:
    if (held := g.pop("precondition", None)) is not None:
        held.close()
