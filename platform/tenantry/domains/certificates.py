"""Gets certificates for custom domains from an ACME authority, and keeps them as files.

A domain's key and chain are one file, which takes the place of the older one in one step: nginx and
HAProxy read both from it, and never see one without the other. The authority's questions are answered
by the platform itself (:mod:`tenantry.middleware.acme_challenges`), so no proxy needs to know of them.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tenantry.errors import AcmeMissingError, CertificateError
from tenantry.files.atomic import write_atomically
from tenantry.files.disk import exists

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ORDER_SECONDS = 90
"""For the authority to check a domain and to sign."""

FILE_MODE = 0o640
"""The proxy reads it by its group."""


@dataclass(frozen=True, slots=True)
class CertificateFolder:
    """A folder with a file ``<host>.pem`` for each domain."""

    path: Path

    def file_of(self, host: str) -> Path:
        """Return the file of a canonical host, which cannot be another path."""
        return self.path / f"{host}.pem"

    def find_end(self, host: str) -> datetime | None:
        """Return when the domain's certificate ends; ``None`` if there is none that can be read."""
        try:
            pem = self.file_of(host).read_bytes()
            return x509.load_pem_x509_certificate(pem).not_valid_after_utc
        except (FileNotFoundError, ValueError):
            return None

    def is_due(self, host: str, *, before_end: timedelta) -> bool:
        """Say whether the domain needs a certificate, now or soon."""
        end = self.find_end(host)
        return end is None or end - before_end <= datetime.now(UTC)

    def save(self, host: str, *, chain: bytes, key: bytes) -> None:
        """Keep a new certificate in place of the older one."""
        file = self.file_of(host)
        write_atomically(file, chain + key)
        file.chmod(FILE_MODE)


class AcmeClient:
    """An account at an ACME authority (RFC 8555), made at the first use.

    :param directory: URL of the authority's directory.
    :param email: Where the authority sends notices; it may be empty.
    :param key_file: The account's key; it is made if it is missing.
    :param challenges: The folder whose files the platform hands out.
    :raises AcmeMissingError: The library is not installed.
    :raises CertificateError: The authority does not answer, or refuses the account.
    """

    def __init__(self, directory: str, *, email: str, key_file: Path, challenges: Path) -> None:
        try:
            from acme import client, messages  # noqa: PLC0415 - only this command needs them
            from josepy.jwa import ES256  # noqa: PLC0415
            from josepy.jwk import JWKEC  # noqa: PLC0415
        except ImportError as error:
            raise AcmeMissingError from error
        self._challenges = challenges
        key = JWKEC(key=_load_key(key_file))
        with _translated(directory):
            net = client.ClientNetwork(key, alg=ES256, user_agent="tenantry")
            self._client = client.ClientV2(client.ClientV2.get_directory(directory, net), net)
            self._sign_in(messages.NewRegistration.from_data(
                email=email or None, terms_of_service_agreed=True
            ))  # fmt: skip

    def _sign_in(self, registration: Any) -> None:
        from acme import errors, messages  # noqa: PLC0415 - see above

        try:
            self._client.new_account(registration)
        except errors.ConflictError as known:
            found = messages.RegistrationResource(uri=known.location, body=registration)
            self._client.query_registration(found)

    def order(self, host: str) -> tuple[bytes, bytes]:
        """Return a new certificate with its chain, and its key, both PEM.

        :raises CertificateError: The authority cannot reach the domain here, or refuses it.
        """
        from acme.messages import STATUS_PENDING  # noqa: PLC0415 - see above

        key = ec.generate_private_key(ec.SECP256R1())
        with _translated(host):
            order = self._client.new_order(_make_request(host, key))
            # An authority may still know the domain from the order before, and asks nothing then.
            pending = [one for one in order.authorizations if one.body.status == STATUS_PENDING]
            files = [self._answer(authorization) for authorization in pending]
            try:
                deadline = datetime.now() + timedelta(seconds=ORDER_SECONDS)  # noqa: DTZ005 - the library's
                done = self._client.poll_and_finalize(order, deadline)
            finally:
                for file in files:
                    file.unlink(missing_ok=True)
        return done.fullchain_pem.encode(), _to_pem(key)

    def _answer(self, authorization: Any) -> Path:
        """Put the answer to an authority's question where the platform finds it; return the file."""
        from acme import challenges  # noqa: PLC0415 - see above

        body = next(
            body
            for body in authorization.body.challenges
            if isinstance(body.chall, challenges.HTTP01)
        )
        response, validation = body.response_and_validation(self._client.net.key)
        self._challenges.mkdir(parents=True, exist_ok=True, mode=0o700)
        file = self._challenges / str(body.chall.encode("token"))
        write_atomically(file, validation, lasting=False)
        self._client.answer_challenge(body, response)
        return file


@contextmanager
def _translated(about: str) -> Iterator[None]:
    """Turn the library's errors into one sentence."""
    import requests  # noqa: PLC0415 - see above
    from acme import errors, messages  # noqa: PLC0415

    try:
        yield
    except errors.ValidationError as error:
        details = [
            str(challenge.error.detail)
            for authorization in error.failed_authzrs
            for challenge in authorization.body.challenges
            if challenge.error is not None
        ]
        raise CertificateError(about, "; ".join(details) or "it could not be checked") from error
    except messages.Error as error:
        raise CertificateError(about, str(error.detail or error)) from error
    except (errors.Error, requests.RequestException) as error:
        raise CertificateError(about, str(error) or type(error).__name__) from error


def _load_key(file: Path) -> ec.EllipticCurvePrivateKey:
    if not exists(file):
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_atomically(file, _to_pem(ec.generate_private_key(ec.SECP256R1())))
    key = serialization.load_pem_private_key(file.read_bytes(), None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise CertificateError(os.fspath(file), "it is no key of an elliptic curve; remove it")
    return key


def _to_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _make_request(host: str, key: ec.EllipticCurvePrivateKey) -> bytes:
    """Return a certificate signing request, PEM. A long name stands only where it has room."""
    names = x509.SubjectAlternativeName([x509.DNSName(host)])
    subject = x509.Name(
        [x509.NameAttribute(NameOID.COMMON_NAME, host)] if len(host) <= 64 else []  # noqa: PLR2004
    )
    request = x509.CertificateSigningRequestBuilder().subject_name(subject)
    signed = request.add_extension(names, critical=False).sign(key, hashes.SHA256())
    return signed.public_bytes(serialization.Encoding.PEM)
