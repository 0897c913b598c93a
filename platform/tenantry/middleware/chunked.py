"""Chunked request bodies, which WSGI has no word for, as the pieces that they carry.

uWSGI shows an app an empty body unless the app reads the chunks itself; data would be lost silently.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

try:
    import uwsgi
except ImportError:  # another server
    uwsgi = None

if TYPE_CHECKING:
    from collections.abc import Callable

    from _typeshed.wsgi import WSGIEnvironment

READ_SECONDS = 10


def find_chunk_reader(environ: WSGIEnvironment, size: int) -> Callable[[], bytes] | None:
    """Return what reads the next piece of a chunked body, empty at its end; ``None`` if nothing can.

    What it returns raises :class:`OSError` if the body is malformed or stops before its end.

    :param size: Bytes of a piece, where the server decodes the chunks by itself.
    """
    if uwsgi is not None:
        return _read_from_uwsgi
    if environ.get("wsgi.input_terminated"):
        # Werkzeug's development server and others decode on their own and mark the end.
        read = environ["wsgi.input"].read
        return lambda: read(size)
    return None


def _read_from_uwsgi() -> bytes:
    chunk: bytes = uwsgi.chunked_read(READ_SECONDS)
    return chunk
