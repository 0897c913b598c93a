"""The id of a request in all logs."""

from __future__ import annotations

import os
import re
import secrets
from itertools import count
from typing import TYPE_CHECKING

from tenantry.environ import REQUEST_ID

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

_ACCEPTED = re.compile(r"[A-Za-z0-9-]{8,64}\Z")


class RequestIds:
    """Hands out ids: a random word per process and a number, which is cheap and unique.

    :param from_proxy: A proxy in front overwrites ``X-Request-ID``. Without one the header is the
        visitor's, who must not choose what a request is called in the log.
    """

    def __init__(self, *, from_proxy: bool = False) -> None:
        self._from_proxy = from_proxy
        self._renew()
        # A forked child must not go on with its parent's word.
        os.register_at_fork(after_in_child=self._renew)

    def _renew(self) -> None:
        self._word = secrets.token_hex(5)
        self._numbers = count(1)

    def assign(self, environ: WSGIEnvironment) -> str:
        """Return the request's id, which then stands in ``environ["tenantry.request_id"]``.

        A proxy's id is kept if it cannot do harm in a log or a page (R56).
        """
        request_id: str | None = environ.get("HTTP_X_REQUEST_ID") if self._from_proxy else None
        if request_id is None or _ACCEPTED.match(request_id) is None:
            request_id = f"{self._word}-{next(self._numbers):06x}"
        environ[REQUEST_ID] = request_id
        return request_id
