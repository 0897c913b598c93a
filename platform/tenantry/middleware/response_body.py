"""A response body that lets go of something when the server closes it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator


class ReleasingBody:
    """A response body that calls *release* once, on every path on which a server closes it.

    Werkzeug's ``ClosingIterator`` stops at the first callback that raises, so an app with a failing
    ``close()`` would keep for ever what its request holds.
    """

    __slots__ = ("_body", "_release")

    def __init__(self, body: Iterable[bytes], release: Callable[[], object]) -> None:
        self._body = body
        self._release: Callable[[], object] | None = release

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._body)

    def close(self) -> None:
        """Close the app's body, then release, however often it is told to."""
        try:
            close = getattr(self._body, "close", None)
            if close is not None:
                close()
        finally:
            release, self._release = self._release, None
            if release is not None:
                release()
