"""HTTP caching of pages that are the same for everyone."""

from __future__ import annotations

from flask import Response, make_response, request


def let_caches_keep(html: str) -> Response:
    """Return a page that may be kept if nothing that came with the request says who asks.

    A cache asks each time whether the page is still the same, so that what is changed, deleted or
    suspended is so at once. A request with any cookie gets what the session says: ``private`` (R23).
    An app that looks at the session, as one that greets members does, gets ``Vary: Cookie`` by Flask.
    """
    response = make_response(html)
    if not request.cookies and "Authorization" not in request.headers:
        response.cache_control.public = True
        response.cache_control.no_cache = True
        response.add_etag()
        response.make_conditional(request)
    return response
