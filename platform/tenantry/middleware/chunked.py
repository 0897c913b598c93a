"""Chunked request bodies, which WSGI has no word for, turned into bodies with a length.

uWSGI shows an app an empty body unless the app reads the chunks itself; data would be lost silently.
"""

from __future__ import annotations

from contextlib import suppress
from tempfile import SpooledTemporaryFile
from typing import TYPE_CHECKING

try:
    import uwsgi
except ImportError:  # another server
    uwsgi = None

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

IN_MEMORY = 256 * 1024
READ_SECONDS = 10


class BodyTooLargeError(Exception):
    """The body is longer than allowed."""


class BrokenBodyError(Exception):
    """The chunks are malformed, or stop before the last one."""


def decode_chunked(environ: WSGIEnvironment, max_body: int) -> None:
    """Replace the body in *environ* by its decoded content, and tell its length.

    :raises BodyTooLargeError: It is longer than *max_body* octets.
    :raises BrokenBodyError: It cannot be decoded.
    :raises OSError: There is no room for it. It has been read all the same: who is still sending would
        not see the answer.
    """
    if uwsgi is None:
        # Werkzeug's development server and others decode on their own and mark the end.
        if not environ.get("wsgi.input_terminated"):
            raise BrokenBodyError
        return
    spool = SpooledTemporaryFile(max_size=IN_MEMORY)  # noqa: SIM115 - the app reads it
    length, failure = 0, None
    while chunk := _read_chunk():
        length += len(chunk)
        if length > max_body:
            spool.close()
            raise BodyTooLargeError
        if failure is None:
            failure = _keep(spool, chunk)
    if failure is not None:
        raise failure
    spool.seek(0)
    environ["wsgi.input"] = spool
    environ["CONTENT_LENGTH"] = str(length)
    del environ["HTTP_TRANSFER_ENCODING"]


def _keep(spool: SpooledTemporaryFile[bytes], chunk: bytes) -> OSError | None:
    """Write a chunk; return what the disk says if it does not take it."""
    try:
        spool.write(chunk)
    except OSError as error:
        with suppress(OSError):  # which tries to write the rest once more
            spool.close()
        return error
    return None


def _read_chunk() -> bytes:
    try:
        chunk: bytes = uwsgi.chunked_read(READ_SECONDS)
    except OSError as error:
        raise BrokenBodyError from error
    return chunk
