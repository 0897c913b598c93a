"""The table of operations that console and API offer: it fits the operations themselves."""

from __future__ import annotations

import inspect
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from werkzeug.wrappers import Response

from tenantry.catalog import SYSTEM, Actor, Catalog
from tenantry.errors import (
    BadArgumentError,
    BadTransitionError,
    BundleError,
    ElsewhereError,
    TenantExistsError,
    TenantNotFoundError,
    UnknownPlanError,
)
from tenantry.factory import Factory
from tenantry.lifecycle import Operations
from tenantry.lifecycle.declaration import EXISTING
from tenantry.lifecycle.jobs import operation_jobs
from tenantry.lifecycle.offered import OPERATIONS
from tenantry.values.tenant import TenantState

if TYPE_CHECKING:
    from tenantry.settings import Settings

OPERATOR = Actor("operator", "op@example.com")

ARGUMENTS: dict[str, dict[str, Any]] = {
    "rename": {"new": "bolt"},
    "plan": {"new": "standard"},
    "owner": {"change": "add", "email": "olga@example.com"},
    "clone": {"new": "copy"},
    "move": {"to": "local"},
}


@pytest.fixture
def operations(catalog: Catalog, settings: Settings) -> Operations:
    """Return what may be done to Acme, a site without a database of its own."""
    made = catalog.tenants.add("acme", name="Acme", by=SYSTEM)
    catalog.provisioning.activate({made.id: None}, by=SYSTEM)
    factory = Factory(build=lambda _: Response("a site"))
    return Operations(catalog, factory, settings=settings, actor=OPERATOR)


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_operation_says_what_it_does(name: str) -> None:
    """A form needs a text and labels, and an endpoint needs types that JSON and forms have."""
    declared = OPERATIONS[name]
    assert declared.text.endswith(".")
    for parameter in declared.parameters:
        assert parameter.type in {str, bool, int, datetime}, parameter
        assert parameter.hint.label
        assert parameter.is_required or parameter.default in {"", None, False}


def test_the_table_knows_what_runs_as_a_job(catalog: Catalog, settings: Settings) -> None:
    """Each job exists, and only what the job itself allows can be cancelled."""
    known = {job.name: job for job in operation_jobs(catalog, settings)}
    for declared in OPERATIONS.values():
        if declared.job is not None:
            job = known[f"operations.{declared.job}"]
            assert declared.is_cancellable == job.cancellable
        else:
            assert not declared.is_cancellable
    assert OPERATIONS["move"].is_cancellable
    assert not OPERATIONS["delete"].is_cancellable


def test_a_name_is_typed_for_what_destroys_or_replaces() -> None:
    """Everything else can be undone."""
    typed = {name for name, declared in OPERATIONS.items() if declared.is_typed}
    assert typed == {"restore", "drop-former", "delete", "purge"}


def test_parameters_come_from_the_signature() -> None:
    """Names, types, what is required, and the only values that fit."""
    change, email = OPERATIONS["owner"].parameters
    assert (change.name, change.type, change.is_required) == ("change", str, True)
    assert change.names == ("add", "remove", "transfer")
    assert (email.hint.label, email.names) == ("E-mail", ())
    until = next(one for one in OPERATIONS["maintenance"].parameters if one.name == "until")
    assert (until.type, until.is_required, until.default) == (datetime, False, None)


@pytest.mark.parametrize("name", sorted({"suspend", "archive", "maintenance", "rename", "owner"}))
def test_a_dry_run_changes_nothing_and_its_call_does_it(operations: Operations, name: str) -> None:
    """What is prepared is done only by ``run()``."""
    catalog = operations.catalog
    before, events = catalog.tenants.get("acme"), catalog.audit.list().total
    prepared = OPERATIONS[name].prepare(operations, "acme", **ARGUMENTS.get(name, {}))
    assert prepared.would[0].startswith("Would ")
    assert prepared.is_needed
    assert (catalog.tenants.get("acme"), catalog.audit.list().total) == (before, events)
    assert prepared.run() is None
    assert catalog.tenants.get_by_id(before.id) != before
    assert catalog.audit.list().items[0].actor == "op@example.com"


def test_what_is_done_already_needs_nothing(operations: Operations) -> None:
    """It says so, and changes nothing when it is run all the same."""
    OPERATIONS["suspend"].prepare(operations, "acme").run()
    events = operations.catalog.audit.list().total
    for name, arguments in (
        ("suspend", {}),
        ("release", {}),
        ("plan", {"new": operations.catalog.tenants.get("acme").plan}),
        ("move", {"to": "local"}),
        ("owner", {"change": "remove", "email": "olga@example.com"}),
        ("rename", {"new": "acme"}),
        ("migrate", {}),
    ):
        prepared = OPERATIONS[name].prepare(operations, "acme", **arguments)
        assert not prepared.is_needed, name
        assert prepared.run() is None
    assert operations.catalog.audit.list().total == events
    assert operations.catalog.jobs.list().total == 0


@pytest.mark.parametrize(
    ("name", "arguments", "error"),
    [
        pytest.param("undelete", {}, BadTransitionError, id="not deleted"),
        pytest.param("purge", {"early": True}, BadTransitionError, id="in use"),
        pytest.param("rename", {"new": "bolt"}, TenantExistsError, id="taken"),
        pytest.param("plan", {"new": "gold"}, UnknownPlanError, id="no plan"),
        pytest.param("backup", {"keep": 0}, BadArgumentError, id="keep none"),
        pytest.param("restore", {"backup": "../x.tenant"}, BundleError, id="no backup"),
        pytest.param(
            "maintenance", {"until": datetime(2020, 1, 1, tzinfo=UTC)}, BadArgumentError, id="past"
        ),
    ],
)
def test_what_cannot_be_done_is_refused_before_it_begins(
    operations: Operations, name: str, arguments: dict[str, Any], error: type[Exception]
) -> None:
    """The dry run raises what the operation would raise."""
    operations.catalog.tenants.add("bolt", name="Bolt", by=SYSTEM)
    with pytest.raises(error):
        OPERATIONS[name].prepare(operations, "acme", **arguments)
    with pytest.raises(TenantNotFoundError):
        OPERATIONS[name].prepare(operations, "nobody", **arguments)


def test_what_takes_long_is_a_job_in_the_name_of_its_actor(operations: Operations) -> None:
    """The job belongs to the tenant; so does a migration of one tenant."""
    job = OPERATIONS["backup"].prepare(operations, "acme", keep=3).run()
    assert job is not None
    assert (job.name, job.actor) == ("operations.backup", "op@example.com")
    assert dict(job.arguments) == {"slug": "acme", "keep": 3}
    acme = operations.catalog.tenants.get("acme")
    one, other = operations.start("migrate", only=["acme"]), operations.start("migrate")
    assert (job.tenant_id, one.tenant_id, other.tenant_id) == (acme.id, acme.id, None)


def test_a_button_stands_where_it_makes_sense(operations: Operations) -> None:
    """By the tenant's state, and by what else is known of it."""
    row = operations.catalog.tenants.get_row("acme")
    offered = {name for name, declared in OPERATIONS.items() if declared.is_offered(row)}
    assert {"suspend", "backup", "delete", "move"} <= offered
    assert not {"resume", "undelete", "purge", "release", "drop-former"} & offered
    operations.catalog.tenants.transition(row.tenant.id, TenantState.ARCHIVED, by=SYSTEM)
    operations.catalog.tenants.transition(
        row.tenant.id,
        TenantState.DELETED,
        purge_at=datetime.now(UTC) + timedelta(days=1),
        by=SYSTEM,
    )
    row = operations.catalog.tenants.get_row("acme")
    offered = {name for name, declared in OPERATIONS.items() if declared.is_offered(row)}
    assert offered == {"undelete", "purge"}


def test_an_end_may_be_said_with_or_without_a_zone(operations: Operations) -> None:
    """Without one it is UTC."""
    ends = (datetime.now(UTC) + timedelta(hours=3)).replace(microsecond=0)
    for until in (ends, ends.replace(tzinfo=None), ends.astimezone()):
        OPERATIONS["maintenance"].prepare(operations, "acme", until=until).run()
        assert operations.catalog.tenants.get("acme").reopens_at == ends


def test_functions_take_only_what_the_table_tells() -> None:
    """A slug, and the parameters by name."""
    for declared in OPERATIONS.values():
        kinds = [p.kind for p in inspect.signature(declared.function).parameters.values()]
        assert set(kinds[2:]) <= {inspect.Parameter.KEYWORD_ONLY}
    assert TenantState.DELETED not in EXISTING


def test_another_nodes_newest_backup_is_verified_there(
    operations: Operations, settings: Settings
) -> None:
    """The catalog knows its name; its node does it. Of the others the refusal names the node."""
    tenant, file = operations.catalog.tenants.get("acme"), "20260102T000000.000000Z.tenant"
    operations.catalog.backups.record(tenant.id, file=file, made_at=datetime.now(UTC), size=1)
    settings.note_other_nodes({tenant.placement: "node-2"})
    try:
        assert operations.list_backup_names("acme") == (file,)
        prepared = OPERATIONS["verify"].prepare(operations, "acme", backup=file)
        assert prepared.would == ("Would verify the newest backup of acme on node-2.",)
        job = prepared.run()
        assert job is not None
        assert (job.tenant_id, job.arguments) == (tenant.id, {"slug": "acme"})
        with pytest.raises(BundleError, match="node-2 has its backups"):
            OPERATIONS["verify"].prepare(
                operations, "acme", backup="20260101T000000.000000Z.tenant"
            )
        with pytest.raises(ElsewhereError, match="node-2"):
            OPERATIONS["drill"].prepare(operations, "acme", backup=file)
    finally:
        settings.note_other_nodes({})
