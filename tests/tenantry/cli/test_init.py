"""``tenantry init``: safe to say again, and nothing in it is anybody's default."""

from __future__ import annotations

import os
import re
import stat
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from tenantry.catalog import SYSTEM
from tenantry.errors import LinkError
from tenantry.factory import Factory
from tenantry.lifecycle import Operations
from tenantry.settings import get_settings
from tenantry.values.tenant import TenantState

if TYPE_CHECKING:
    from pathlib import Path

    from tests.tenantry.cli.conftest import Desk

LINK = re.compile(r"http://localhost:\d+/password/([\w-]{43})\n")


def mode(path: Path) -> int:
    """Return who may do what with a file."""
    return stat.S_IMODE(path.stat().st_mode)


def token_in(text: str) -> str:
    """Return the token of the one link in *text*."""
    (token,) = LINK.findall(text)
    return str(token)


def test_makes_everything_for_its_owner_alone(desk: Desk) -> None:
    """Folder, keys and catalog are closed to the machine's other users."""
    desk.done("init")
    var = desk.folder / "var"
    assert (mode(var), mode(var / "run")) == (0o700, 0o700)
    assert (mode(var / "secret_keys"), mode(var / "catalog.sqlite3")) == (0o600, 0o600)
    assert re.fullmatch(r"[0-9a-f]{64}\n", (var / "secret_keys").read_text())
    assert sorted(path.name for path in var.iterdir() if path.name.startswith(".")) == []


def test_says_it_again_without_harm(desk: Desk) -> None:
    """Keys and accounts stay; only the link is another one."""
    first = token_in(desk.done("init"))
    keys = (desk.folder / "var" / "secret_keys").read_text()
    second = token_in(desk.done("init"))
    assert (desk.folder / "var" / "secret_keys").read_text() == keys
    with desk.catalog as catalog:
        assert catalog.accounts.list().total == 1
        assert catalog.links.peek("setup", second).email == "operator@localhost"
        with pytest.raises(LinkError):
            catalog.links.peek("setup", first)


def test_again_beside_a_running_server_reloads_nothing(desk: Desk) -> None:
    """The server watches the reload file; only `tenantry reload`, which looks first, may touch it."""
    desk.done("init")
    watched = desk.folder / "var" / "run" / "reload"
    os.utime(watched, ns=(1, 1))
    desk.done("init")
    assert watched.stat().st_mtime_ns == 1


def test_keys_of_the_environment_need_no_file(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who keeps keys elsewhere gets no second set on the disk."""
    monkeypatch.setenv("TENANTRY_SECRET_KEYS", "k" * 32)
    text = desk.done("init")
    assert not (desk.folder / "var" / "secret_keys").exists()
    assert "k" * 32 not in text


def test_operator_is_named(desk: Desk) -> None:
    """The first operator has the address that was asked for, and stays the one."""
    text = desk.done("init", "--operator", "Ada@Example.com")
    assert "ada@example.com sets a password here, once, within 24 hours" in text
    assert "ada@example.com" in desk.done("init")
    with desk.catalog as catalog:
        assert [account.email for account in catalog.accounts.list().items] == ["ada@example.com"]


def test_operator_cannot_be_somebody_else(desk: Desk) -> None:
    """An owner's account does not become an operator's by a command line's typo."""
    desk.done("init", "--no-link")
    desk.done("account", "create", "owner@example.com")
    result = desk.run("init", "--operator", "owner@example.com")
    assert result.exit_code == 1
    assert "without the operator's role" in result.stderr


def test_no_link_once_somebody_operates(desk: Desk) -> None:
    """As soon as an operator has a password, the door is closed."""
    token = token_in(desk.done("init"))
    with desk.catalog as catalog:
        account = catalog.links.use("setup", token, by=SYSTEM)
        catalog.accounts.set_password(account.id, "seven green bottles hang", by=SYSTEM)
    assert "/password/" not in desk.done("init")


def test_no_link_on_request(desk: Desk) -> None:
    """`make run` lets the server print the link, at the end where it is seen."""
    assert "/password/" not in desk.done("init", "--no-link")


def test_data_folder_that_cannot_be_made(desk: Desk) -> None:
    """A file in its place is told with the setting and the system's reason."""
    (desk.folder / "var").touch()
    assert "TENANTRY_DATA_DIR=" in desk.refused("init")


def test_open_data_folder_is_told(desk: Desk) -> None:
    """A folder that was there is not changed, but its openness is not hidden either."""
    desk.done("init")
    (desk.folder / "var").chmod(0o755)
    result = desk.run("init")
    assert result.exit_code == 0
    assert "every user of this machine can open" in result.stderr


def test_newer_catalog_is_refused(ready: Desk) -> None:
    """An old release does not touch the catalog of a newer one."""
    with ready.catalog as catalog, catalog.store.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    assert "belongs to a newer release" in ready.refused("init")


def test_two_at_once_make_one_platform(desk: Desk) -> None:
    """Two containers that start on one folder agree on the keys and on the operator."""
    with ThreadPoolExecutor(4) as threads:
        runs = [threads.submit(desk.call, "init", "--demo", "--no-link") for _ in range(4)]
        codes = [run.result().returncode for run in runs]
    assert codes == [0, 0, 0, 0]
    with desk.catalog as catalog:
        assert catalog.tenants.count_by_state()[TenantState.ACTIVE] == 2
        assert catalog.accounts.list().total == 1


def content(desk: Desk, slug: str) -> str:
    """Return what the factory wrote as example content."""
    with desk.catalog as catalog:
        tenant = catalog.tenants.get(slug)
    return (get_settings().tenant_dir(tenant.id) / "content").read_text()


def test_demonstration_sites(desk: Desk) -> None:
    """An empty platform gets the factory's sites, with names, settings and content."""
    assert "acme, globex" in desk.done("init", "--demo")
    with desk.catalog as catalog:
        acme = catalog.tenants.get("acme")
    assert (acme.name, acme.state, acme.settings["tagline"]) == ("Acme", "active", "Anvils")
    assert content(desk, "acme") == "example\n"


def test_demonstrations_belong_to_the_operator(desk: Desk) -> None:
    """Somebody can write on them; there used to be nobody, and no way to give them to anybody."""
    desk.done("init", "--demo", "--operator", "olga@x.test")
    with desk.catalog as catalog:
        rows = catalog.tenants.list().items
        assert rows
        assert {row.owners for row in rows} == {("olga@x.test",)}
        operator = catalog.accounts.find("olga@x.test")
    assert operator is not None
    assert operator.operator


def test_demonstration_again_changes_nothing(desk: Desk) -> None:
    """What somebody did with a demonstration site is theirs."""
    desk.done("init", "--demo")
    with desk.catalog as catalog:
        acme = catalog.tenants.get("acme")
        catalog.tenants.configure(acme.id, name="Mine", by=SYSTEM)
        epoch = catalog.changes.read_epoch()
    desk.done("init", "--demo")
    with desk.catalog as catalog:
        assert (catalog.tenants.get("acme").name, catalog.changes.read_epoch()) == ("Mine", epoch)
    assert content(desk, "acme") == "example\n"


def test_interrupted_demonstration_is_completed(desk: Desk) -> None:
    """Ctrl-C leaves no half site; saying it again makes the rest."""
    desk.done("init")
    (desk.folder / "var" / "stop").touch()
    assert desk.run("init", "--demo").exit_code == 1
    with desk.catalog as catalog:
        assert not any(catalog.tenants.count_by_state().values())
    (desk.folder / "var" / "stop").unlink()
    desk.done("init", "--demo")
    with desk.catalog as catalog:
        assert catalog.tenants.count_by_state()[TenantState.ACTIVE] == 2


def test_killed_demonstration_is_completed(desk: Desk) -> None:
    """A site that a killed run left in the middle is finished, not made twice."""
    desk.done("init")
    with desk.catalog as catalog:
        left = catalog.tenants.add("acme", name="Acme", by=SYSTEM)
    desk.done("init", "--demo")
    with desk.catalog as catalog:
        acme = catalog.tenants.get("acme")
    assert (acme.id, acme.state) == (left.id, "active")
    assert content(desk, "acme") == "example\n"


def test_platform_in_use_gets_no_demonstration(desk: Desk) -> None:
    """Sites of strangers do not appear between an operator's own."""
    desk.done("init")
    with desk.catalog as catalog:
        factory = Factory(build=lambda _: None)  # type: ignore[arg-type, return-value]
        Operations(catalog, factory, settings=get_settings(), actor=SYSTEM).create(
            "own", name="Own"
        )
    assert "already has sites" in desk.done("init", "--demo")
    with desk.catalog as catalog:
        assert catalog.tenants.find("acme") is None


def test_factory_without_demonstrations(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A factory need not have any."""
    (desk.folder / "bare.py").write_text("def create_app(tenant): ...\n")
    monkeypatch.setenv("TENANTRY_FACTORY", "bare:create_app")
    assert "has no DEMONSTRATIONS" in desk.done("init", "--demo")
