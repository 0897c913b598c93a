"""Operators read the mails of a development platform; nobody else does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tenantry.catalog import SYSTEM
from tenantry.jobs import JobDefinitions, JobQueue, JobWorker
from tenantry.mail import Outbox, mail_jobs

if TYPE_CHECKING:
    from tests.backend_app.conftest import Browser, World


@pytest.fixture
def mailed(world: World) -> World:
    """Return the platform after it has sent a mail into its folder."""
    settings = world.settings.model_copy(update={"mail_url": "folder:"})
    known = JobDefinitions(mail_jobs(world.catalog, settings))
    box = Outbox(world.catalog, JobQueue(world.catalog.jobs, known), settings)
    acme = world.catalog.tenants.get("acme")
    box.send("test", "ada@reader.test", {}, tenant=acme, by=SYSTEM)
    JobWorker(world.catalog, lambda: known).run(until_empty=True)
    return world


def test_an_operator_reads_a_mail(mailed: World, operator: Browser) -> None:
    """The list leads to the text, and that to the page, which can do nothing in the backend."""
    listed = operator.get("/mail").text
    assert "1 sent, 0 bounced." in listed  # that tells the operator of a new device may wait
    (file,) = mailed.settings.mail_dir.glob("*.eml")
    assert f'href="/backend/mail/{file.name}"' in listed
    shown = operator.get(f"/mail/{file.name}")
    assert "Test mail from Acme" in shown.text
    assert "ada@reader.test" in shown.text
    page = operator.get(f"/mail/{file.name}/page")
    assert "<!doctype html>" in page.text
    assert page.headers["Content-Security-Policy"].endswith("sandbox")


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("..%2Fsecret_keys", id="outside"),
        pytest.param("20260504T101500.123456-none.eml", id="gone"),
        pytest.param("x.eml", id="another name"),
    ],
)
@pytest.mark.usefixtures("mailed")
def test_nothing_else_is_read(operator: Browser, name: str) -> None:
    """Names lead to mails, and to nothing beside them."""
    assert operator.get(f"/mail/{name}").status_code == 404


def test_owners_do_not_read_mail(mailed: World) -> None:
    """A mail may hold a link that signs in."""
    (file,) = mailed.settings.mail_dir.glob("*.eml")
    for path in ("/mail", f"/mail/{file.name}", f"/mail/{file.name}/page"):
        assert mailed.browser("olga@example.com").get(path).status_code in {403, 404}
        assert mailed.browser().get(path).status_code in {302, 403, 404}
