"""Builds eight tenants' apps at once, as a worker does after its start."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from tenantry.doctor.findings import Finding, fine, unsafe
from tenantry.doctor.patients import make_patient
from tenantry.doctor.process_state import ProcessState
from tenantry.doctor.routes import find_flask
from tenantry.flask.binding import EXTENSION

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tenantry.factory import Factory
    from tenantry.values.tenant import Tenant

CHECK = "builds"
AT_ONCE = 8


def build_many(factory: Factory, subject: str, *, first: ProcessState) -> Iterator[Finding]:
    """Provision eight tenants, build their apps at once, and yield what went wrong.

    What each build leaves in the process is counted, too.

    :param subject: How the factory is called in the settings.
    :param first: What the process had before any build.
    """
    tenants = [make_patient(letter).tenant for letter in "cdefghij"]
    for tenant in tenants:
        factory.provision(tenant)
    before = ProcessState.take()
    start = threading.Barrier(AT_ONCE)

    def build(tenant: Tenant) -> Any:
        start.wait()
        return factory.build(tenant)

    with ThreadPoolExecutor(AT_ONCE) as threads:
        builds = [threads.submit(build, tenant) for tenant in tenants]
    errors = [error for made in builds if (error := made.exception())]
    after = ProcessState.take()
    yield from first.switched_off(after)
    yield from before.grown(after, builds=max(1, AT_ONCE - len(errors)))
    if errors:
        said = " ".join(str(errors[0]).split())
        yield unsafe(
            CHECK,
            subject,
            f"{len(errors)} of {AT_ONCE} builds at once failed: {type(errors[0]).__name__}: {said}",
            "Keep nothing of a build in the module, and upgrade no schema in the factory.",
        )
    pairs = zip(tenants, builds, strict=True)
    apps = [(tenant, made.result()) for tenant, made in pairs if not made.exception()]
    mixed = [tenant for tenant, app in apps if not _belongs(app, tenant)]
    if mixed:
        yield unsafe(
            CHECK,
            subject,
            f"{len(mixed)} of {AT_ONCE} builds at once returned another tenant's app.",
            "Keep nothing of a build in the module.",
        )
    for _, app in apps:
        factory.dispose(app)
    if not errors and not mixed:
        yield fine(CHECK, subject, f"{AT_ONCE} builds at once made {AT_ONCE} apps.")


def _belongs(app: Any, tenant: Tenant) -> bool:
    flask = find_flask(app)
    binding = flask.extensions.get(EXTENSION) if flask is not None else None
    return binding is None or binding.tenant is None or bool(binding.tenant.id == tenant.id)
