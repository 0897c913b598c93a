"""Where mail goes: an SMTP server, a folder of .eml files, or the console."""

from __future__ import annotations

import re
import smtplib
import ssl
import sys
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol
from urllib.parse import unquote, urlsplit

from tenantry.catalog.text import without_addresses
from tenantry.errors import MailRefusedError, MailServerError
from tenantry.files.atomic import write_atomically

if TYPE_CHECKING:
    from pathlib import Path

    from tenantry.settings import Settings

TIMEOUT = 30.0
KEPT_FILES = 500
"""Of a folder of mails. It is for development, and would grow for ever."""
_PERMANENT = 500


class Transport(Protocol):
    """Hands a message on."""

    def send(self, message: bytes, *, sender: str, to: str) -> None:
        """Hand a message on.

        :param sender: To whom it is returned if it cannot be delivered.
        :raises MailServerError: Not now; trying again may help.
        :raises MailRefusedError: Never.
        """
        ...


def open_transport(settings: Settings) -> Transport:
    """Return the transport that the settings name.

    :raises MailServerError: They name none.
    """
    place = settings.mail_place
    if not place:
        raise MailServerError("TENANTRY_MAIL_URL names no mail server")
    scheme = urlsplit(place).scheme
    if scheme == "folder":
        return FolderTransport(settings.mail_dir)
    if scheme == "console":
        return ConsoleTransport()
    return SmtpTransport(place)


class SmtpTransport:
    """One connection for each message: smtplib, because nothing of it belongs to an app.

    Flask-Mailman and Flask-Mail read the server from an app's config and keep a connection there. Here
    a worker without any app sends for all tenants, and the server is the platform's.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._kind = parts.scheme
        self._host = parts.hostname or ""
        self._port = parts.port or {"smtps": 465, "smtp": 587}.get(parts.scheme, 25)
        self._user = unquote(parts.username or "")
        self._password = unquote(parts.password or "")

    def send(self, message: bytes, *, sender: str, to: str) -> None:
        try:
            with self._connect() as server:
                server.sendmail(sender, [to], message)
        except smtplib.SMTPRecipientsRefused as error:
            code, text = next(iter(error.recipients.values()))
            raise _told(code, text) from error
        except smtplib.SMTPAuthenticationError as error:
            raise MailServerError(f"{self._host} does not accept the user and password") from error
        except smtplib.SMTPResponseException as error:
            raise _told(error.smtp_code, error.smtp_error) from error
        except (OSError, smtplib.SMTPException) as error:
            raise MailServerError(f"{self._host}:{self._port}: {error}") from error

    def _connect(self) -> smtplib.SMTP:
        context = ssl.create_default_context()
        if self._kind == "smtps":
            server: smtplib.SMTP = smtplib.SMTP_SSL(
                self._host, self._port, timeout=TIMEOUT, context=context
            )
        else:
            server = smtplib.SMTP(self._host, self._port, timeout=TIMEOUT)
        try:
            if self._kind == "smtp":
                server.starttls(context=context)
            if self._user:
                server.login(self._user, self._password)
        except BaseException:
            server.close()
            raise
        return server


class FolderTransport:
    """Writes each message into a file: ``20260504T101500.123456-<id>.eml``."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def send(self, message: bytes, *, sender: str, to: str) -> None:  # noqa: ARG002 - in the message
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        found = re.search(rb"^X-Tenantry-Mail: (\w+)", message, re.MULTILINE)
        name = found[1].decode() if found else "mail"
        stamp = f"{datetime.now(UTC):%Y%m%dT%H%M%S.%f}"
        write_atomically(self._folder / f"{stamp}-{name}.eml", message.decode("ascii"))
        for old in sorted(self._folder.glob("*.eml"))[:-KEPT_FILES]:
            with suppress(FileNotFoundError):
                old.unlink()


class ConsoleTransport:
    """Prints each message on the worker's standard output."""

    def send(self, message: bytes, *, sender: str, to: str) -> None:
        text = message.decode("ascii", "replace")
        sys.stdout.write(f"--- mail from {sender} to {to}\n{text}\n---\n")
        sys.stdout.flush()


def _told(code: int, text: bytes | str) -> MailRefusedError | MailServerError:
    """Return what a reply of the server means: 5xx is final, 4xx is not (RFC 5321)."""
    said = text.decode(errors="replace") if isinstance(text, bytes) else text
    sentence = without_addresses(f"{code} {' '.join(said.split())}")  # the catalog keeps it
    return MailRefusedError(sentence) if code >= _PERMANENT else MailServerError(sentence)
