"""Serves one tenant: checks its state, acquires an instance, returns a body that ends the lease."""

from __future__ import annotations

import logging
import secrets
from typing import TYPE_CHECKING

from werkzeug.wsgi import FileWrapper

from tenantry.dispatch.closed_sites import closed_as
from tenantry.environ import BODY, DEBUGGER, TENANT
from tenantry.errors import PoolError, SiteMovingError, TenantBusyError, TenantLimitError
from tenantry.flask.page_cache import find_whole
from tenantry.middleware.bodies import REFUSALS, answer_refusal
from tenantry.values.tenant import TenantState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from _typeshed import OptExcInfo
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

    from tenantry.middleware.bodies import RequestBody
    from tenantry.middleware.time_limit import TimeLimit
    from tenantry.pool import InstancePool
    from tenantry.ui.error_pages import Pages
    from tenantry.values.tenant import Tenant

log = logging.getLogger(__name__)

ACTIVE = TenantState.ACTIVE  # looked up once, not per request

UNABLE = ("This site could not be started.", logging.WARNING)
BUSY: dict[type[PoolError], tuple[str, int]] = {
    TenantBusyError: ("This site is very busy.", logging.DEBUG),
    TenantLimitError: ("This site gets too many requests.", logging.DEBUG),
}
"""What a site answers that has more visitors than it may have: message, and how loudly to say so in
the log, which the flood must not fill; status and metrics count them."""


class InstanceServer:
    """Answers for ``environ["tenantry.tenant"]`` with that tenant's own app."""

    def __init__(
        self,
        pool: InstancePool[WSGIApplication],
        *,
        pages: Pages,
        time_limit: TimeLimit | None = None,
    ) -> None:
        self._acquire = pool.acquire
        self._pages = pages
        self._time_limit = time_limit

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        tenant: Tenant = environ[TENANT]
        if tenant.state is not ACTIVE:
            status, message, retry_after = closed_as(tenant)
            return self._pages.answer(
                environ, start_response, status, message, retry_after=retry_after
            )
        if tenant.quiet:
            start_response = _keep_out_of_indexes(start_response)
        try:
            lease = self._acquire(tenant)
        except PoolError as error:
            return self._busy(error, environ, start_response)

        # The server sends a wrapped file past us only if it is handed out unwrapped, and then the
        # lease would end too early.
        environ["wsgi.file_wrapper"] = FileWrapper
        try:
            lease.body = self._run(lease.instance, environ, start_response)
        except REFUSALS as refusal:
            lease.release()
            return answer_refusal(refusal, self._pages, environ, start_response)
        except Exception as error:
            lease.release()
            if DEBUGGER in environ:
                raise  # Werkzeug's debugger shows it to the developer
            return self._failed(tenant, error, environ, start_response)
        except BaseException:
            lease.release()
            raise
        return lease

    def _run(
        self, app: WSGIApplication, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        """Return what the app answers, without asking it if the whole page is in memory."""
        sent: RequestBody | None = environ.get(BODY)
        if sent is None and (kept := find_whole(app, environ)) is not None:
            start_response(kept.status, kept.headers)
            return [kept.body]
        if self._time_limit is not None:
            app = self._time_limit.around(app)
        if sent is not None:
            return sent.serve(app, environ, start_response)
        return app(environ, start_response)

    def _busy(
        self, error: PoolError, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        message, level = BUSY.get(type(error), UNABLE)
        log.log(level, "answered %d: %s", error.status, error)
        return self._pages.answer(
            environ,
            start_response,
            error.status,
            message,
            retry_after=error.retry_after,
            error_id=error.error_id,
        )

    def _failed(
        self,
        tenant: Tenant,
        error: Exception,
        environ: WSGIEnvironment,
        start_response: StartResponse,
    ) -> Iterable[bytes]:
        """Answer for an app that let an exception out; Flask never does, other apps may."""
        if isinstance(error, SiteMovingError):
            return self._pages.answer(
                environ,
                start_response,
                error.status,
                str(error),
                retry_after=error.retry_after,
                error=error,
            )
        error_id = secrets.token_hex(4)
        log.error(
            "the app of %s (%s) raised, error %s", tenant.slug, tenant.id, error_id, exc_info=error
        )
        return self._pages.answer(
            environ,
            start_response,
            500,
            "The site had an error. It has been logged.",
            error_id=error_id,
            error=error,
        )


def _keep_out_of_indexes(start_response: StartResponse) -> StartResponse:
    """Tell search engines, with whatever is answered, that a copy is not to be found."""

    def quiet(
        status: str, headers: list[tuple[str, str]], exc_info: OptExcInfo | None = None, /
    ) -> Callable[[bytes], object]:
        kept = [(name, value) for name, value in headers if name.lower() != "x-robots-tag"]
        return start_response(status, [*kept, ("X-Robots-Tag", "noindex, nofollow")], exc_info)

    return quiet
