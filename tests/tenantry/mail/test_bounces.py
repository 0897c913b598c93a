"""What mail servers return."""

from __future__ import annotations

from textwrap import dedent

import pytest

from tenantry.mail.bounces import Bounce, read_bounce

MAIL = "0123456789abcdef0123456789abcdef"

REPORT = """\
    From: MAILER-DAEMON@mx.test
    To: {to}
    Subject: Undelivered Mail Returned to Sender
    Content-Type: multipart/report; report-type=delivery-status; boundary="x"

    --x
    Content-Type: text/plain

    I'm sorry to have to inform you.

    --x
    Content-Type: message/delivery-status

    Reporting-MTA: dns; mx.test

    Final-Recipient: rfc822; ada@reader.test
    Action: {action}
    Status: {status}
    Diagnostic-Code: smtp; 550 no such box

    --x
    Content-Type: {kind}

    {header}
    Subject: Welcome

    --x--
"""
VERP = f"bounces+{MAIL}@example.test"


@pytest.mark.parametrize(
    ("facts", "found"),
    [
        pytest.param({"to": VERP}, Bounce(MAIL, "5.1.1 550 no such box"), id="by its address"),
        pytest.param(
            {"header": f"X-Tenantry-Mail: {MAIL}"},
            Bounce(MAIL, "5.1.1 550 no such box"),
            id="by the returned headers",
        ),
        pytest.param(
            {"header": f"X-Tenantry-Mail: {MAIL}", "kind": "message/rfc822"},
            Bounce(MAIL, "5.1.1 550 no such box"),
            id="by the returned mail",
        ),
        pytest.param({"to": VERP, "action": "delayed", "status": "4.4.1"}, None, id="a delay"),
        pytest.param({"to": VERP, "status": "4.2.2"}, None, id="a full box"),
        pytest.param({}, None, id="another platform's mail"),
        pytest.param({"header": "X-Tenantry-Mail: ../../etc"}, None, id="no id"),
    ],
)
def test_a_report_is_read(facts: dict[str, str], found: Bounce | None) -> None:
    """Only a failure for good counts, of a mail that is named."""
    usual = {
        "to": "bounces@example.test",
        "action": "failed",
        "status": "5.1.1",
        "kind": "text/rfc822-headers",
        "header": "Subject: other",
    }
    assert read_bounce(dedent(REPORT).format(**usual | facts).encode()) == found


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(f"To: {VERP}\nSubject: Out of office\n\nBack soon.".encode(), id="an answer"),
        pytest.param(b"\xff\xfe\x00\n\n\x00", id="no mail"),
    ],
)
def test_anything_else_is_no_bounce(content: bytes) -> None:
    """People answer automatic mail, and anyone can write to the address."""
    assert read_bounce(content) is None
