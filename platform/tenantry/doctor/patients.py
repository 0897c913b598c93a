"""The two temporary tenants of an examination."""

from __future__ import annotations

import gc
import os
import secrets
import uuid
import weakref
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tenantry.doctor.identity import Identity
from tenantry.values.tenant import Tenant

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tenantry.doctor.findings import Finding

    Emit = Callable[[Finding], None]


@dataclass(eq=False, slots=True)
class Patient:
    """A throw-away tenant and its app."""

    tenant: Tenant
    mark: str
    app: Any = None

    @property
    def identity(self) -> Identity:
        return Identity(self.tenant, self.app, self.mark)


class Grave:
    """Knows an app without holding it."""

    def __init__(self, app: Any) -> None:
        self._id, self._kind = id(app), type(app)
        try:
            self._ref: weakref.ref[Any] | None = weakref.ref(app)
        except TypeError:  # a class with slots
            self._ref = None

    def find(self) -> Any:
        """Return the app if it still lives."""
        if self._ref is not None:
            return self._ref()
        alike = (value for value in gc.get_objects() if id(value) == self._id)
        return next((value for value in alike if type(value) is self._kind), None)


def wording(emit: Emit, patients: Iterable[Patient]) -> Emit:
    """Return *emit* for findings that say what a name is instead of the throw-away name itself."""
    names: dict[str, str] = {}
    for patient in patients:
        names[patient.tenant.id] = "<tenant id>"
        names[patient.tenant.slug] = "<slug>"
        names[patient.tenant.name] = "<name>"

    def emit_worded(finding: Finding) -> None:
        subject, sentence = finding.subject, finding.sentence
        for name, word in names.items():
            subject, sentence = subject.replace(name, word), sentence.replace(name, word)
        emit(replace(finding, subject=subject, sentence=sentence))

    return emit_worded


def make_patient(letter: str) -> Patient:
    """Return a tenant that nobody has seen; *letter* tells it from its neighbour."""
    mark = f"zqdx{letter}{secrets.token_hex(3)}"
    return Patient(Tenant(uuid.uuid4().hex, f"doctor-{mark}", f"Doctor {mark}"), mark)


def open_files(patients: Iterable[Patient]) -> list[str]:
    """Return the open files in the tenants' folders."""
    names = [f"t_{patient.tenant.id}" for patient in patients]
    found = set()
    for descriptor in os.listdir("/proc/self/fd"):  # noqa: PTH208 - numbers, no paths
        try:
            target = os.readlink(f"/proc/self/fd/{descriptor}")  # noqa: PTH115 - may be no path
        except OSError:
            continue
        if any(name in target for name in names):
            found.add(f"{Path(target).name} (file)")
    return sorted(found)
