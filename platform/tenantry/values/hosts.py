r"""One strict parser from a Host header to a canonical host, and the rule for slugs.

Werkzeug answers ``request.host == ""`` for malformed hosts and serves the page all the same, so this
parser runs before any app does. It knows nothing of tenants: whole hosts are looked up exactly, never
by prefix or suffix.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

import idna

from tenantry.errors import BadHostError, BadSlugError
from tenantry.values.scripts import is_one_script, scripts_of

MAX_HOST = 253
"""Octets of a host name without the trailing dot (RFC 1035, section 2.3.4)."""

_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_HOST = re.compile(rf"{_LABEL}(?:\.{_LABEL})*\Z")
_NUMERIC = re.compile(r"(?:0x[0-9a-f]*|[0-9]+)\Z")

_SLUG = re.compile(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*\Z")
MAX_SLUG = 40

RESERVED_SLUGS = frozenset(
    """
    www www1 www2 m admin administrator root api app apps backend console dashboard panel account
    accounts auth login signin signup register sso oauth mail email smtp imap pop pop3 mx webmail
    autoconfig autodiscover wpad isatap ns ns1 ns2 ns3 ns4 dns localhost local internal intranet
    static assets media cdn img images files download downloads uploads ftp sftp ssh git svn vpn
    proxy status health metrics monitor monitoring support help docs blog news shop store billing
    pay payments legal abuse security postmaster hostmaster webmaster noreply no-reply info
    sites site tenant tenants tenantry platform system sys test staging dev demo example
    well-known dmarc domainkey acme-challenge broadcasthost
    """.split()  # noqa: SIM905 - forty names read better as text
) - {"demo", "test", "example"}
"""Names that visitors, mail servers or browsers would take for the platform's own."""


@lru_cache(maxsize=2048)
def parse_host(header: str) -> str:
    """Return the canonical host of a ``Host`` header: lower-case ASCII, no port, no trailing dot.

    Cached by the whole header, so a known spelling costs one C-level look-up; strange ones push
    each other out, and take half a MiB at most.

    :param header: The header's value as WSGI hands it over.
    :raises BadHostError: It is not exactly one host name with an optional port (RFC 9110, 7.2),
        or it is an IP literal: a tenant is never named by an address.
    """
    # Before lower(): the Kelvin sign is not ASCII, but "\u212a".lower() == "k".
    if not header.isascii():
        raise BadHostError(header, "it has characters outside ASCII; use its xn-- form")
    host, colon, port = header.partition(":")
    if colon and port and not (port.isdigit() and len(port) <= 5 and 0 < int(port) < 65536):  # noqa: PLR2004
        raise BadHostError(header, "the port is not a number from 1 to 65535")
    host = host.lower().removesuffix(".")
    if not host:
        raise BadHostError(header, "it is empty")
    if len(host) > MAX_HOST:
        raise BadHostError(header, f"it is longer than {MAX_HOST} characters")
    if _HOST.match(host) is None:
        raise BadHostError(header, "labels are letters, digits and inner hyphens")
    # A last label that is a number makes the whole an IPv4 address (WHATWG URL, 3.5).
    if _NUMERIC.match(host.rpartition(".")[2]):
        raise BadHostError(header, "addresses name no site")
    return host


def canonical_host(name: str) -> str:
    """Return the canonical form of a host that a person typed; international names become A-labels.

    :raises BadHostError: It is no full host name (two labels at least).
    """
    text = name.strip()
    if not text.isascii():
        try:
            text = idna.encode(text, uts46=True).decode("ascii")
        except idna.IDNAError as error:
            raise BadHostError(name, f"it is not an international domain name ({error})") from error
    if ":" in text:
        raise BadHostError(name, "give the name without a scheme or a port")
    host = parse_host(text)
    if "." not in host:
        raise BadHostError(name, "a custom host needs at least two labels")
    return host


def check_scripts(host: str) -> str:
    """Return a canonical host if each of its labels can be read in one way.

    :raises BadHostError: A label is no international name, or mixes scripts, as one that looks like
        ``apple`` and begins with a Cyrillic letter.
    """
    for label in host.split("."):
        if not label.startswith("xn--"):
            continue
        try:
            shown = idna.ulabel(label)
        except idna.IDNAError as error:
            raise BadHostError(host, f"{label} is no international name ({error})") from error
        if not is_one_script(shown):
            scripts = ", ".join(sorted(scripts_of(shown)))
            raise BadHostError(
                host, f"{shown} ({label}) mixes letters of several scripts: {scripts}"
            )
    return host


class NameState(StrEnum):
    """Whether a new site can have a name, and why not."""

    FREE = "free"
    RESERVED = "reserved"
    """The platform keeps it for itself."""
    HELD = "held"
    """A site had it before it was renamed or deleted; no other site gets it."""
    TAKEN = "taken"
    MALFORMED = "malformed"
    NESTED = "nested"
    """More than one label."""


@dataclass(frozen=True, slots=True)
class NameVerdict:
    """What is true of a name."""

    state: NameState
    problem: str = ""
    """Why no new site can have it; empty for a free one."""


FREE = NameVerdict(NameState.FREE)
HELD = NameVerdict(NameState.HELD, "it was another site's name and stays reserved")
TAKEN = NameVerdict(NameState.TAKEN, "a site with this name exists already")
MALFORMED = NameVerdict(
    NameState.MALFORMED,
    "use lower-case letters and digits, a letter first, and single hyphens between them",
)
TOO_LONG = NameVerdict(NameState.MALFORMED, f"it is longer than {MAX_SLUG} characters")
NESTED = NameVerdict(NameState.NESTED, "a site's name is one word before the domain, without a dot")
RESERVED = NameVerdict(NameState.RESERVED, "the platform keeps this name for itself")
BACKEND = NameVerdict(NameState.RESERVED, "the operators' backend is at this address")


def judge_name(
    name: str, *, backend_label: str = "", held: bool = False, taken: bool = False
) -> NameVerdict:
    """Return whether a new site can have the name: the one rule of pages, forms and commands.

    :param backend_label: The label under the platform's domain where the backend is, if it is there.
    :param held: Another site had the name before it was renamed or deleted.
    :param taken: Another site has it now.
    """
    if "." in name:
        return NESTED
    if len(name) > MAX_SLUG or _SLUG.match(name) is None:
        return TOO_LONG if len(name) > MAX_SLUG else MALFORMED
    if name in RESERVED_SLUGS or name == backend_label:
        return BACKEND if name == backend_label else RESERVED
    if held:
        return HELD
    return TAKEN if taken else FREE


def label_under(host: str, domain: str) -> str:
    """Return what stands before the platform's domain in *host*; nothing if it is not under it."""
    suffix = f".{domain}"
    return host.removesuffix(suffix) if host.endswith(suffix) else ""


def check_slug(slug: str) -> str:
    """Return *slug* if it can name a tenant.

    :raises BadSlugError: It breaks the rule, or the platform keeps the name for itself.
    """
    if problem := judge_name(slug).problem:
        raise BadSlugError(slug, problem)
    return slug


def suggest_slug(text: str) -> str:
    """Return a slug that is like *text*; empty if there is none."""
    ascii_text = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    slug = re.sub(r"[^a-z0-9]+", "-", ascii_text).lstrip("-0123456789")[:MAX_SLUG].strip("-")
    return "" if judge_name(slug).problem else slug
