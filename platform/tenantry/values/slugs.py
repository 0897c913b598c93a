"""The rule for slugs: which label a new site can have under the platform's domain."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from enum import StrEnum

from tenantry.errors import BadSlugError

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
    sites site tenant tenants tenantry platform system sys staging dev
    well-known dmarc domainkey acme-challenge broadcasthost
    """.split()  # noqa: SIM905 - forty names read better as text
)
"""Names that visitors, mail servers or browsers would take for the platform's own."""


LOOK_ALIKES = (("0", "o"), ("1", "l"), ("rn", "m"), ("vv", "w"))
"""What is written, and what it is taken for (Unicode Technical Standard 39, for these characters)."""


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
HELD = NameVerdict(NameState.HELD, "another site had this name, and it stays reserved")
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


def check_slug(slug: str) -> str:
    """Return *slug* if it can name a tenant.

    :raises BadSlugError: It breaks the rule, or the platform keeps the name for itself.
    """
    if problem := judge_name(slug).problem:
        raise BadSlugError(slug, problem)
    return slug


def looks_of(slug: str) -> str:
    """Return what a slug looks like: two that are easily taken for each other look the same.

    The catalog's revision 0019 computes the same in SQL.

    >>> looks_of("modern-c0w") == looks_of("modem-cow")
    True
    """
    for written, seen in LOOK_ALIKES:
        slug = slug.replace(written, seen)
    return slug


def suggest_slug(text: str) -> str:
    """Return a slug that is like *text*; empty if there is none."""
    ascii_text = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    slug = re.sub(r"[^a-z0-9]+", "-", ascii_text).lstrip("-0123456789")[:MAX_SLUG].strip("-")
    return "" if judge_name(slug).problem else slug
