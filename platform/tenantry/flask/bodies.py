"""Lets a Flask view accept longer request bodies than a form has."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeVar

from flask import Request, current_app
from werkzeug.utils import cached_property

from tenantry.environ import BODY

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import IO

    from flask import Flask

    from tenantry.middleware.bodies import RequestBody
    from tenantry.settings import Settings

View = TypeVar("View", bound="Callable[..., Any]")

MIB = 1024 * 1024
_ASKED = "tenantry_max_body"
_EVERYTHING = 1 << 62


def accept_body(*, megabytes: float | None = None) -> Callable[[View], View]:
    """Let a view receive longer bodies than ``TENANTRY_LIMIT_FORM_KB``, as uploads are.

    .. code-block:: python

        @app.post("/pictures")
        @accept_body(megabytes=10)
        def add_picture(): ...

    :param megabytes: MiB; without it, and at most, ``TENANTRY_LIMIT_BODY_MB``.
    """
    size = _EVERYTHING if megabytes is None else int(megabytes * MIB)

    def mark(view: View) -> View:
        setattr(view, _ASKED, size)
        return view

    return mark


def limit_bodies(app: Flask, settings: Settings) -> None:
    """Give *app* the platform's limits for bodies and forms where the factory has set none."""
    config = app.config
    if config["MAX_CONTENT_LENGTH"] is None:
        config["MAX_CONTENT_LENGTH"] = settings.limit_form_bytes
    if config["MAX_FORM_PARTS"] is None:
        config["MAX_FORM_PARTS"] = settings.limit_form_fields
    if config["MAX_FORM_MEMORY_SIZE"] is None:
        config["MAX_FORM_MEMORY_SIZE"] = settings.limit_form_bytes
    kind: Any = app.request_class
    app.request_class = _limited(kind)


@lru_cache(maxsize=64)
def _limited(kind: Any) -> Any:
    """Return the app's own class of requests, which asks for the body that its view may have."""
    if issubclass(kind, _LimitedRequest):
        return kind
    return type(kind.__name__, (_LimitedRequest, kind), {"__module__": kind.__module__})


class _LimitedRequest(Request):
    """A request whose body may be as long as the view, or else the app, says."""

    @property
    def max_content_length(self) -> int | None:
        """Bytes of the body, at most: of this request, of its view, or of the app."""
        if self._max_content_length is None and self.endpoint is not None:
            view = current_app.view_functions.get(self.endpoint)
            asked: int | None = getattr(view, _ASKED, None)
            if asked is not None:
                return asked
        return super().max_content_length

    @max_content_length.setter
    def max_content_length(self, value: int | None) -> None:
        self._max_content_length = value

    @cached_property
    def stream(self) -> IO[bytes]:
        """The body. Everything that reads a request comes this way, and only after routing."""
        body: RequestBody | None = self.environ.get(BODY)
        limit = self.max_content_length
        if body is not None and limit is not None:
            body.allow(limit)
        return super().stream
