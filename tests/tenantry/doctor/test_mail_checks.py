"""What the doctor says of mail, with a real name server on loopback."""

from __future__ import annotations

from typing import TYPE_CHECKING

import dns.resolver
import pytest

from tenantry.doctor import examine_mail
from tenantry.doctor.findings import Severity
from tests.nameserver import NameServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tenantry.settings import Settings

SPF = "v=spf1 include:_spf.mail.test -all"
GOOD = {
    ("example.test", "TXT"): ["google-site-verification=1", SPF],
    ("_dmarc.example.test", "TXT"): ["v=DMARC1; p=reject"],
    ("s1._domainkey.example.test", "TXT"): ["v=DKIM1; k=rsa; p=MIIB"],
}


@pytest.fixture
def names() -> Iterator[NameServer]:
    """Return a name server that knows a domain that is set up well."""
    with NameServer(dict(GOOD)) as server:
        yield server


def look(settings: Settings, names: NameServer) -> list[tuple[Severity, str]]:
    """Return what is found."""
    resolver = dns.resolver.Resolver(configure=False)
    host, _, port = names.text.rpartition(":")
    resolver.nameservers, resolver.port = [host], int(port)
    return [(one.severity, one.sentence) for one in examine_mail(settings, resolver)]


def test_a_domain_that_is_set_up_well(
    make_settings: Callable[..., Settings], names: NameServer
) -> None:
    """All three records are found."""
    settings = make_settings(mail_url="smtp://mail.test", mail_dkim_selector="s1")
    assert [severity for severity, _ in look(settings, names)] == [Severity.OK] * 3


@pytest.mark.parametrize(
    ("name", "records", "problem"),
    [
        pytest.param("example.test", [], "no TXT record for SPF", id="no SPF"),
        pytest.param("example.test", [SPF, "v=spf1 -all"], "2 records for SPF", id="two SPF"),
        pytest.param("_dmarc.example.test", [], "no TXT record for DMARC", id="no DMARC"),
        pytest.param("s1._domainkey.example.test", [], "no TXT record for DKIM", id="no DKIM"),
    ],
)
def test_what_is_missing_is_named(
    make_settings: Callable[..., Settings],
    names: NameServer,
    name: str,
    records: list[str],
    problem: str,
) -> None:
    """A mail that is taken for spam tells its sender nothing; the doctor does."""
    names.records.pop((name, "TXT"))
    if records:
        names.records[name, "TXT"] = records
    settings = make_settings(mail_url="smtp://mail.test", mail_dkim_selector="s1")
    (sentence,) = (told for severity, told in look(settings, names) if severity != Severity.OK)
    assert problem in sentence


def test_a_public_platform_without_mail(
    make_settings: Callable[..., Settings], names: NameServer
) -> None:
    """Nothing is looked up; on localhost the folder is as it should be."""
    assert look(make_settings(), names)[0][1].startswith("no mail server is set")
    assert "not to its readers" in look(make_settings(mail_url="console:"), names)[0][1]
    local = make_settings(domain="localhost", base_url="")
    assert look(local, names)[0][0] is Severity.OK
    unset = make_settings(mail_url="smtp://mail.test")
    assert "the DKIM selector is not known" in look(unset, names)[-1][1]
