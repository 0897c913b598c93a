"""Transactions, epochs and the change feed's source, on SQLite and PostgreSQL alike."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import delete, event, select, text
from sqlalchemy.exc import DBAPIError

from tenantry.catalog import SYSTEM, Catalog, ChangeSignal, Store
from tenantry.catalog.engine import open_engine, shown
from tenantry.catalog.models import ChangeRecord
from tenantry.catalog.store import KEPT_CHANGES
from tenantry.errors import CatalogUnavailableError
from tenantry.values.tenant import TenantState
from tests.tenantry.support import at_once

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def test_epochs_have_no_holes(any_catalog: Catalog) -> None:
    """Law 7: each change has the next number; what changes no tenant has none."""
    assert any_catalog.changes.read_epoch() == 0
    acme = any_catalog.tenants.add("acme", name="Acme", by=SYSTEM)
    bolt = any_catalog.tenants.add("bolt", name="Bolt", by=SYSTEM)
    any_catalog.audit.record("test", by=SYSTEM)
    any_catalog.accounts.add("olga@example.com", by=SYSTEM)
    any_catalog.provisioning.activate({acme.id: None, bolt.id: None}, by=SYSTEM)

    assert any_catalog.changes.read_epoch() == 4
    with any_catalog.store.reading() as session:
        rows = session.execute(select(ChangeRecord.epoch, ChangeRecord.tenant_id)).tuples().all()
    assert sorted(rows) == [(1, acme.id), (2, bolt.id), (3, acme.id), (4, bolt.id)]


def test_changes_say_what_to_forget(any_catalog: Catalog) -> None:
    """Law 7: after an epoch come the tenants that changed, as they are now."""
    acme = any_catalog.tenants.add("acme", name="Acme", by=SYSTEM)
    bolt = any_catalog.tenants.add("bolt", name="Bolt", by=SYSTEM)
    any_catalog.hosts.add(acme.id, "acme.org", proof="operator", by=SYSTEM)
    any_catalog.provisioning.forget(bolt.id, by=SYSTEM)
    changes = any_catalog.changes.read_since(1)

    assert (changes.epoch, changes.complete) == (4, True)
    assert dict(changes.hosts) == {acme.id: ("acme.org",)}
    assert dict(changes.slugs) == {acme.id: "acme"}
    assert changes.revisions[acme.id] == 2
    assert changes.revisions[bolt.id] > 1_000_000
    assert any_catalog.changes.read_since(4).revisions == {}


@pytest.mark.parametrize("after", [-1, 0, 5, 10**12], ids=["never", "pruned", "restored", "far"])
def test_what_cannot_be_told_is_not_complete(any_catalog: Catalog, after: int) -> None:
    """Law 7: pruned changes, or a catalog restored from the past, mean that all may have changed."""
    for slug in ("acme", "bolt", "crux"):
        any_catalog.tenants.add(slug, name=slug, by=SYSTEM)
    with any_catalog.store.writing(SYSTEM) as writer:
        writer.session.execute(delete(ChangeRecord).where(ChangeRecord.epoch == 1))
    changes = any_catalog.changes.read_since(after)

    assert (changes.epoch, changes.complete) == (3, False)
    assert any_catalog.changes.read_since(1).complete


def test_a_long_absence_is_not_read_up_row_by_row(catalog: Catalog) -> None:
    """Law 6: more than a thousand changes are answered with "everything", not with a thousand rows."""
    tenant = catalog.tenants.add("acme", name="Acme", by=SYSTEM)
    with catalog.store.writing(SYSTEM) as writer:
        writer.session.add_all(
            [ChangeRecord(epoch=number, tenant_id=tenant.id) for number in range(2, 1202)]
        )
        writer._epoch = 1201

    assert not catalog.changes.read_since(1).complete
    assert catalog.changes.read_since(201).complete


def test_old_changes_are_pruned(catalog: Catalog) -> None:
    """Law 6: the table of changes does not grow for ever."""
    tenant = catalog.tenants.add("acme", name="Acme", by=SYSTEM)
    with catalog.store.writing(SYSTEM) as writer:
        writer._epoch = KEPT_CHANGES + 1998
    catalog.tenants.configure(tenant.id, name="Acme 2", by=SYSTEM)
    catalog.tenants.configure(tenant.id, name="Acme 3", by=SYSTEM)

    with catalog.store.reading() as session:
        epochs = session.scalars(select(ChangeRecord.epoch)).all()
    assert sorted(epochs) == [KEPT_CHANGES + 1999, KEPT_CHANGES + 2000]


WRITER = """
import sys
from pathlib import Path
from tenantry.catalog import SYSTEM, Catalog, ChangeSignal, Store

url, signal, name = sys.argv[1:]
catalog = Catalog(Store(url, signal=ChangeSignal(Path(signal))), domain="example.test")
for number in range(6):
    catalog.tenants.add(f"{name}{number}", name=name, by=SYSTEM)
"""


def test_commit_order_is_number_order(
    any_url: str, open_catalog_at: Callable[..., Catalog], tmp_path: Path
) -> None:
    """Law 7: with writers in threads and processes, who has seen epoch n has seen all up to n."""
    catalog, reader = open_catalog_at(any_url), open_catalog_at(any_url)
    signal = str(tmp_path / "node" / "epoch")
    others = [
        subprocess.Popen([sys.executable, "-c", WRITER, any_url, signal, name]) for name in "pq"
    ]
    gaps: list[str] = []

    def work(number: int) -> None:
        if number:
            for step in range(8):
                catalog.tenants.add(f"t{number}-{step}", name="x", by=SYSTEM)
            return
        seen = 0
        while any(process.poll() is None for process in others):
            changes = reader.changes.read_since(seen)
            if not changes.complete or changes.epoch < seen:
                gaps.append(f"after {seen}: {changes}")
            seen = changes.epoch

    assert at_once(4, work) == [None] * 4
    assert [process.wait() for process in others] == [0, 0]
    assert gaps == []
    assert catalog.changes.read_epoch() == 3 * 8 + 2 * 6
    assert catalog.audit.verify().first_bad is None


def test_a_commit_is_announced_and_a_refusal_is_not(catalog: Catalog) -> None:
    """Law 7: the node's counter moves with each commit that changed a tenant, and only then."""
    before = catalog.store.signal.cell[0]
    catalog.audit.record("test", by=SYSTEM)
    assert catalog.store.signal.cell[0] == before
    tenant = catalog.tenants.add("acme", name="Acme", by=SYSTEM)
    announced = catalog.store.signal.cell[0]
    assert announced != before

    def fail() -> None:
        with catalog.store.writing(SYSTEM) as writer:
            raise ZeroDivisionError(writer)

    with pytest.raises(ZeroDivisionError):
        fail()
    catalog.tenants.transition(tenant.id, TenantState.PROVISIONING, by=SYSTEM)
    assert catalog.store.signal.cell[0] == announced


def test_the_counter_is_shared_and_private(tmp_path: Path) -> None:
    """The number is one for all who map the file, which nobody else may read; a cut file is mended."""
    path = tmp_path / "run" / "epoch"
    path.parent.mkdir()
    path.write_bytes(b"\x00\x00")
    one, two = ChangeSignal(path), ChangeSignal(path)
    one.announce(2**40)

    assert two.cell[0] == 2**40
    one.close()
    two.announce(7)
    two.close()
    again = ChangeSignal(path)
    assert again.cell[0] == 7
    again.close()


def test_the_counter_has_its_place_on_the_disk(tmp_path: Path) -> None:
    """Of a file that is only promised, a full disk would take back the promise by a signal."""
    path = tmp_path / "epoch"
    path.touch()
    os.truncate(path, 8)
    assert path.stat().st_blocks == 0
    ChangeSignal(path).close()
    assert path.stat().st_blocks > 0


def test_a_connection_keeps_few_pages(catalog: Catalog) -> None:
    """Each thread of each worker has one: half a MiB is enough, the system has the file."""
    with catalog.store.engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA cache_size").scalar_one() == -512


def test_values_do_not_hold_the_database(any_catalog: Catalog) -> None:
    """What the catalog answers works after its connection is gone."""
    any_catalog.tenants.add("acme", name="Acme", by=SYSTEM)
    row = any_catalog.tenants.list().items[0]
    any_catalog.close()

    assert row.owners == ()
    assert row.tenant.hosts == ()
    assert row.created_at.tzinfo is not None


# --- without a database -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        pytest.param("postgresql+psycopg://nobody:secret@127.0.0.1:1/none", id="nobody listens"),
        pytest.param("sqlite:////", id="no file"),
    ],
)
def test_a_database_that_is_gone_is_one_error(url: str, tmp_path: Path) -> None:
    """Law 8: whatever is asked, the caller gets CatalogUnavailableError, without the password."""
    signal = ChangeSignal(tmp_path / "epoch")
    catalog = Catalog(Store(url, signal=signal), domain="example.test")
    for ask in (
        lambda: catalog.tenants.find("acme"),
        lambda: catalog.changes.read_since(0),
        lambda: catalog.tenants.add("acme", name="Acme", by=SYSTEM),
        lambda: catalog.accounts.sign_in("olga@example.com", "x", by=SYSTEM),
    ):
        with pytest.raises(CatalogUnavailableError) as caught:
            ask()
        assert caught.value.retry_after
        assert "secret" not in str(caught.value)
    catalog.close()


@pytest.mark.postgresql
def test_connections_that_the_server_ended_are_replaced(
    clean_postgres_url: str, open_catalog_at: Callable[..., Catalog]
) -> None:
    """Law 8: after a restart of PostgreSQL the next request is answered."""
    catalog, other = open_catalog_at(clean_postgres_url), open_catalog_at(clean_postgres_url)
    catalog.tenants.add("acme", name="Acme", by=SYSTEM)
    with other.store.engine.begin() as connection:
        connection.execute(
            text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
            )
        )

    assert catalog.tenants.get("acme").name == "Acme"


def test_a_locked_sqlite_is_unavailable(
    sqlite_url: str, open_catalog_at: Callable[..., Catalog]
) -> None:
    """Law 8: a writer that holds the file for too long is an answer, not a hang; readers go on."""
    holder = open_catalog_at(sqlite_url)
    impatient = open_catalog_at(sqlite_url)

    @event.listens_for(impatient.store.engine, "connect")
    def wait_less(connection: Any, _record: Any) -> None:
        connection.execute("PRAGMA busy_timeout = 20")

    with holder.store.writing(SYSTEM):
        with pytest.raises(CatalogUnavailableError, match="locked"):
            impatient.audit.record("test", by=SYSTEM)
        assert impatient.changes.read_epoch() == 0


def test_a_url_is_shown_without_its_password() -> None:
    """Logs and error messages never hold the catalog's password."""
    assert "secret" not in shown("postgresql+psycopg://op:secret@db/catalog")


def test_what_people_wrote_is_in_no_error(any_url: str) -> None:
    """What is logged of a failure has the statement without its values."""
    engine = open_engine(any_url)
    with engine.connect() as connection, pytest.raises(DBAPIError) as failed:
        connection.execute(text("INSERT INTO nowhere VALUES (:it)"), {"it": "geheim"})
    engine.dispose()
    assert "geheim" not in str(failed.value)
