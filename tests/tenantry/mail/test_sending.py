"""Mail that goes to a real SMTP server, and what does not go there."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from aiosmtpd.smtp import AuthResult, LoginPassword
from flask import Flask

from tenantry.catalog import SYSTEM, JobState, MailState
from tenantry.catalog.models import now
from tenantry.errors import BadEmailError, BadMailError, SettingsError
from tenantry.flask.binding import init_tenant
from tenantry.flask.jobs import _queues, enqueue, provide_queue
from tenantry.flask.mail import send_mail
from tenantry.jobs import JobDefinitions, JobQueue, JobWorker
from tenantry.mail import Outbox, mail_jobs
from tenantry.mail.outbox import JOB
from tenantry.settings import load_settings
from tenantry.values.tenant import TenantState
from tests.mail_server import MailServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from email.message import EmailMessage
    from pathlib import Path

    from tenantry.catalog import Catalog, Job
    from tenantry.settings import Settings
    from tenantry.values.tenant import Tenant

TO = "ada@reader.test"


@pytest.fixture
def server() -> Iterator[MailServer]:
    """Return a running mail server."""
    made = MailServer()
    made.start()
    yield made
    made.stop()


@pytest.fixture
def mail_settings(make_settings: Callable[..., Settings], server: MailServer) -> Settings:
    """Return settings that lead to the mail server."""
    return make_settings(
        mail_url=f"smtp+plain://127.0.0.1:{server.port}",
        mail_from="{slug}@example.test",
        mail_bounce_to="bounces@example.test",
        mail_tenant_hourly=3,
        factory="flask:Flask",
        factory_args=["app"],
    )


def run_jobs(catalog: Catalog, settings: Settings) -> None:
    """Run everything that is due."""
    JobWorker(catalog, lambda: JobDefinitions(mail_jobs(catalog, settings))).run(until_empty=True)


def outbox(catalog: Catalog, settings: Settings) -> Outbox:
    """Return the platform's outbox."""
    queue = JobQueue(catalog.jobs, JobDefinitions(mail_jobs(catalog, settings)))
    return Outbox(catalog, queue, settings)


def add_site(catalog: Catalog, slug: str, **options: Any) -> Tenant:
    """Add an active tenant."""
    made = catalog.tenants.add(slug, name=slug.title(), by=SYSTEM, **options)
    return catalog.tenants.transition(made.id, TenantState.ACTIVE, by=SYSTEM)


@contextmanager
def app_of(tenant: Tenant, settings: Settings, catalog: Catalog, folder: Path) -> Iterator[Flask]:
    """Enter the context of a tenant's app with two templates."""
    mails = folder / "templates" / "mail"
    mails.mkdir(parents=True, exist_ok=True)
    (mails / "welcome.txt").write_text(
        "Subject: Welcome {{ name }}\n\nHello {{ name }},\n\nopen\n\n{{ link }}\n\nYour {{ look.name }}"
    )
    (mails / "welcome.de.txt").write_text(
        "Subject: Willkommen {{ name }}\n\nGrüß dich, {{ name }}!"
    )
    (mails / "own.txt").write_text("Subject: Own\n\nText")
    (mails / "own.html").write_text("<h1>{{ name }}</h1>")
    app = Flask("shop", root_path=str(folder))
    init_tenant(app, tenant, settings=settings)
    provide_queue(settings, catalog)
    try:
        with app.app_context():
            yield app
    finally:
        _queues.clear()


def parts(message: EmailMessage) -> tuple[str, str]:
    """Return the text and the page of a message."""
    text, page = message.get_body(("plain",)), message.get_body(("html",))
    assert text is not None
    assert page is not None
    shown = [part.get_content().replace("\r\n", "\n") for part in (text, page)]
    return shown[0], shown[1]


def test_a_machine_s_clock_delays_nothing(
    any_catalog: Catalog, mail_settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A mail may be sent at once, and a delayed job when its delay is over, by the catalog's clock."""
    monkeypatch.setattr(any_catalog.store, "_clock", lambda _: now() - timedelta(hours=1))
    acme = add_site(any_catalog, "acme")
    with app_of(acme, mail_settings, any_catalog, tmp_path):
        job = send_mail("welcome", TO, name="Ada", link="https://acme.test/")
        later = enqueue(JOB, delay=60, mail_id="", sealed="")
    moment = any_catalog.jobs.clock()
    assert job is not None
    assert job.due_at <= moment
    assert moment < later.due_at <= moment + timedelta(seconds=60)


def test_a_sites_mail_arrives(
    any_catalog: Catalog, mail_settings: Settings, server: MailServer, tmp_path: Path
) -> None:
    """R43: sender, text and page are the site's; links can be followed; the catalog holds a cipher."""
    acme = add_site(
        any_catalog, "acme", settings={"accent": "#b00020", "mail_reply_to": "a@b.test"}
    )
    with app_of(acme, mail_settings, any_catalog, tmp_path):
        job = send_mail("welcome", TO, name="A <b>da</b>", link="https://acme.test/x?a=1&b=2")
    assert job is not None
    assert TO not in str(any_catalog.jobs.get(job.id)), "the catalog holds no message in clear"
    assert server.taken == [], "nothing is sent in the request"
    run_jobs(any_catalog, mail_settings)

    ((sender, recipients, message),) = server.taken
    mail_id = message["X-Tenantry-Mail"]
    assert (sender, recipients) == (f"bounces+{mail_id}@example.test", [TO])
    assert message["From"] == "Acme <acme@example.test>"
    assert (message["To"], message["Reply-To"]) == (TO, "a@b.test")
    assert message["Subject"] == "Welcome A <b>da</b>"
    assert message["Auto-Submitted"] == "auto-generated"
    text, page = parts(message)
    assert "Hello A <b>da</b>," in text
    assert text.endswith("-- \nAcme\nhttp://acme.example.test/\n")
    assert "Hello A &lt;b&gt;da&lt;/b&gt;," in page
    assert '<a class="button" href="https://acme.test/x?a=1&amp;b=2">' in page
    assert "#b00020" in page
    assert any_catalog.mails.count_by_state(tenant_id=acme.id)[MailState.SENT] == 1


def test_language_and_own_page(
    catalog: Catalog, mail_settings: Settings, server: MailServer, tmp_path: Path
) -> None:
    """The reader's language comes first; a template's own page is used, and escaped."""
    acme = add_site(catalog, "acme")
    with app_of(acme, mail_settings, catalog, tmp_path):
        send_mail("welcome", TO, language="de-AT", name="Ada")
        send_mail("own", TO, name="<script>")
        with pytest.raises(BadMailError, match=r"no template mail/missing\.txt"):
            send_mail("missing", TO)
        with pytest.raises(BadEmailError, match="nobody"):
            send_mail("own", "nobody", name="")
        with pytest.raises(BadEmailError, match="ASCII"):
            send_mail("own", "ä@reader.test", name="")
    run_jobs(catalog, mail_settings)

    german, own = (message for _, _, message in server.taken)
    assert german["Subject"] == "Willkommen Ada"
    assert "Grüß dich" in parts(german)[0]
    assert '<html lang="de-AT">' in parts(german)[1]
    assert "<h1>&lt;script&gt;</h1>" in parts(own)[1]


def test_no_value_becomes_a_header(
    catalog: Catalog, mail_settings: Settings, server: MailServer, tmp_path: Path
) -> None:
    """Line breaks in a name end nothing and begin nothing."""
    acme = add_site(catalog, "acme")
    evil = "x\r\nBcc: victim@x.test\r\n\r\nhello"
    with app_of(replace(acme, name=evil), mail_settings, catalog, tmp_path):
        send_mail("welcome", TO, name=evil, link="")
    run_jobs(catalog, mail_settings)

    ((_, recipients, message),) = server.taken
    assert recipients == [TO]
    assert message["Bcc"] is None
    assert message["From"].addresses[0].addr_spec == "acme@example.test"


def test_one_address_gets_five_mails_an_hour(any_catalog: Catalog, mail_settings: Settings) -> None:
    """Whichever sites and spellings visitors use; what one's own account does is told anyway."""
    box = outbox(any_catalog, mail_settings)
    acme, globex = (add_site(any_catalog, slug) for slug in ("acme", "globex"))
    spelled = [TO, TO.upper(), "ada+1@reader.test", "ada+2@reader.test"]
    results: list[Job | None] = []

    def ask(number: int) -> None:
        tenant = (acme, globex, None)[number % 3]
        to = spelled[number % 4]
        results.append(box.send("test", to, {}, tenant=tenant, by=SYSTEM))

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sum(job is not None for job in results) == 5
    assert box.send("test", TO, {}, by_visitor=False, by=SYSTEM) is not None
    assert box.send("test", "grace@reader.test", {}, by=SYSTEM) is not None


def test_a_tenant_that_sends_much_is_slowed_down(
    any_catalog: Catalog, mail_settings: Settings, server: MailServer
) -> None:
    """Its further mails wait for the next hour, one by one; its neighbour's do not."""
    box = outbox(any_catalog, mail_settings)
    acme, globex = (add_site(any_catalog, slug) for slug in ("acme", "globex"))
    made = [
        box.send("test", f"reader{number}@x.test", {}, tenant=acme, by=SYSTEM)
        for number in range(7)
    ]
    box.send("test", TO, {}, tenant=globex, by=SYSTEM)
    run_jobs(any_catalog, mail_settings)

    assert len(server.taken) == 4
    waits = [(job.due_at - now()).total_seconds() / 3600 for job in made if job is not None]
    assert [round(hours) for hours in waits] == [0, 0, 0, 1, 1, 1, 2]


def test_a_quiet_site_sends_nothing(
    catalog: Catalog, mail_settings: Settings, server: MailServer
) -> None:
    """A clone would write to the original's members."""
    clone = add_site(catalog, "clone", quiet=True)
    assert outbox(catalog, mail_settings).send("test", TO, {}, tenant=clone, by=SYSTEM) is None
    run_jobs(catalog, mail_settings)
    assert server.taken == []


def test_a_key_sends_one_mail(
    catalog: Catalog, mail_settings: Settings, server: MailServer
) -> None:
    """A form that is sent twice leads to one mail, which counts once."""
    box = outbox(catalog, mail_settings)
    first, second = (box.send("test", TO, {}, key="welcome", by=SYSTEM) for _ in range(2))
    assert first == second
    run_jobs(catalog, mail_settings)
    assert len(server.taken) == 1
    assert catalog.mails.list().total == 1


def test_a_refused_mail_is_a_bounce(
    any_catalog: Catalog, mail_settings: Settings, server: MailServer
) -> None:
    """It is not tried again. After three, the address gets no more."""
    box = outbox(any_catalog, mail_settings)
    server.refuse = "550 5.1.1 no such box"
    for _ in range(3):
        job = box.send("test", TO, {}, by=SYSTEM)
        assert job is not None
        run_jobs(any_catalog, mail_settings)
        found = any_catalog.jobs.get(job.id)
        assert (found.state, found.attempts, found.error) == (
            JobState.FAILED,
            1,
            "The mail server refuses it: 550 5.1.1 no such box.",
        )
    assert any_catalog.mails.count_by_state()[MailState.BOUNCED] == 3
    assert box.send("test", TO, {}, by=SYSTEM) is None


@pytest.mark.parametrize("code", ["550 5.1.1", "451 4.7.1"])
def test_what_the_server_said_is_kept_without_addresses(
    catalog: Catalog, mail_settings: Settings, server: MailServer, code: str
) -> None:
    """Servers repeat them; the site's owner and staff read it, and the platform stores none."""
    server.refuse = f"{code} <{TO}>: Recipient address rejected (from=no-reply@example.test)"
    job = outbox(catalog, mail_settings).send("test", TO, {}, by=SYSTEM)
    assert job is not None
    run_jobs(catalog, mail_settings)
    (mail,) = catalog.mails.list().items
    for told in (catalog.jobs.get(job.id).error, mail.error):
        assert "@" not in told
    assert f"{code} <(address)>: Recipient address" in catalog.jobs.get(job.id).error


def test_a_returned_mail_is_kept_without_addresses(
    catalog: Catalog, mail_settings: Settings, server: MailServer
) -> None:
    """Its report names the box that it did not reach."""
    outbox(catalog, mail_settings).send("test", TO, {}, by=SYSTEM)
    (mail,) = catalog.mails.list().items
    catalog.mails.record(mail.id, MailState.BOUNCED, error=f"5.1.1 550 {TO} is unknown")
    assert catalog.mails.list().items[0].error == "5.1.1 550 (address) is unknown"


def test_a_mail_server_that_is_away_loses_no_mail(
    catalog: Catalog, mail_settings: Settings, server: MailServer
) -> None:
    """The mail waits, and so it does for a server that is busy (greylisting)."""
    box = outbox(catalog, mail_settings)
    job = box.send("test", TO, {}, by=SYSTEM)
    assert job is not None
    server.stop()
    run_jobs(catalog, mail_settings)
    found = catalog.jobs.get(job.id)
    assert found.state is JobState.QUEUED
    assert f"127.0.0.1:{server.port}" in found.error
    assert timedelta(seconds=20) < found.due_at - now() < timedelta(seconds=40)
    server.start()
    server.refuse = "451 4.7.1 come back later"
    catalog.jobs.cancel(job.id, by=SYSTEM)
    catalog.jobs.retry(job.id, by=SYSTEM)
    run_jobs(catalog, mail_settings)
    assert "451 4.7.1 come back later" in catalog.jobs.get(job.id).error
    assert catalog.jobs.get(job.id).state is JobState.QUEUED


@pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")
def test_the_server_is_asked_with_user_and_password(
    catalog: Catalog, make_settings: Callable[..., Settings]
) -> None:
    """They come from the URL, where special characters are escaped; no error shows them."""
    server = MailServer()

    def check(_server: Any, _session: Any, _envelope: Any, mechanism: str, data: Any) -> AuthResult:
        known = mechanism in {"PLAIN", "LOGIN"} and data == LoginPassword(b"me@example", b"p/w")
        return AuthResult(success=known, handled=known)  # the library refuses, at once

    server.start(authenticator=check, auth_require_tls=False, auth_required=True)
    try:
        for word, state in (("p%2Fw", JobState.DONE), ("wrong", JobState.QUEUED)):
            url = f"smtp+plain://me%40example:{word}@127.0.0.1:{server.port}"
            settings = make_settings(mail_url=url)
            job = outbox(catalog, settings).send("test", TO, {}, by=SYSTEM)
            assert job is not None
            run_jobs(catalog, settings)
            found = catalog.jobs.get(job.id)
            assert found.state is state
            assert "wrong" not in found.error
    finally:
        server.stop()
    assert "127.0.0.1 does not accept the user and password" in found.error
    assert len(server.taken) == 1


def test_tls_is_not_optional(catalog: Catalog, make_settings: Callable[..., Settings]) -> None:
    """A server without STARTTLS gets neither password nor mail, unless the URL says so."""
    server = MailServer()
    server.start()
    try:
        settings = make_settings(mail_url=f"smtp://127.0.0.1:{server.port}")
        job = outbox(catalog, settings).send("test", TO, {}, by=SYSTEM)
        assert job is not None
        run_jobs(catalog, settings)
    finally:
        server.stop()
    assert "STARTTLS" in catalog.jobs.get(job.id).error
    assert server.taken == []


def test_mail_in_a_folder(catalog: Catalog, make_settings: Callable[..., Settings]) -> None:
    """On localhost nobody has to set anything; a public platform has to."""
    local = make_settings(domain="localhost", base_url="")
    outbox(catalog, local).send("test", TO, {}, by=SYSTEM)
    run_jobs(catalog, local)
    (file,) = local.mail_dir.glob("*.eml")
    assert f"To: {TO}" in file.read_text()

    public = make_settings()
    job = outbox(catalog, public).send("test", TO, {}, by=SYSTEM)
    assert job is not None
    run_jobs(catalog, public)
    assert "TENANTRY_MAIL_URL names no mail server" in catalog.jobs.get(job.id).error


def test_mail_on_the_console(
    catalog: Catalog, make_settings: Callable[..., Settings], capsys: pytest.CaptureFixture[str]
) -> None:
    """A container's log shows it."""
    settings = make_settings(mail_url="console:")
    outbox(catalog, settings).send("test", TO, {}, by=SYSTEM)
    run_jobs(catalog, settings)
    assert f"--- mail from no-reply@example.test to {TO}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "value"),
    [
        pytest.param("MAIL_URL", "mail.example.com", id="no scheme"),
        pytest.param("MAIL_URL", "smtp://", id="no host"),
        pytest.param("MAIL_URL", "smtp://host:port", id="no port"),
        pytest.param("MAIL_FROM", "Acme <a@b.test>", id="a name"),
        pytest.param("MAIL_BOUNCE_TO", "{slug}@b.test", id="a slug where none is"),
        pytest.param("MAIL_ADDRESS_HOURLY", "6", id="more than five an hour"),
    ],
)
def test_wrong_settings_stop_the_start(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    """The sentence names the variable."""
    monkeypatch.setenv(f"TENANTRY_{name}", value)
    with pytest.raises(SettingsError, match=f"TENANTRY_{name}"):
        load_settings()
