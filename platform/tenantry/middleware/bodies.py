"""Request bodies: limits of size and fields, read when the request has its place.

The gate judges what the headers say. A body is read only when the request has a share of the worker:
a site that does not exist, that is closed or that has its fill of requests costs its sender's bytes
nothing but a connection.

A form costs its parser far more than its bytes: 24 MiB of ``a&`` are twelve million fields. So fields
are counted while the bytes come in, before any app or framework looks at them.
"""

from __future__ import annotations

import io
import logging
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from tempfile import SpooledTemporaryFile
from typing import IO, TYPE_CHECKING, Any

from werkzeug.exceptions import (
    BadRequest,
    HTTPException,
    RequestEntityTooLarge,
    RequestTimeout,
    ServiceUnavailable,
)
from werkzeug.http import parse_options_header

from tenantry.files.disk import is_full
from tenantry.limits import client_of
from tenantry.middleware.senders import (
    GRACE_SECONDS,
    MIN_RATE,
    Senders,
)
from tenantry.worker.server import find_chunk_reader, find_connection

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

    from tenantry.settings import Settings
    from tenantry.ui.error_pages import Pages

log = logging.getLogger(__name__)

KIB = 1024
MIB = 1024 * 1024
PIECE = 16 * KIB
"""Bytes that are read at once: each piece has to come in time."""

_LONGEST_ADDRESS = 64
_FORM = "application/x-www-form-urlencoded"


class BodyTooLargeError(RequestEntityTooLarge):
    """The body is longer than the route takes, or has more fields than a form may have."""


class BodyBrokenError(BadRequest):
    """The body stops before its end, or its chunks are malformed."""


class BodyTooSlowError(RequestTimeout):
    """The body came so slowly that the connection was cut."""


class SendersBusyError(ServiceUnavailable):
    """As many clients are sending as may hold a thread."""


class BodyNotKeptError(HTTPException):
    """There is no room for what was sent (RFC 4918, section 11.5)."""

    code = 507


REFUSALS = (
    BodyTooLargeError,
    BodyBrokenError,
    BodyTooSlowError,
    SendersBusyError,
    BodyNotKeptError,
)
"""Why a body is not handed on. To Flask they are errors of HTTP like any other."""


@dataclass(frozen=True, slots=True)
class BodyLimits:
    """What the requests of a worker may carry.

    :param form_bytes: Bytes of a body, unless the route asks for more.
    :param fields: Fields of a form, or parts of a multipart body.
    :param max_bytes: Bytes of a body, whatever the route asks for.
    """

    form_bytes: int
    fields: int
    max_bytes: int
    senders: Senders

    @classmethod
    def of(cls, settings: Settings) -> BodyLimits:
        """Return the limits that the settings name."""
        return cls(
            form_bytes=settings.limit_form_bytes,
            fields=settings.limit_form_fields,
            max_bytes=settings.limit_body_mb * MIB,
            senders=Senders(
                most=max(1, settings.threads - 1), most_of_client=max(1, settings.threads // 2)
            ),
        )


class RequestBody:
    """The body of one request, in ``environ`` under :data:`~tenantry.environ.BODY`.

    :param length: Bytes, as the headers say; ``None`` if it comes in chunks.
    """

    __slots__ = (
        "_begun",
        "_counted",
        "_limits",
        "_most",
        "_received",
        "_separator",
        "_tail",
        "_waited",
        "allowed",
        "length",
    )

    def __init__(self, limits: BodyLimits, environ: WSGIEnvironment, length: int | None) -> None:
        self._limits = limits
        self.length = length
        self.allowed = limits.form_bytes
        self._separator, more = _separator_of(environ.get("CONTENT_TYPE", ""))
        self._most = limits.fields + more
        self._begun = False
        self._tail = b""
        self._counted = 0
        self._received = 0
        self._waited = 0.0

    def allow(self, size: int | None = None) -> None:
        """Let the route read a longer body than a form.

        :param size: Bytes; without it, and at most, ``TENANTRY_LIMIT_BODY_MB``.
        """
        longest = self._limits.max_bytes
        self.allowed = longest if size is None else min(size, longest)

    def serve(
        self, app: WSGIApplication, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        """Call *app* with the body: a form has been read by then, a longer body is read by the app.

        :raises HTTPException: One of :data:`REFUSALS`.
        """
        self._prepare(environ)
        return app(environ, start_response)

    # --- before the app ---------------------------------------------------------------------------

    def _prepare(self, environ: WSGIEnvironment) -> None:
        if self.length is None:
            self._collect_chunks(environ)
            return
        source = environ["wsgi.input"].read
        if self.length > self._limits.form_bytes:
            reader = _Reader(self, self.length, lambda size: self._read(environ, source, size))
            environ["wsgi.input"] = io.BufferedReader(reader, 4 * PIECE)
            return
        pieces, left = [], self.length
        while left and (piece := self._read(environ, source, min(left, PIECE))):
            pieces.append(piece)
            left -= len(piece)
        # A body that is shorter than it says is the app's to judge, as it always was.
        environ["wsgi.input"] = io.BytesIO(b"".join(pieces))

    def _collect_chunks(self, environ: WSGIEnvironment) -> None:
        """Replace a chunked body by its content, and tell its length.

        It is read to its end even if there is no room for it: a client that is still sending would
        not see the answer.
        """
        read_chunk = find_chunk_reader(environ, PIECE)
        assert read_chunk is not None, "the gate has refused what nobody decodes"
        limits = self._limits
        with ExitStack() as stack:
            spool = SpooledTemporaryFile(max_size=limits.form_bytes)  # noqa: SIM115 - see below
            stack.callback(_close, spool)
            length, failure = 0, None
            while chunk := self._read(environ, lambda _: read_chunk(), PIECE):
                length += len(chunk)
                if length > limits.max_bytes:
                    raise BodyTooLargeError(too_large(limits.max_bytes))
                if failure is None:
                    failure = _keep(spool, chunk)
            if failure is not None:
                raise _not_kept(failure)
            spool.seek(0)
            if length > limits.form_bytes:
                reader = _Reader(self, length, spool.read, close=stack.pop_all().close)
                environ["wsgi.input"] = io.BufferedReader(reader)
            else:
                environ["wsgi.input"] = io.BytesIO(spool.read())
        self.length = length
        environ["CONTENT_LENGTH"] = str(length)
        environ.pop("HTTP_TRANSFER_ENCODING", None)
        environ.pop("wsgi.input_terminated", None)

    # --- reading ----------------------------------------------------------------------------------

    def _read(self, environ: WSGIEnvironment, source: Callable[[int], bytes], size: int) -> bytes:
        """Read at most *size* bytes from the client, in time and with a place, and count fields."""
        senders = self._limits.senders
        sending = senders.enter(
            client_of(environ.get("REMOTE_ADDR", "")[:_LONGEST_ADDRESS]),
            find_connection(environ),
            allowed=GRACE_SECONDS + (self._received + size) / MIN_RATE - self._waited,
            waited=self._waited if self._begun else None,
        )
        if sending is None:
            message = "Too many visitors are sending data. Try again in a moment."
            raise SendersBusyError(message, retry_after=5)
        self._begun = True
        began, until = senders.clock(), sending.deadline
        try:
            piece = source(size)
        except OSError as error:
            if is_full(error):
                raise _not_kept(error) from error
            if senders.clock() >= until:
                message = "Your data came too slowly. Try again on a better connection."
                raise BodyTooSlowError(message) from error
            raise BodyBrokenError("The body of this request stopped before its end.") from error
        finally:
            senders.leave(sending)
        self._waited += senders.clock() - began
        self._received += len(piece)
        self.count(piece)
        return piece

    def count(self, piece: bytes) -> None:
        """Count the fields in the next piece of the body.

        :raises BodyTooLargeError: There are too many.
        """
        separator = self._separator
        if not separator:
            return
        seen = self._tail + piece
        self._counted += seen.count(separator)
        # A separator may be cut in two, and must not be counted twice.
        self._tail = seen[-(len(separator) - 1) :] if len(separator) > 1 else b""
        if self._counted > self._most:
            message = f"A form may have {self._limits.fields:,} fields at most."
            raise BodyTooLargeError(message)

    def check_length(self) -> None:
        """Refuse a body that is longer than the route takes.

        :raises BodyTooLargeError: It is.
        """
        if self.length is not None and self.length > self.allowed:
            raise BodyTooLargeError(too_large(self.allowed))


class _Reader(io.RawIOBase):
    """A body that the app reads by itself, as far as its route has asked for it."""

    def __init__(
        self,
        body: RequestBody,
        length: int,
        read: Callable[[int], bytes],
        *,
        close: Callable[[], None] | None = None,
    ) -> None:
        self._body = body
        self._left = length
        self._read = read
        self._close = close

    def readable(self) -> bool:
        return True

    def close(self) -> None:
        """Close the file that the body was kept in, if there is one; the last reader's end does it."""
        if self._close is not None:
            self._close()
        super().close()

    def readinto(self, buffer: Any) -> int:
        self._body.check_length()
        size = min(len(buffer), self._left, PIECE)
        piece = self._read(size) if size else b""
        self._left -= len(piece)
        buffer[: len(piece)] = piece
        return len(piece)


def too_large(limit: int) -> str:
    """Return the sentence for a body of more than *limit* bytes."""
    size = f"{limit // MIB} MiB" if limit >= MIB else f"{limit // KIB} KiB"
    return f"A request to this address may carry {size} at most."


def answer_refusal(
    refusal: HTTPException,
    pages: Pages,
    environ: WSGIEnvironment,
    start_response: StartResponse,
) -> Iterable[bytes]:
    """Answer with the front door's page where the app has none."""
    return pages.answer(
        environ,
        start_response,
        refusal.code or 400,
        refusal.description or "",
        retry_after=getattr(refusal, "retry_after", None),
        error=refusal,
    )


def _separator_of(content_type: str) -> tuple[bytes, int]:
    """Return what separates the fields of such a body, and how many more of it than fields there are.

    A body without fields has none.
    """
    kind = content_type.partition(";")[0].strip().lower()
    if kind == _FORM:
        return b"&", -1
    if kind == "multipart/form-data":
        boundary = parse_options_header(content_type)[1].get("boundary", "")
        if boundary:
            return b"--" + boundary.encode("latin-1", "replace"), 1
    return b"", 0


def _keep(spool: IO[bytes], chunk: bytes) -> OSError | None:
    """Write a chunk; return what the disk says if it does not take it."""
    try:
        spool.write(chunk)
    except OSError as error:
        _close(spool)
        return error
    return None


def _close(spool: IO[bytes]) -> None:
    with suppress(OSError):  # it tries to write the rest once more
        spool.close()


def _not_kept(error: OSError) -> HTTPException:
    log.error("a request body could not be kept while it came: %s", error)
    return BodyNotKeptError("What you sent was not saved: there is no room for it.")
