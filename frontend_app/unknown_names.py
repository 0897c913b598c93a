"""The page for a name under the platform's domain that no tenant has: 404 for each of its paths.

Hosts of other domains never come here: ``SubdomainDispatcher`` answers them with 421.

It asks the catalog for no name, and it is rendered once for all such names of
which the same is to be said, so that random names cost the platform next to nothing (R6, R26).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from flask import make_response, render_template, request
from werkzeug.test import create_environ
from werkzeug.wrappers import Response as AnyResponse

from frontend_app import look
from tenantry import prefers_json, problem
from tenantry.environ import REQUEST_ID, UNKNOWN_SLUG
from tenantry.ui import problems
from tenantry.values.slugs import NameVerdict, judge_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment
    from flask import Response

VERDICT_KEY = "tenantry.front.verdict"

NOT_FOUND = 404
_NAME, _ID = "@name@", "@request-id@"
"""Stand in a rendered page for the two things that differ each time. Neither needs escaping: the name
is a label of a host."""

_Page = tuple[str, list[tuple[str, str]], str]


class UnknownNames:
    """Stands around the app and answers for names that nobody has, from pages that it keeps.

    :param domain: The platform's domain.
    :param backend_label: The label under the platform's domain where the backend is, if it is there.
    :param find_look: Returns what tells one look of the pages from another.
    """

    def __init__(
        self,
        app: WSGIApplication,
        *,
        domain: str,
        backend_label: str,
        find_look: Callable[[], int],
    ) -> None:
        self._app = app
        self._domain = domain
        self._backend_label = backend_label
        self._find_look = find_look
        self._pages: tuple[int, dict[tuple[str, NameVerdict], _Page]] = (-1, {})

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        name = environ.get(UNKNOWN_SLUG)
        if name is None:
            return self._app(environ, start_response)
        if environ["PATH_INFO"] in look.PATHS:  # what the page itself loads
            del environ[UNKNOWN_SLUG]
            return self._app(environ, start_response)
        verdict = environ[VERDICT_KEY] = judge_name(name, backend_label=self._backend_label)
        if problems.prefers_json(environ.get("HTTP_ACCEPT", "")):
            return self._app(environ, start_response)
        # There are few verdicts, and two schemes.
        key = (environ["wsgi.url_scheme"], verdict)
        kept = self._find_pages()
        page = kept.get(key)
        if page is None:
            page = kept[key] = self._render(*key)
        status, headers, text = page
        text = text.replace(_NAME, name).replace(_ID, environ.get(REQUEST_ID, ""))
        body = text.encode()
        start_response(status, [*headers, ("Content-Length", str(len(body)))])
        return [b"" if environ["REQUEST_METHOD"] == "HEAD" else body]

    def _find_pages(self) -> dict[tuple[str, NameVerdict], _Page]:
        """Return the pages that are rendered in the look of now."""
        shown = self._find_look()
        if self._pages[0] != shown:
            self._pages = (shown, {})
        return self._pages[1]

    def _render(self, scheme: str, verdict: NameVerdict) -> _Page:
        """Let the app answer a request that nobody made."""
        asked = {UNKNOWN_SLUG: _NAME, VERDICT_KEY: verdict, REQUEST_ID: _ID}
        environ = create_environ(base_url=f"{scheme}://{self._domain}", environ_overrides=asked)
        response = AnyResponse.from_app(self._app, environ)
        if response.status_code != NOT_FOUND:
            raise RuntimeError(f"the page for unknown names came with {response.status}")
        response.headers.remove("Content-Length")
        return response.status, response.headers.to_wsgi_list(), response.get_data(as_text=True)


def answer_unknown() -> Response | None:
    """Before every request: answer it here if its host names no tenant."""
    slug = request.environ.get(UNKNOWN_SLUG)
    if slug is None:
        return None
    verdict = cast("NameVerdict", request.environ[VERDICT_KEY])
    if prefers_json():
        free = "No site has this name yet."
        detail = f"No site can have this name: {verdict.problem}." if verdict.problem else free
        return problem(NOT_FOUND, "No such site", detail)
    page = render_template("front/unknown.html", slug=slug, verdict=verdict)
    return make_response(page, NOT_FOUND)
