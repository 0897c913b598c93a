"""Checks settings that are valid but unsafe."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenantry.doctor.findings import Finding, fine, unsafe, warning
from tenantry.settings import PREFIX

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tenantry.settings import Settings

CHECK = "settings"
LOOPBACK = frozenset({"127.0.0.1", "[::1]", "localhost"})
MIN_DISTINCT = 10
"""Different characters of a key; one that was made by chance has more."""


def examine_settings(settings: Settings, *, debug: bool = False) -> list[Finding]:
    """Look at what an operator has chosen.

    :param debug: Whether Flask's debug mode is on.
    """
    found = [
        *_check_keys(settings),
        *_check_reach(settings),
        *_check_origins(settings),
        *_check_work(settings, debug=debug),
    ]
    return found or [fine(CHECK, f"{PREFIX}*", "They are compatible.")]


def _is_local(settings: Settings) -> bool:
    return settings.domain == "localhost" or settings.domain.endswith(".localhost")


def _is_public(settings: Settings) -> bool:
    return not settings.socket and settings.bind not in LOOPBACK


def _check_keys(settings: Settings) -> Iterator[Finding]:
    subject = f"{PREFIX}SECRET_KEYS"
    if not settings.secret_keys:
        yield warning(CHECK, subject, "There is no key yet.", "Run `tenantry init`.")
    if any(len(set(key.get_secret_value())) < MIN_DISTINCT for key in settings.secret_keys):
        yield unsafe(
            CHECK,
            subject,
            "A key has few different characters. An attacker who guesses it can sign any session.",
            "Put a new one from `openssl rand -hex 32` in front.",
        )


def _check_reach(settings: Settings) -> Iterator[Finding]:
    if not _is_public(settings):
        return
    if settings.trusted_proxies and settings.trust_any_peer:
        yield warning(
            CHECK,
            f"{PREFIX}TRUST_ANY_PEER",
            f"Anyone who reaches {settings.bind}:{settings.port} past the proxy can forge addresses.",
            "Check the firewall, or bind 127.0.0.1 or a Unix socket.",
        )
    elif not settings.trusted_proxies:
        yield warning(
            CHECK,
            f"{PREFIX}BIND",
            f"Anyone who reaches {settings.bind}:{settings.port} talks to uWSGI itself, "
            "without TLS and without a proxy's limits.",
            "Put a proxy in front, as the page about deployment shows.",
        )


def _check_origins(settings: Settings) -> Iterator[Finding]:
    if settings.allow_shared_origin and settings.routing != "subdomain" and not _is_local(settings):
        yield unsafe(
            CHECK,
            f"{PREFIX}ALLOW_SHARED_ORIGIN",
            "A script on any path-routed site can act as the operator in /backend.",
            f"Set {PREFIX}BACKEND_HOST instead.",
        )
    if settings.https and not settings.trusted_proxies and not settings.socket:
        yield warning(
            CHECK,
            f"{PREFIX}TRUSTED_PROXIES",
            "Links are https, so a proxy stands in front, but its X-Forwarded-For is not trusted: "
            "all visitors have the proxy's address, and share one limit of requests.",
            "Set it to the number of proxies.",
        )
    if not settings.https and not _is_local(settings):
        yield warning(
            CHECK,
            f"{PREFIX}BASE_URL",
            "Sites are served without TLS: sessions and passwords can be read on the way.",
            "Use https outside of tests.",
        )


def _check_work(settings: Settings, *, debug: bool) -> Iterator[Finding]:
    if debug:
        state = warning if _is_local(settings) else unsafe
        yield state(
            CHECK,
            "FLASK_DEBUG",
            "Apps are in debug mode: they let exceptions out, with the source around them.",
            "Unset it.",
        )
    if settings.threads == 1:
        yield warning(
            CHECK,
            f"{PREFIX}THREADS",
            "A worker serves one request at a time: a slow page of one site keeps all others waiting.",
            "Use two or more.",
        )
