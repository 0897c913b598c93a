"""``tenantry mail``: test the mail server, list mails, count bounces."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, BinaryIO

import click

from tenantry.catalog.values import MailState
from tenantry.cli.context import actor, ready_catalog
from tenantry.cli.listing import paged, pages_of, show_rest
from tenantry.cli.output import echo_json_array, echo_table, plain
from tenantry.settings import get_settings

if TYPE_CHECKING:
    from tenantry.catalog import Catalog, Job, Mail

WAIT_SECONDS = 60.0
PAUSE = 0.2


@click.group()
def mail() -> None:
    """Test the mail server, list mails and count bounces."""


@mail.command()
@click.argument("address")
def test(address: str) -> None:
    """Send a test mail to ADDRESS, and wait until the mail server has taken it."""
    from tenantry.jobs import JobDefinitions, JobQueue  # noqa: PLC0415 - listings need none of it
    from tenantry.mail import Outbox, mail_jobs  # noqa: PLC0415

    settings = get_settings()
    with ready_catalog(settings) as catalog:
        queue = JobQueue(catalog.jobs, JobDefinitions(mail_jobs(catalog, settings)))
        box = Outbox(catalog, queue, settings)
        job = box.send("test", address, {}, by_visitor=False, by=actor())
        if job is None:
            raise click.ClickException(f"{address} gets no mail: its last mails came back.")
        if not catalog.jobs.pipe.has_reader():
            raise click.ClickException(
                f"The mail is job {job.id}, but no job worker runs on this machine; start one with "
                "`tenantry work`."
            )
        found = _wait(catalog, job)
    if not found.state.is_final or found.error:
        raise click.ClickException(f"Job {job.id}: {found.error or 'it is still queued'}")
    where = f" into {plain(settings.mail_dir)}" if settings.mail_place == "folder:" else ""
    click.echo(f"The mail to {plain(address)} was sent{where}.")


@mail.command("list")
@click.option("--tenant", "slug", metavar="SLUG", help="Only mails of this tenant.")
@paged
def list_mails(*, slug: str | None, page: int, size: int, every: bool, as_json: bool) -> None:
    """List mails, the newest first: when, whose, and what became of them."""
    with ready_catalog() as catalog:
        tenant_id = catalog.tenants.get(slug).id if slug else None
        parts = pages_of(
            lambda page, size: catalog.mails.list(tenant_id=tenant_id, page=page, size=size),
            page=page,
            size=size,
            every=every,
        )
        if as_json:
            echo_json_array(_to_json(catalog, one) for part in parts for one in part.items)
            return
        for part in parts:
            rows = [list(_to_json(catalog, one).values()) for one in part.items]
            echo_table(["Id", "Due", "Tenant", "Template", "State", "Error"], rows)
            show_rest(part, every=every)


@mail.command()
@click.argument("file", type=click.File("rb"), default="-")
@click.option("--address", help="Count the last mail to this address, instead of reading a file.")
def bounce(file: BinaryIO, *, address: str | None) -> None:
    """Count a returned mail, read from FILE or standard input.

    What reports no failure of a mail of this platform is ignored.
    """
    from tenantry.mail.bounces import read_bounce  # noqa: PLC0415 - listings need none of it
    from tenantry.mail.outbox import deliverable, hash_address  # noqa: PLC0415

    settings = get_settings()
    with ready_catalog(settings) as catalog:
        if address is not None:
            digest = hash_address(deliverable(address), settings)
            known = catalog.mails.record_bounce(digest, error="reported by the mail service")
        else:
            found = read_bounce(file.read())
            if found is None:
                click.echo("Ignored: it reports no failure of a mail of this platform.")
                return
            known = catalog.mails.record(found.mail_id, MailState.BOUNCED, error=found.problem)
    click.echo("Counted." if known else "Ignored: the platform does not know the mail any more.")


def _wait(catalog: Catalog, job: Job) -> Job:
    deadline = time.monotonic() + WAIT_SECONDS
    while True:
        found = catalog.jobs.get(job.id)
        if found.state.is_final or found.error or time.monotonic() > deadline:
            return found
        time.sleep(PAUSE)


def _to_json(catalog: Catalog, one: Mail) -> dict[str, Any]:
    return {
        "id": one.id,
        "due_at": f"{one.due_at:%Y-%m-%d %H:%M:%S}",
        "tenant": one.tenant_id and catalog.tenants.get_by_id(one.tenant_id).slug,
        "template": one.template,
        "state": one.state.value,
        "error": one.error,
    }
