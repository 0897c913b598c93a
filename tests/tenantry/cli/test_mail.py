"""``tenantry mail``: what operators type, with a real job worker and a real mail server."""

from __future__ import annotations

import json
from textwrap import dedent
from typing import TYPE_CHECKING

import pytest

from tenantry.catalog import MailState
from tests.conftest import eventually
from tests.mail_server import MailServer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tenantry.catalog import Mail
    from tests.tenantry.cli.conftest import Desk

TO = "ada@reader.test"
RETURNED = """\
    From: MAILER-DAEMON@mx.test
    To: bounces+{mail_id}@example.test
    Content-Type: multipart/report; report-type=delivery-status; boundary="x"

    --x
    Content-Type: message/delivery-status

    Reporting-MTA: dns; mx.test

    Final-Recipient: rfc822; ada@reader.test
    Action: failed
    Status: 5.1.1
    Diagnostic-Code: smtp; 550 no such box

    --x--
"""


@pytest.fixture
def server(ready: Desk, monkeypatch: pytest.MonkeyPatch) -> Iterator[MailServer]:
    """Return a running mail server that the platform sends to, with a job worker beside."""
    made = MailServer()
    made.start()
    monkeypatch.setenv("TENANTRY_MAIL_URL", f"smtp+plain://127.0.0.1:{made.port}")
    monkeypatch.setenv("TENANTRY_MAIL_BOUNCE_TO", "bounces@example.test")
    ready.start("work")
    with ready.catalog as catalog:
        eventually(catalog.jobs.pipe.has_reader, seconds=60)
    yield made
    made.stop()


def mails(desk: Desk) -> tuple[Mail, ...]:
    """Return the mails that the catalog knows, the newest first."""
    with desk.catalog as catalog:
        return tuple(catalog.mails.list().items)


def test_a_test_mail_arrives_and_is_listed(ready: Desk, server: MailServer) -> None:
    """The command waits for the mail server; the list knows neither address nor text."""
    assert ready.done("mail", "test", TO) == f"The mail to {TO} was sent.\n"
    ((_, to, message),) = server.taken
    assert (to, message["To"]) == ([TO], TO)

    listed = ready.done("mail", "list")
    assert "sent" in listed
    assert TO not in listed
    (row,) = json.loads(ready.done("mail", "list", "--json"))
    assert (row["template"], row["state"], row["tenant"]) == ("test", "sent", None)
    ready.done("tenant", "create", "acme")
    assert json.loads(ready.done("mail", "list", "--tenant", "acme", "--json")) == []
    assert "'nobody'" in ready.refused("mail", "list", "--tenant", "nobody")


def test_a_refused_mail_says_why(ready: Desk, server: MailServer) -> None:
    """After three of them the address gets no more, and the command says that."""
    server.refuse = "550 no such box"
    for _ in range(3):
        said = ready.refused("mail", "test", TO)
        assert said.startswith("Error: Job ")
        assert "550" in said
    assert {mail.state for mail in mails(ready)} == {MailState.BOUNCED}
    assert "gets no mail: its last mails came back" in ready.refused("mail", "test", TO)
    assert len(mails(ready)) == 3


def test_without_a_worker_the_mail_waits(ready: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command does not wait for nobody: it names the job and the command that runs it."""
    monkeypatch.setenv("TENANTRY_MAIL_URL", "folder:")
    said = ready.refused("mail", "test", TO)
    assert "no job worker runs on this machine; start one with `tenantry work`" in said
    assert ready.call("work", "--until-empty").returncode == 0
    assert [mail.state for mail in mails(ready)] == [MailState.SENT]
    (file,) = (ready.folder / "var").rglob("*.eml")
    assert TO in file.read_text()
    assert "not an e-mail address" in ready.refused("mail", "test", "nobody")


def test_a_returned_mail_is_counted(ready: Desk, server: MailServer) -> None:
    """As a file, or by its address; what is no failure of a mail of ours is ignored."""
    for to in (TO, "bob@reader.test"):
        ready.done("mail", "test", to)
    second, first = mails(ready)
    file = ready.folder / "returned.eml"
    file.write_text(dedent(RETURNED).format(mail_id=first.id))
    assert ready.done("mail", "bounce", str(file)) == "Counted.\n"
    assert ready.done("mail", "bounce", "--address", "bob@reader.test") == "Counted.\n"
    found = {mail.id: (mail.state, mail.error) for mail in mails(ready)}
    assert found[first.id] == (MailState.BOUNCED, "5.1.1 550 no such box")
    assert found[second.id] == (MailState.BOUNCED, "reported by the mail service")

    unknown = "the platform does not know the mail any more"
    file.write_text(dedent(RETURNED).format(mail_id="0" * 32))
    assert unknown in ready.done("mail", "bounce", str(file))
    assert unknown in ready.done("mail", "bounce", "--address", "eve@reader.test")
    file.write_text("Subject: Hello\n\nIt is no report.\n")
    assert "it reports no failure" in ready.done("mail", "bounce", str(file))
    assert "not an e-mail address" in ready.refused("mail", "bounce", "--address", "nobody")
    assert ready.run("mail", "bounce", "missing.eml").exit_code == 2
