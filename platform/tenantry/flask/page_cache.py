"""Pages that are rendered once and served from memory until their site's content changes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar, overload

from flask import Flask, current_app, request, request_finished
from werkzeug.http import is_resource_modified

from tenantry.environ import KEPT_PAGE, PAGE
from tenantry.flask.binding import EXTENSION
from tenantry.flask.kept_pages import KeptPage
from tenantry.flask.page_place import PagePlace, address_of, find_place, open_pages

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Sequence
    from datetime import datetime

    from _typeshed.wsgi import WSGIEnvironment
    from flask import Response

    from tenantry.flask.binding import TenantBinding

View = TypeVar("View", bound="Callable[..., Any]")

OK, NOT_MODIFIED = 200, 304
WHOLE = "whole"
"""Part of the key of a page that is answered without its app."""
_LOOKED_AT = frozenset({"cookie", "authorization", "accept-encoding"})
"""In a ``Vary`` these change nothing: who sends the first two is not served from memory."""
_OF_A_BODY = frozenset({"content-length", "content-type", "content-encoding"})
"""Headers that a 304 does not have."""


@dataclass(frozen=True, slots=True)
class _Rules:
    """How a view is cached."""

    name: str
    vary: tuple[str, ...]
    hooks: bool
    until: Callable[[], datetime | None] | None

    def key(self) -> Hashable:
        """Return under what the page that is asked for now is kept."""
        headers = tuple(request.headers.get(header) for header in self.vary)
        return (self.name, address_of(request.environ), headers)


@dataclass(frozen=True, slots=True)
class _Rendered:
    """A page that the view has made, while the app goes on with its answer."""

    rules: _Rules
    place: PagePlace
    page: KeptPage


@overload
def page_cache(view: View, /) -> View: ...
@overload
def page_cache(
    *,
    vary: Sequence[str] = ...,
    hooks: bool = ...,
    until: Callable[[], datetime | None] | None = ...,
) -> Callable[[View], View]: ...
def page_cache(
    view: View | None = None,
    /,
    *,
    vary: Sequence[str] = ("Accept", "Accept-Language"),
    hooks: bool = True,
    until: Callable[[], datetime | None] | None = None,
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
    and the headers that *vary* names. It may depend on the time if *until* says when that changes
    what it shows. It must not depend on anything else.

    :param vary: Request headers that the answer depends on.
    :param hooks: Whether the app's ``before_request`` and ``after_request`` functions run for a page
        from memory. Without them it is several times faster. *vary* must be empty then.
    :param until: Asked before the view runs: the next moment, with its zone, at which the view shows
        something else without a write, as a post that is scheduled. From then on the page is
        rendered again. ``None``: there is no such moment.
    """
    if vary and not hooks:
        raise ValueError(f"page_cache(hooks=False) needs vary=(), and not {vary!r}.")

    def decorate(view: View) -> View:
        name = f"{view.__module__}.{view.__qualname__}"
        return _decorate(view, _Rules(name, tuple(vary), hooks, until))

    return decorate if view is None else decorate(view)


def _decorate(view: View, rules: _Rules) -> View:
    @wraps(view)
    def cached(*arguments: Any, **values: Any) -> Any:
        # A view that calls another one has made other arguments, or a part of its own page.
        is_asked = not arguments and values == (request.view_args or {})
        place = _find_place() if is_asked and PAGE not in request.environ else None
        if place is None:
            return current_app.ensure_sync(view)(*arguments, **values)
        page = place.find(rules.key())
        if page is not None:
            return _answer(page)
        request.environ[PAGE] = None
        # Before the view: what comes meanwhile ends the page at once, and is never missed.
        until = _time_of(rules.until()) if rules.until else None
        return _consider(current_app.ensure_sync(view)(**values), rules, place, until)

    return cached  # type: ignore[return-value]


def _time_of(moment: datetime | None) -> float | None:
    """Return the Unix time of what a view's ``until`` has said.

    :raises ValueError: It has no zone: what it means depends on the machine.
    """
    if moment is not None and moment.utcoffset() is None:
        raise ValueError(
            f"page_cache(until=…) needs a moment with its zone, and not {moment!r}. If it is in UTC, "
            f"return moment.replace(tzinfo=UTC)."
        )
    return None if moment is None else moment.timestamp()


def _find_place() -> PagePlace | None:
    return find_place(request.environ, current_app._get_current_object())  # type: ignore[attr-defined] # noqa: SLF001


def _answer(page: KeptPage) -> Response:
    request.environ[KEPT_PAGE] = page
    answer = current_app.response_class(page.body, OK, list(page.headers))
    answer.make_conditional(request)
    return answer


def _consider(value: Any, rules: _Rules, place: PagePlace, until: float | None) -> Response:
    """Make a page that can be kept of a view's answer, if it is fit for that."""
    answer = current_app.make_response(value)
    if answer.status_code != OK or answer.is_streamed or answer.direct_passthrough:
        return answer
    if "Cache-Control" not in answer.headers:
        answer.cache_control.public = True
        answer.cache_control.no_cache = True  # browsers ask each time, and get a 304
    answer.vary.update(("Cookie", *rules.vary))
    if not _is_for_everybody(answer, rules):
        return answer
    answer.add_etag()
    page = KeptPage(answer.get_data(), tuple(answer.headers.to_wsgi_list()), until=until)
    if request.method == "GET":
        request.environ[PAGE] = _Rendered(rules, place, page)
    answer.make_conditional(request)
    return answer


def _is_for_everybody(answer: Response, rules: _Rules) -> bool:
    """Say whether nothing in the answer's head is against showing it to the next visitor."""
    headers, cache = answer.headers, answer.cache_control
    if "Set-Cookie" in headers or cache.no_store or cache.private:
        return False
    if "'nonce-" in headers.get("Content-Security-Policy", ""):
        return False  # a nonce that is told twice protects nobody
    known = {*_LOOKED_AT, *(name.lower() for name in rules.vary)}
    return all(name.lower() in known for name in answer.vary)


def _finish(app: Flask, *, response: Response, **_more: Any) -> None:
    """Keep the page once the whole answer is known: a session sets its cookie last."""
    made: _Rendered | None = request.environ.pop(PAGE, None)
    if made is None or response.status_code not in {OK, NOT_MODIFIED}:
        return
    if not response.is_sequence or not _is_for_everybody(response, made.rules):
        return
    if response.get_data() != made.page.body:  # a hook may have put a visitor's own token in
        return
    made.place.keep(made.rules.key(), made.page)
    if not made.rules.hooks and response.status_code == OK and "wsgi_app" not in vars(app):
        headers = response.get_wsgi_headers(request.environ).to_wsgi_list()
        whole = KeptPage(made.page.body, tuple(headers), until=made.page.until)
        made.place.keep((WHOLE, *address_of(request.environ)), whole)


request_finished.connect(_finish)


@dataclass(frozen=True, slots=True)
class WholeAnswer:
    """What a server is given."""

    status: str
    headers: list[tuple[str, str]]
    body: bytes


def find_whole(app: object, environ: WSGIEnvironment) -> WholeAnswer | None:
    """Return the answer to a request that does not need its app."""
    if not isinstance(app, Flask):
        return None
    binding: TenantBinding | None = app.extensions.get(EXTENSION)
    if binding is None or binding.tenant is None:
        return None
    key = (WHOLE, *address_of(environ))
    # First what costs least: most requests are for no such page.
    if not open_pages(binding.settings.page_cache_mb).has(binding.tenant.id, key):
        return None
    place = find_place(environ, app)
    page = place.find(key) if place is not None else None
    if page is None:
        return None
    headers = list(page.headers)
    if "HTTP_IF_NONE_MATCH" in environ or "HTTP_IF_MODIFIED_SINCE" in environ:
        told = dict(headers)
        if not is_resource_modified(environ, told.get("ETag"), None, told.get("Last-Modified")):
            left = [header for header in headers if header[0].lower() not in _OF_A_BODY]
            return WholeAnswer("304 NOT MODIFIED", left, b"")
    environ[KEPT_PAGE] = page
    return WholeAnswer("200 OK", headers, page.body if environ["REQUEST_METHOD"] == "GET" else b"")
