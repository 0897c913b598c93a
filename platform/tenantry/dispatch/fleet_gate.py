"""Answers, in a fleet, for tenants that this node cannot serve. A node of its own has no such gate."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenantry.environ import TENANT
from tenantry.errors import ElsewhereError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

    from tenantry.catalog.node_lease import Lease
    from tenantry.ui.error_pages import Pages

# No node's name: visitors need not know the machines.
ELSEWHERE = "This site is served by another server of this platform, which does not answer here."
WITHOUT_CATALOG = (
    "This server has lost its connection to the platform's catalog. It serves no sites meanwhile."
)
RETRY_SECONDS = 5


class FleetGate:
    """Stands before tenants' apps.

    :param app: Answers for ``environ["tenantry.tenant"]``.
    :param find_other_node: Tells the node that a placement belongs to; empty if that is this one.
    :param lease: The node's, if its sites are closed when that is over.
    """

    def __init__(
        self,
        app: WSGIApplication,
        *,
        pages: Pages,
        find_other_node: Callable[[str], str],
        lease: Lease | None,
    ) -> None:
        self._app = app
        self._pages = pages
        self._find_other_node = find_other_node
        self._lease = lease

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if self._find_other_node(environ[TENANT].placement):
            message, seconds = ELSEWHERE, ElsewhereError.retry_after
        elif self._lease is not None and not self._lease.is_valid:
            # The site may have been suspended, or moved: this node cannot know.
            message, seconds = WITHOUT_CATALOG, RETRY_SECONDS
        else:
            return self._app(environ, start_response)
        return self._pages.answer(environ, start_response, 503, message, retry_after=seconds)
