"""A response body that holds something, and lets go of it when the server closes it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


class ReleasingBody:
    """A response body that is its request's hold on something.

    It releases that once, on every path on which a server closes a body. Werkzeug's
    ``ClosingIterator`` stops at the first callback that raises, so an app with a failing ``close()``
    would keep for ever what its request holds.
    """

    __slots__ = ("body",)

    body: Iterable[bytes]
    """What the app has returned, set before the server gets this."""

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.body)

    def close(self) -> None:
        """Close the app's body, then release, however often it is told to."""
        try:
            close = getattr(self.body, "close", None)
            if close is not None:
                close()
        finally:
            self.release()

    def release(self) -> None:
        """Let go. Only the first call does something."""
        raise NotImplementedError
