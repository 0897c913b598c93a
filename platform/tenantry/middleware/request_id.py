"""The id under which everything about one request is logged."""

from __future__ import annotations

import os
import re
import secrets
from itertools import count
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

_ACCEPTED = re.compile(r"[A-Za-z0-9-]{8,64}\Z")


class RequestIds:
    """Hands out ids: a random word per process and a number, which is cheap and unique."""

    def __init__(self) -> None:
        self._renew()
        # A forked child must not go on with its parent's word.
        os.register_at_fork(after_in_child=self._renew)

    def _renew(self) -> None:
        self._word = secrets.token_hex(5)
        self._numbers = count(1)

    def assign(self, environ: WSGIEnvironment) -> str:
        """Return the request's id, which then stands in ``environ["tenantry.request_id"]``.

        An id that came along is kept if it cannot do harm in a log or a page (R56).
        """
        request_id: str | None = environ.get("HTTP_X_REQUEST_ID")
        if request_id is None or _ACCEPTED.match(request_id) is None:
            request_id = f"{self._word}-{next(self._numbers):06x}"
        environ["tenantry.request_id"] = request_id
        return request_id
