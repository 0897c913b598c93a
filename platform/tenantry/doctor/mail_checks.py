"""Checks mail: whether there is a server, and what the sender's DNS says (SPF, DKIM, DMARC)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import dns.exception
import dns.resolver

from tenantry.doctor.findings import Finding, fine, warning
from tenantry.mail.outbox import sender_address
from tenantry.settings import PREFIX

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tenantry.settings import Settings

SECONDS = 5.0
PAGE = "See docs/mail.md."


def examine_mail(
    settings: Settings, resolver: dns.resolver.Resolver | None = None
) -> list[Finding]:
    """Look at the settings of mail, and look up the sender's domain.

    :param resolver: By default the system's.
    """
    place = settings.mail_place
    if not place:
        problem = "no mail server is set, so no mail is sent"
        return [warning("mail", f"{PREFIX}MAIL_URL", problem, f"Set one. {PAGE}")]
    if not place.startswith("smtp"):
        if settings.is_local:
            return [fine("mail", f"{PREFIX}MAIL_URL", f"mail goes to {place}, as in development")]
        problem = f"mail goes to {place}, not to its readers"
        return [warning("mail", f"{PREFIX}MAIL_URL", problem, f"Set a mail server. {PAGE}")]
    domain = sender_address(settings).rpartition("@")[2]
    try:
        chosen = resolver or dns.resolver.Resolver()
    except dns.resolver.NoResolverConfiguration:
        problem = "this machine has no resolver, so the sender's DNS was not checked"
        return [warning("mail", domain, problem, "Check it on another machine.")]
    return list(_check_domain(chosen, domain, settings.mail_dkim_selector))


def _check_domain(resolver: dns.resolver.Resolver, domain: str, selector: str) -> Iterator[Finding]:
    yield from _check(resolver, "SPF", domain, "v=spf1")
    yield from _check(resolver, "DMARC", f"_dmarc.{domain}", "v=dmarc1")
    if selector:
        yield from _check(resolver, "DKIM", f"{selector}._domainkey.{domain}", "p=")
    else:
        problem = "the DKIM selector is not known, so DKIM was not checked"
        remedy = f"Set {PREFIX}MAIL_DKIM_SELECTOR to the one that your mail service names."
        yield warning("mail", domain, problem, remedy)


def _check(resolver: dns.resolver.Resolver, what: str, name: str, mark: str) -> Iterator[Finding]:
    try:
        records = _texts(resolver, name)
    except dns.exception.DNSException as error:
        problem = f"{what} could not be looked up ({type(error).__name__})"
        yield warning("mail", name, problem, "Run the command again when the resolver answers.")
        return
    found = [text for text in records if mark in text.lower()]
    if len(found) == 1:
        yield fine("mail", name, f"{what} is set: {found[0][:80]}")
    elif found:
        problem = f"there are {len(found)} records for {what}; receivers ignore all of them"
        yield warning("mail", name, problem, f"Keep one. {PAGE}")
    else:
        problem = f"there is no TXT record for {what}, so mail may be taken for spam"
        yield warning("mail", name, problem, f"Add the one that your mail service names. {PAGE}")


def _texts(resolver: dns.resolver.Resolver, name: str) -> list[str]:
    try:
        answer = resolver.resolve(name, "TXT", lifetime=SECONDS, search=False)
    except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
        return []
    return [b"".join(record.strings).decode(errors="replace") for record in answer]
