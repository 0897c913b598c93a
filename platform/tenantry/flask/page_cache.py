"""Pages that are rendered once and served from memory until their site's content changes."""

from __future__ import annotations

import re
import weakref
from dataclasses import dataclass
from functools import lru_cache, wraps
from typing import TYPE_CHECKING, Any, TypeVar, overload

from flask import current_app, request, request_finished

from tenantry.databases.placements import tenant_database
from tenantry.environ import PAGE
from tenantry.errors import TenantryError
from tenantry.flask.binding import EXTENSION, current_binding
from tenantry.flask.kept_pages import KeptPage, KeptPages

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Sequence

    from flask import Response

View = TypeVar("View", bound="Callable[..., Any]")

OK, NOT_MODIFIED = 200, 304
_HARMLESS = frozenset({"HTTP_USER_AGENT", "HTTP_SEC_FETCH_USER"})
_TELLING = re.compile(
    r"(?:HTTP_|SSL_CLIENT|REMOTE_USER).*(?:COOKIE|AUTH|USER|MAIL|TOKEN|SESSION|JWT|IDENTITY|ASSERTION"
    r"|CERT|API_KEY|SSL_CLIENT|REQUESTED_WITH|HX_REQUEST|RANGE)|REMOTE_USER|SSL_CLIENT"
)
"""Names of what may say who asks, or that less than the page is asked for."""
_LOOKED_AT = frozenset({"cookie", "authorization", "accept-encoding"})
"""In a ``Vary`` these change nothing: who sends the first two is not served from memory."""


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a page is kept, and what it is made of."""

    pages: KeptPages
    tenant_id: str
    content: Hashable
    key: Hashable
    vary: tuple[str, ...]

    def find(self) -> KeptPage | None:
        return self.pages.find(self.tenant_id, self.content, self.key)

    def keep(self, page: KeptPage) -> None:
        self.pages.keep(self.tenant_id, self.content, self.key, page)


@overload
def page_cache(view: View, /) -> View: ...
@overload
def page_cache(*, vary: Sequence[str] = ...) -> Callable[[View], View]: ...
def page_cache(
    view: View | None = None, /, *, vary: Sequence[str] = ("Accept", "Accept-Language")
) -> View | Callable[[View], View]:
    """Keep what a view shows to visitors who are not signed in, until the tenant's data changes.

    .. code-block:: python

        @app.get("/posts/<slug>")
        @page_cache
        def post(slug):
            return render_template("post.html", post=get_post(slug))

    The answer that confirms a write is followed by fresh pages in every worker and on every node: each
    request compares the number of the database's content, and a page that was made of an older one is
    rendered again. It gets an ETag, and a visitor who has it already gets a 304.

    A request with a cookie or credentials, a POST, and an answer that sets a cookie are never served
    from memory and never kept. The view may depend on the address, the tenant, the tenant's database
    and the headers that *vary* names. It must not depend on anything else, such as the time.

    :param vary: Request headers that the answer depends on.
    """

    def decorate(view: View) -> View:
        return _decorate(view, tuple(vary))

    return decorate if view is None else decorate(view)


def _decorate(view: View, vary: tuple[str, ...]) -> View:
    name = f"{view.__module__}.{view.__qualname__}"

    @wraps(view)
    def cached(*arguments: Any, **values: Any) -> Any:
        # A view that calls another one has made other arguments, or a part of its own page.
        is_asked = not arguments and values == (request.view_args or {})
        place = _find_place(name, vary) if is_asked and PAGE not in request.environ else None
        page = place.find() if place is not None else None
        if page is not None:
            return _answer(page)
        if place is not None:
            request.environ[PAGE] = None
        answer = current_app.ensure_sync(view)(*arguments, **values)
        return answer if place is None else _consider(answer, place)

    return cached  # type: ignore[return-value]


def _find_place(name: str, vary: tuple[str, ...]) -> _Place | None:
    """Return where the page that is asked for is kept; ``None`` if it has to be rendered."""
    environ = request.environ
    if request.method not in {"GET", "HEAD"} or current_app.debug:
        return None
    if EXTENSION not in current_app.extensions:
        return None  # an app that runs without the platform
    if any(_is_telling(key) and environ[key] for key in environ):
        return None
    try:
        settings, tenant = current_binding()
        # Asked before the page is rendered, which then may be newer than its number, never older.
        number = tenant_database(tenant, settings).content_number()
    except TenantryError:
        return None
    if number is None or not settings.page_cache_mb:
        return None
    # The instance counts too: one that is retired may know an older state of its tenant.
    instance = weakref.ref(current_app._get_current_object())  # type: ignore[attr-defined] # noqa: SLF001
    address = (request.scheme, request.host, request.root_path, request.path, request.query_string)
    headers = tuple(request.headers.get(header) for header in vary)
    return _Place(
        _open_pages(settings.page_cache_mb),
        tenant.id,
        (instance, tenant.revision, number),
        (name, address, headers),
        vary,
    )


@lru_cache(maxsize=1024)
def _is_telling(key: str) -> bool:
    return key not in _HARMLESS and _TELLING.match(key) is not None


@lru_cache(maxsize=8)
def _open_pages(megabytes: int) -> KeptPages:
    """Return the pages of this process."""
    return KeptPages(megabytes * 2**20)


def _answer(page: KeptPage) -> Response:
    answer = current_app.response_class(page.body, OK, list(page.headers))
    answer.make_conditional(request)
    return answer


def _consider(value: Any, place: _Place) -> Response:
    """Make a page that can be kept of a view's answer, if it is fit for that."""
    answer = current_app.make_response(value)
    if answer.status_code != OK or answer.is_streamed or answer.direct_passthrough:
        return answer
    if "Cache-Control" not in answer.headers:
        answer.cache_control.public = True
        answer.cache_control.no_cache = True  # browsers ask each time, and get a 304
    answer.vary.update(("Cookie", *place.vary))
    if not _is_for_everybody(answer, place):
        return answer
    answer.add_etag()
    page = KeptPage(answer.get_data(), tuple(answer.headers.to_wsgi_list()))
    if request.method == "GET":
        request.environ[PAGE] = (place, page)
    answer.make_conditional(request)
    return answer


def _is_for_everybody(answer: Response, place: _Place) -> bool:
    """Say whether nothing in the answer's head is against showing it to the next visitor."""
    headers, cache = answer.headers, answer.cache_control
    if "Set-Cookie" in headers or cache.no_store or cache.private:
        return False
    if "'nonce-" in headers.get("Content-Security-Policy", ""):
        return False  # a nonce that is told twice protects nobody
    known = {*_LOOKED_AT, *(name.lower() for name in place.vary)}
    return all(name.lower() in known for name in answer.vary)


def _finish(_app: object, *, response: Response, **_more: Any) -> None:
    """Keep the page once the whole answer is known: a session sets its cookie last."""
    made: tuple[_Place, KeptPage] | None = request.environ.pop(PAGE, None)
    if made is None or response.status_code not in {OK, NOT_MODIFIED}:
        return
    place, page = made
    if not response.is_sequence or not _is_for_everybody(response, place):
        return
    if response.get_data() == page.body:  # a hook may have put a visitor's own token in
        place.keep(page)


request_finished.connect(_finish)
