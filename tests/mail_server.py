"""A real SMTP server on loopback, for tests of what sends mail."""

from __future__ import annotations

import socket
from email import message_from_bytes
from email.policy import default
from typing import TYPE_CHECKING, Any

from aiosmtpd.controller import Controller

if TYPE_CHECKING:
    from email.message import EmailMessage


class MailServer:
    """A real SMTP server on loopback, and what it has taken."""

    def __init__(self) -> None:
        self.taken: list[tuple[str, list[str], EmailMessage]] = []
        self.refuse = ""
        """A reply to every recipient, as ``550 no such box``."""
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self._controller: Controller | None = None
        # The names that the library asks for.
        self.handle_RCPT, self.handle_DATA = self._take_recipient, self._take_message

    async def _take_recipient(
        self, _server: Any, _session: Any, envelope: Any, address: str, _options: Any
    ) -> str:
        if self.refuse:
            return self.refuse
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def _take_message(self, _server: Any, _session: Any, envelope: Any) -> str:
        message: Any = message_from_bytes(envelope.original_content, policy=default)
        self.taken.append((envelope.mail_from, envelope.rcpt_tos, message))
        return "250 OK"

    def start(self, **options: Any) -> None:
        """Listen."""
        self._controller = Controller(self, hostname="127.0.0.1", port=self.port, **options)
        self._controller.start()

    def stop(self) -> None:
        """Listen no more."""
        if self._controller is not None:
            self._controller.stop()
            self._controller = None
