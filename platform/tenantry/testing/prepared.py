"""A platform with two tenants, made once in a session of tests and copied for each test."""

from __future__ import annotations

import json
import secrets
import shutil
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tenantry.catalog import SYSTEM, open_catalog
from tenantry.databases.placements import tenant_database
from tenantry.flask.factories import load_factory
from tenantry.lifecycle import Operations
from tenantry.settings import PREFIX, get_settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    import pytest

    from tenantry.factory import Factory
    from tenantry.settings import Settings
    from tenantry.values.tenant import Tenant

TENANTS = {"acme": "Acme", "globex": "Globex"}


@dataclass(frozen=True, slots=True)
class Prepared:
    """What was made once: the data folder of a platform with two new tenants."""

    variables: Mapping[str, str]
    data: Path
    tenants: tuple[Tenant, Tenant]

    @contextmanager
    def copied(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Copy]:
        """Copy it into *folder*; in the block it is the process's platform.

        The folder is another one for each test, so nothing that a process remembers of the last one's
        is found.
        """
        shutil.copytree(self.data, folder / "data")
        variables = {**self.variables, **variables_in(folder)}
        with in_effect(variables, monkeypatch) as settings:
            copy = Copy(settings, load_factory(settings), self.tenants)
            try:
                yield copy
            finally:
                copy.close()
                shutil.rmtree(folder)


@dataclass(frozen=True, slots=True)
class Copy:
    """The platform of one test."""

    settings: Settings
    factory: Factory
    tenants: tuple[Tenant, Tenant]

    def get_new(self, number: int) -> Tenant:
        """Return one of the tenants, as new; a server has what the last test wrote."""
        tenant = self.tenants[number]
        database = tenant_database(tenant, self.settings)
        if database.file is None:
            database.drop()
            self.factory.provision(tenant)
        return tenant

    def close(self) -> None:
        """Close what is open of the tenants' databases."""
        for tenant in self.tenants:
            tenant_database(tenant, self.settings).close()


def prepare(
    folder: Path, variables: Mapping[str, str], monkeypatch: pytest.MonkeyPatch
) -> Prepared:
    """Make the tenants in *folder*, as ``tenantry tenant create`` does.

    :raises FactoryError: The factory cannot be loaded.
    :raises ProvisionError: It cannot make a tenant's data.
    """
    everything = {**variables_in(folder), **variables}
    with in_effect(everything, monkeypatch) as settings:
        for made in (settings.data_dir, settings.run_dir):
            made.mkdir(parents=True, mode=0o700)
        factory = load_factory(settings)
        factory.prepare()
        catalog = open_catalog(settings)
        try:
            catalog.upgrade()
            operations = Operations(catalog, factory, settings=settings, actor=SYSTEM)
            first, second = (operations.create(slug, name=name) for slug, name in TENANTS.items())
        finally:
            catalog.close()
        Copy(settings, factory, (first, second)).close()
    return Prepared(variables, settings.data_dir, (first, second))


def variables_for(*, factory: str, placement: str) -> dict[str, str]:
    """Return the variables that keep a platform away from the operator's own.

    :param factory: As ``TENANTRY_FACTORY`` has it; empty for the operator's.
    :param placement: ``"sqlite"``, or the URL of a PostgreSQL server.
    """
    values = {
        "ACCESS_LOG": "off",
        "DATABASES": json.dumps({"local": placement}),
        "SECRET_KEYS": secrets.token_hex(32),
    }
    if factory:
        values["FACTORY"] = factory
    return {f"{PREFIX}{name}": value for name, value in values.items()}


def variables_in(folder: Path) -> dict[str, str]:
    """Return the variables of a platform that has all its files in *folder*."""
    data = folder / "data"
    return {
        f"{PREFIX}CATALOG_URL": f"sqlite:///{data}/catalog.sqlite3",
        f"{PREFIX}DATA_DIR": str(data),
    }


@contextmanager
def in_effect(variables: Mapping[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    """Let the process's settings be those of *variables* in the block."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    get_settings.cache_clear()
    try:
        yield get_settings()
    finally:
        get_settings.cache_clear()
