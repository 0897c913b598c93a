"""A custom host from its first check to its loss, against a real DNS server."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import update

from tenantry.catalog import SYSTEM, HostState
from tenantry.catalog.models import HostRecord
from tenantry.jobs import JobDefinitions, JobWorker
from tenantry.lifecycle import Operations
from tenantry.lifecycle.host_checks import HostChecker
from tenantry.lifecycle.host_news import tell_people
from tenantry.mail import mail_jobs
from tests.mail_server import MailServer
from tests.nameserver import NameServer
from tests.tenantry.catalog.test_custom_hosts import add

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tenantry.catalog import Catalog, Host
    from tenantry.lifecycle.host_news import HostNews
    from tenantry.settings import Settings

SHOP = "shop.example.org"


@pytest.fixture
def resolver() -> Iterator[NameServer]:
    """Return a resolver that knows nothing."""
    with NameServer() as server:
        yield server


@pytest.fixture
def operations(
    catalog: Catalog, make_settings: Callable[..., Settings], resolver: NameServer
) -> Operations:
    """Return the operations of a platform with a site."""
    settings = make_settings(dns_resolvers=resolver.text, dns_targets="203.0.113.7")
    add(catalog)
    return Operations(catalog, settings=settings, actor=SYSTEM)


def set_back(catalog: Catalog, **ago: timedelta) -> None:
    """Let something of every host have been so long ago."""
    values = {name: datetime.now(UTC) - time for name, time in ago.items()}
    with catalog.store.engine.begin() as connection:
        connection.execute(update(HostRecord).values(**values))


def set_records(resolver: NameServer, host: Host) -> None:
    """Set the records that prove a host."""
    resolver.records[f"_tenantry.{host.name}", "TXT"] = [host.token]
    resolver.records[host.name, "A"] = ["203.0.113.7"]


def test_a_host_lives_and_is_lost(operations: Operations, resolver: NameServer) -> None:
    """Added, proved by itself, checked daily, warned of once, lost, and back again."""
    catalog, told = operations.catalog, list[str]()
    checker = HostChecker(
        catalog, settings=operations.settings, tell=lambda news: told.append(news.event)
    )
    host = operations.add_host("acme", SHOP)
    assert (host.state, host.failures) == (HostState.PENDING, 1)
    assert operations.check_host("acme", SHOP).failures == 1  # asked a moment ago
    assert checker.check_due() == 0

    set_records(resolver, host)
    set_back(catalog, check_at=timedelta(0))
    assert checker.check_due() == 1
    assert catalog.tenants.get("acme").hosts == (SHOP,)

    resolver.records.clear()
    for _ in range(3):
        set_back(catalog, check_at=timedelta(0))
        assert checker.check_due() == 1
    assert told == ["warning"]
    assert catalog.tenants.get("acme").hosts == (SHOP,)
    set_back(catalog, check_at=timedelta(0), failing_since=timedelta(hours=49))
    assert checker.check_due() == 1
    assert catalog.tenants.get("acme").hosts == ()
    assert catalog.hosts.get(host.tenant_id, SHOP).state is HostState.LOST
    assert told == ["warning", "lost"]

    set_records(resolver, host)
    set_back(catalog, checked_at=timedelta(minutes=1))
    assert operations.check_host("acme", SHOP).is_served
    actions = [event.action for event in catalog.audit.list(tenant_id=host.tenant_id).items]
    assert actions[:5] == ["host.verify", "host.lost", "host.warn", "host.verify", "host.add"]


def test_a_failed_warning_is_given_again(operations: Operations, resolver: NameServer) -> None:
    """A host whose owners could not be told is not lost, and they are told with the next check."""
    catalog, host = operations.catalog, operations.add_host("acme", SHOP)
    catalog.hosts.add(host.tenant_id, SHOP, by=SYSTEM)
    set_records(resolver, host)
    set_back(catalog, checked_at=timedelta(minutes=1))
    operations.check_host("acme", SHOP)
    resolver.records.clear()

    def fail(_: HostNews) -> None:
        raise OSError

    broken = HostChecker(catalog, settings=operations.settings, tell=fail)
    set_back(catalog, check_at=timedelta(0))
    assert broken.check_due() == 1  # a first failure is told to nobody
    set_back(catalog, check_at=timedelta(0), failing_since=timedelta(days=9))
    with pytest.raises(OSError):  # noqa: PT011 - the thread logs it
        broken.check_due()
    assert catalog.hosts.get(host.tenant_id, SHOP).warned_at is None
    set_back(catalog, check_at=timedelta(0))
    assert HostChecker(catalog, settings=operations.settings, tell=str).check_due() == 1
    assert catalog.hosts.get(host.tenant_id, SHOP).warned_at is not None
    assert catalog.hosts.get(host.tenant_id, SHOP).is_served


def test_owners_are_warned_by_mail(
    catalog: Catalog,
    make_settings: Callable[..., Settings],
    resolver: NameServer,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Each owner gets one mail that names the domain, what is wrong and the page with the records."""
    server = MailServer()
    server.start()
    settings = make_settings(
        dns_resolvers=resolver.text,
        dns_targets="203.0.113.7",
        mail_url=f"smtp+plain://127.0.0.1:{server.port}",
    )
    acme = add(catalog)
    for owner in ("ada@x.test", "bob@x.test"):
        catalog.memberships.add_owner(acme.id, owner, by=SYSTEM)
    operations = Operations(catalog, settings=settings, actor=SYSTEM)
    set_records(resolver, operations.add_host("acme", SHOP))
    checker = HostChecker(catalog, settings=settings, tell=tell_people(catalog, settings=settings))
    for _ in range(2):
        set_back(catalog, check_at=timedelta(0))
        checker.check_due()
        resolver.records.clear()
    for _ in range(3):
        set_back(catalog, check_at=timedelta(0))
        checker.check_due()
    JobWorker(catalog, lambda: JobDefinitions(mail_jobs(catalog, settings))).run(until_empty=True)
    server.stop()
    messages = [message for _, _, message in server.taken]
    assert sorted(message["To"] for message in messages) == ["ada@x.test", "bob@x.test"]
    message = messages[0]
    assert message["Subject"] == f"{SHOP} will stop working"
    text = message.get_body(("plain",))
    assert text is not None
    assert f"There is no TXT record _tenantry.{SHOP}." in text.get_content()
    assert "http://acme.example.test/backend/domains" in text.get_content()
    assert f"the domain {SHOP} of tenant acme will no longer be served" in caplog.text


def test_owners_and_operators_hear_of_a_lost_domain_and_of_its_return(
    catalog: Catalog, make_settings: Callable[..., Settings], resolver: NameServer
) -> None:
    """Each of them once, with the page that they can use. Who is both gets the owner's page."""
    server = MailServer()
    server.start()
    settings = make_settings(
        dns_resolvers=resolver.text,
        dns_targets="203.0.113.7",
        mail_url=f"smtp+plain://127.0.0.1:{server.port}",
    )
    acme = add(catalog)
    for email in ("op@x.test", "ada@x.test"):
        catalog.accounts.add(email, operator=True, by=SYSTEM)
    catalog.memberships.add_owner(acme.id, "ada@x.test", by=SYSTEM)
    operations = Operations(catalog, settings=settings, actor=SYSTEM)
    host = operations.add_host("acme", SHOP)
    set_records(resolver, host)
    checker = HostChecker(catalog, settings=settings, tell=tell_people(catalog, settings=settings))
    set_back(catalog, check_at=timedelta(0))
    checker.check_due()
    resolver.records.clear()
    for ago in (0, 0, 49, 50):
        set_back(
            catalog,
            check_at=timedelta(0),
            **({"failing_since": timedelta(hours=ago)} if ago else {}),
        )
        checker.check_due()
    set_records(resolver, host)
    for _ in range(2):
        set_back(catalog, checked_at=timedelta(minutes=1))
        assert operations.check_host("acme", SHOP).is_served
    JobWorker(catalog, lambda: JobDefinitions(mail_jobs(catalog, settings))).run(until_empty=True)
    server.stop()
    mails: dict[tuple[str, str], str] = {}
    for _, _, message in server.taken:
        text = message.get_body(("plain",))
        assert text is not None
        mails[message["To"], message["Subject"]] = text.get_content()
    assert len(server.taken) == len(mails)
    lost, back = f"{SHOP} does not lead to the site any more", f"{SHOP} works again"
    assert set(mails) == {
        ("ada@x.test", f"{SHOP} will stop working"),
        *(("ada@x.test", subject) for subject in (lost, back)),
        *(("op@x.test", subject) for subject in (lost, back)),
    }
    assert f"There is no TXT record _tenantry.{SHOP}." in mails["op@x.test", lost]
    assert "http://example.test/backend/tenants/acme" in mails["op@x.test", lost]
    assert "/backend/domains" in mails["ada@x.test", lost]


def test_an_expired_host_gets_another_token(operations: Operations, resolver: NameServer) -> None:
    """R30: the records of the attempt before prove nothing any more."""
    catalog, host = operations.catalog, operations.add_host("acme", SHOP)
    set_back(catalog, check_at=timedelta(0), waiting_since=timedelta(days=8))
    HostChecker(catalog, settings=operations.settings, tell=str).check_due()
    assert catalog.hosts.get(host.tenant_id, SHOP).state is HostState.EXPIRED
    set_records(resolver, host)
    renewed = operations.check_host("acme", SHOP)
    assert (renewed.state, renewed.token == host.token) == (HostState.PENDING, False)
    assert renewed.problem == f"The TXT record _tenantry.{SHOP} has another value."
