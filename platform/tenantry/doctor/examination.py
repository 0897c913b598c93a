"""Examines a factory in the doctor's process: builds two tenants, visits them, disposes of them.

Its order matters: what a first visit fills lies before the first look, and what must be gone at the
end is held here by nobody.
"""

from __future__ import annotations

import gc
import threading
import traceback
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from werkzeug.test import Client

from tenantry.doctor import holders, shared
from tenantry.doctor.files_written import FileWatcher
from tenantry.doctor.findings import Finding, fine, unsafe, warning
from tenantry.doctor.keys import equal_keys
from tenantry.doctor.many_builds import build_many
from tenantry.doctor.neutral import Ownership
from tenantry.doctor.patients import Grave, Patient, make_patient, open_files, wording
from tenantry.doctor.process_state import ProcessState
from tenantry.doctor.replay import replayed
from tenantry.doctor.rows import count_rows
from tenantry.doctor.visits import SECONDS, Report, TooSlowError, visit, within
from tenantry.doctor.watchers import ExitWatcher, ImportWatcher
from tenantry.environ import REQUEST_ID, TENANT
from tenantry.errors import TenantryError
from tenantry.flask.factories import load_factory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from werkzeug.test import TestResponse

    from tenantry.doctor.identity import Identity
    from tenantry.doctor.signing_in import Login
    from tenantry.factory import Factory
    from tenantry.settings import Settings

    Emit = Callable[[Finding], None]
    Tell = Callable[[str], None]

FACTORY = "factory"
PAGES = "pages"
WHOSE = ("the first tenant's app", "the second tenant's app")
TRIES = 3
REPLAYED = 30
"""Pages that get the other tenant's cookies."""
VISITORS = 8
"""A member and an owner, for two tenants, two times."""


class StoppedError(Exception):
    """The factory does not do what everything else needs; that has been told."""


@dataclass(slots=True)
class Examination:
    """Examines one factory.

    :param emit: Takes each finding.
    :param tell: Is told what is being done now, for the case that it never ends.
    """

    settings: Settings
    emit: Emit
    tell: Tell
    seconds: float
    """How long it may take; half of it is for visits."""
    login: Login | None = None
    """How a visitor signs in, if signing up is not enough."""
    files: FileWatcher = field(init=False)

    def __post_init__(self) -> None:
        """Listen to what is opened from the first import on."""
        ownership = Ownership(self.settings.factory.partition(":")[0])
        self.files = FileWatcher(self.settings.data_dir, ownership.is_own_module)
        self.files.install()

    def run(self) -> None:
        """Do everything, as far as the factory lets."""
        exits = ExitWatcher()
        exits.install()
        try:
            factory = self._load()
            first = ProcessState.take()
            patients = [make_patient("a"), make_patient("b")]
            self.emit = wording(self.emit, patients)
            self._provision(factory, patients)
            self._examine(factory, patients, exits)
            self._build_many(factory, first)
        except StoppedError:
            return

    def _examine(self, factory: Factory, patients: list[Patient], exits: ExitWatcher) -> None:
        threads = threading.enumerate()
        self._build(factory, patients)
        for finding in equal_keys(patients[0].app, patients[1].app):
            self.emit(finding)
        self._look(patients)
        self._provision_again(factory, patients[0])
        apps = {id(patient.app): whose for patient, whose in zip(patients, WHOSE, strict=True)}
        found = list(holders.signal_holders(apps, live=True))
        self._dispose(factory, patients)
        found += holders.signal_holders(apps, live=False)
        found += holders.thread_holders(threads, apps)
        # One line for both tenants; the first one was found first.
        once = {suspicion.finding.subject: suspicion.finding for suspicion in reversed(found)}
        for finding in once.values():
            self.emit(finding)
        names = self._release(patients, exits, {suspicion.holder for suspicion in found})
        self._look_for_traces(patients, names)

    def _load(self) -> Factory:
        self.tell(f"importing {self.settings.factory}")
        with self._stopping("The factory cannot be imported"):
            return load_factory(self.settings)

    def _provision(self, factory: Factory, patients: Iterable[Patient]) -> None:
        for number, patient in enumerate(patients):
            self.tell("provisioning a tenant")
            with self.files.watching(number):
                with self._stopping("provision() fails for a new tenant"):
                    factory.provision(patient.tenant)
                with self._stopping("provision() fails when it is called again"):
                    factory.provision(patient.tenant)
            try:
                factory.demonstrate(patient.tenant)
            except Exception as error:  # noqa: BLE001 - foreign code fails as it likes
                self.emit(
                    warning(
                        FACTORY,
                        f"{self.settings.factory} (demonstrate)",
                        f"Filling a site with examples fails: {_said(error)}",
                    )
                )

    def _build(self, factory: Factory, patients: list[Patient]) -> None:
        for number, patient in enumerate(patients):
            self.tell("building a tenant's app")
            with (
                self._stopping("The factory fails for a new tenant"),
                self.files.watching(number),
            ):
                patient.app = factory.build(patient.tenant)
        first, second = patients
        if first.app is second.app:
            self._stop(
                "It returns the same app for two tenants: one is served as the other.",
                "Create an app for each call, or use tenantry.Flyweight.",
            )

    def _look(self, patients: list[Patient]) -> None:
        """Visit both tenants; look what the first one's visitors leave and change."""
        first, second = patients
        reports = [Report(), Report()]
        imports = ImportWatcher()
        with imports.watching():
            self._visit(first, second, reports[0], round_=1)
            self._visit(second, first, reports[1], round_=1)
        for finding in imports.findings():
            self.emit(finding)
        ownership = Ownership(self.settings.factory.partition(":")[0])
        identity = first.identity

        def look() -> shared.Look:
            self.tell("inspecting what tenants share")
            roots = shared.roots_of(second.app, ownership=ownership)
            return shared.look(roots, identity=identity, ownership=ownership)

        before = look()
        self._visit(first, second, reports[0], round_=2)
        after = look()
        self._emit_shared(before, after, identity)  # at once: names are those of this moment
        self._visit(second, first, reports[1], round_=2)
        self._emit_visits(reports)
        self._replay(reports[0], second)
        for finding in self.files.findings():
            self.emit(finding)

    def _replay(self, report: Report, other: Patient) -> None:
        """Send what the first tenant's visitors got to the second tenant's app."""
        self.tell("sending one tenant's cookies to the other")
        client = Client(other.app, use_cookies=False)
        origin = self.settings.url_of(self.settings.host_of(other.tenant))
        environ = {TENANT: other.tenant, REQUEST_ID: "doctor", "REMOTE_ADDR": "127.0.0.1"}

        def ask(path: str, headers: Mapping[str, str]) -> TestResponse:
            with within(SECONDS):
                return client.get(
                    path, base_url=origin, headers=dict(headers), environ_overrides=environ
                )

        paths = list(report.pages)[:REPLAYED]
        tokens = list(dict.fromkeys(report.tokens))[-1:]
        found = replayed(ask, paths, cookies=report.cookies, tokens=tokens)
        try:
            for finding in found:
                self.emit(finding)
        except (TooSlowError, Exception):  # noqa: BLE001 - the visits have told which page fails
            traceback.print_exc()

    def _provision_again(self, factory: Factory, patient: Patient) -> None:
        """Provision a tenant whose visitors have written something: it must still be there."""
        self.tell("provisioning a tenant that is in use")
        folder = self.settings.tenant_dir(patient.tenant.id)
        before = count_rows(folder)
        with self._stopping("provision() fails for a tenant that is in use"):
            factory.provision(patient.tenant)
        after = count_rows(folder)
        lost = [name for name, number in before.items() if after.get(name, 0) < number]
        if lost:
            # A command of TENANTRY_PROVISION runs once for each new tenant; the hook may run again.
            state = warning if self.settings.provision else unsafe
            self.emit(
                state(
                    FACTORY,
                    f"{self.settings.factory} (provision)",
                    f"A second call removes rows: {', '.join(lost)}.",
                    "Create only what is missing.",
                )
            )

    def _build_many(self, factory: Factory, first: ProcessState) -> None:
        self.tell("building eight apps at once")
        with self._stopping("The factory fails for several tenants"):
            for finding in build_many(factory, self.settings.factory, first=first):
                self.emit(finding)

    def _emit_shared(self, before: shared.Look, after: shared.Look, identity: Identity) -> None:
        known: set[str] = set()
        for findings in (
            shared.left_behind(after, identity),
            shared.unkeyed_caches(after, identity),
            shared.changed(before, after),
        ):
            for finding in findings:
                if finding.subject not in known:
                    known.add(finding.subject)
                    self.emit(finding)
        if not after.walk.complete:
            self.emit(
                warning(
                    shared.CHECK,
                    "the process",
                    f"It has more than {len(after.walk.objects):,} objects; not all were inspected.",
                )
            )
        elif not known:
            number = f"{len(after.walk.objects):,}"
            self.emit(
                fine(
                    shared.CHECK,
                    "the process",
                    f"{number} objects that all tenants reach hold no tenant's data.",
                )
            )

    def _visit(self, patient: Patient, other: Patient, report: Report, *, round_: int) -> None:
        with self.files.watching(int(patient.mark > other.mark)):
            visit(
                patient.app,
                patient.tenant,
                mark=f"{patient.mark}r{round_}",
                origin=self.settings.url_of(self.settings.host_of(patient.tenant)),
                report=report,
                is_foreign=other.identity.is_in,
                tell=lambda place: self.tell(f"asking for {place}"),
                seconds=self.seconds / 2 / VISITORS,
                login=self.login,
            )

    def _emit_visits(self, reports: list[Report]) -> None:
        for report, other in zip(reports, ("second", "first"), strict=True):
            for place in dict.fromkeys(report.leaks):
                self.emit(
                    unsafe(
                        PAGES,
                        place,
                        f"It shows the {other} tenant's data.",
                        "Find the shared state behind it, and key it by tenant id.",
                    )
                )
        troubles = {place: what for report in reports for place, what in report.troubles.items()}
        for place, what in troubles.items():
            self.emit(warning(PAGES, place, f"It {what}."))
        if any(report.cut for report in reports):
            self.emit(
                warning(
                    PAGES,
                    self.settings.factory,
                    "There was more to visit than time, or requests, allowed.",
                    "If pages are slow, raise --seconds.",
                )
            )
        report = reports[0]
        answered = f"{len(report.answered)} of {report.routes} GET routes answered; "
        self.emit(
            fine(
                PAGES,
                self.settings.factory,
                f"{answered if report.routes else ''}{report.requests} requests, "
                f"{report.forms} forms sent, for each of two tenants.",
            )
        )

    def _dispose(self, factory: Factory, patients: Iterable[Patient]) -> None:
        for patient in patients:
            self.tell("disposing of a tenant's app")
            try:
                factory.dispose(patient.app)
            except Exception as error:  # noqa: BLE001 - foreign code fails as it likes
                self.emit(
                    unsafe(
                        FACTORY,
                        f"{self.settings.factory} (dispose)",
                        f"Disposing of an instance fails: {_said(error)}",
                        "Resources that it has not closed stay open in the server.",
                    )
                )

    def _release(self, patients: list[Patient], exits: ExitWatcher, known: set[int]) -> set[str]:
        """Release the apps, and check that they are freed; return their holders."""
        self.tell("checking that disposed instances are freed")
        graves = [Grave(patient.app) for patient in patients]
        for patient in patients:
            patient.app = None
        for _ in range(TRIES):
            gc.collect()
        names: set[str] = set()
        for grave, whose in zip(graves, WHOSE, strict=True):
            app = grave.find()
            if app is None:
                continue
            found = holders.holders(app, exits.left, around=known)
            for hold in found:
                if hold.name not in names:
                    names.add(hold.name)
                    self.emit(_held(hold, whose))
            if not found and not known and not names:
                names.add("")
                self.emit(_held(holders.Hold(holders.nearest(app), None), whose))
        if not any(grave.find() is not None for grave in graves):
            self.emit(
                fine(holders.INSTANCES, self.settings.factory, "Disposed instances are freed.")
            )
        return names

    def _look_for_traces(self, patients: list[Patient], known: set[str]) -> None:
        """Look what a tenant leaves behind that does not hold its app."""
        first = patients[0]
        ownership = Ownership(self.settings.factory.partition(":")[0])
        roots = shared.roots_of(None, ownership=ownership)
        seen = shared.look(roots, identity=first.identity, ownership=ownership)
        kept = {finding.subject: finding for finding in shared.kept_entries(seen)}
        for subject, finding in kept.items():
            if subject not in known:
                self.emit(finding)
        for path in open_files(patients):
            self.emit(
                unsafe(
                    "descriptors",
                    path,
                    "It stays open after the instance was disposed of.",
                    "Close it in dispose(app).",
                )
            )

    @contextmanager
    def _stopping(self, what: str) -> Iterator[None]:
        try:
            yield
        except TenantryError as error:
            self._stop(f"{what}: {error}")
        except Exception as error:  # noqa: BLE001 - foreign code fails as it likes
            traceback.print_exc()
            self._stop(f"{what}: {_said(error)}")

    def _stop(self, sentence: str, remedy: str = "") -> None:
        self.emit(unsafe(FACTORY, self.settings.factory, sentence, remedy))
        raise StoppedError


def _held(found: holders.Hold, whose: str) -> Finding:
    if found.value is None:
        return unsafe(
            holders.INSTANCES,
            whose,
            "It lives on after it was disposed of, and no module, signal or thread holds it; before "
            f"it stands: {found.name}.",
            "An object of a C extension may hold it.",
        )
    named = found.name.startswith(f"{found.place} ") or found.place.startswith("atexit.")
    place = "" if named else f", at {found.place}"
    return unsafe(
        holders.INSTANCES,
        found.name,
        f"It holds {whose} after it was disposed of{place}. Such instances fill the worker's memory.",
        "Remove it in dispose(app), or keep a weak reference.",
    )


def _said(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
