"""Full instances or flyweights: how a factory's apps are made, by ``TENANTRY_INSTANCES``."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import logging
import re
import sysconfig
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from flask import Flask

from tenantry.errors import BuildOnceError, UnfitError
from tenantry.files.atomic import write_atomically
from tenantry.files.disk import exists, is_dir
from tenantry.flask import extensions
from tenantry.flask.building import building, check_built
from tenantry.flask.flyweight import SharedFactory
from tenantry.flask.freezing import is_shared
from tenantry.flask.prototype import AlreadySharedError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from _typeshed.wsgi import WSGIApplication

    from tenantry.factory import Factory
    from tenantry.flask.building import Build
    from tenantry.flask.prototype import Prototype
    from tenantry.settings import Settings

log = logging.getLogger(__name__)

UNCHECKED = "this release has not been checked yet; run `tenantry doctor`"

_TWICE = re.compile(r"already|twice|duplicate|overwriting|more than once|only once", re.IGNORECASE)
"""What libraries say of a name that a second build registers again."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a release of a factory works as flyweights."""

    release: str
    flyweight: bool
    reason: str = ""
    """Why not."""


class Instances:
    """Makes the apps of one factory.

    :param found: The factory as it was imported.
    """

    def __init__(self, found: Factory, settings: Settings) -> None:
        self._found = found
        self._settings = settings
        self._built = 0
        self._shared = SharedFactory(found.build) if is_flyweight_chosen(settings) else None

    def prepare(self) -> None:
        """Load what all tenants share, and build the prototype if there is one.

        :raises UnfitError: ``TENANTRY_INSTANCES`` is ``flyweight``, and the factory cannot be shared.
        """
        self._found.prepare()
        self.find_prototype()

    def find_prototype(self) -> Prototype | None:
        """Return the prototype, unless the factory makes full instances or has one of its own.

        :raises UnfitError: ``TENANTRY_INSTANCES`` is ``flyweight``, and the factory cannot be shared.
        """
        shared = self._shared
        if shared is None:
            return None
        try:
            return shared.prepare(self._settings)
        except AlreadySharedError:
            self._shared = None
        except UnfitError as error:
            if self._settings.instances == "flyweight":
                raise
            log.warning("tenants get full instances: %s", error)
            self._shared = None
        return None

    def build(self, build: Build) -> WSGIApplication:
        """Return an app for the build's tenant.

        :raises SharedAppError: The factory returned an app that is not this tenant's alone.
        :raises UnfitError: ``TENANTRY_INSTANCES`` is ``flyweight``, and the factory cannot be shared.
        :raises BuildOnceError: The factory can be called only once in a process.
        """
        prototype = self.find_prototype()
        if prototype is not None and self._shared is not None:
            try:
                return self._shared.instance(build)
            except UnfitError as error:  # this tenant is different from the others
                if self._settings.instances == "flyweight":
                    raise
                log.warning("%s gets a full instance: %s", build.tenant.slug, error)
        return self._build_full(build)

    def _build_full(self, build: Build) -> WSGIApplication:
        extensions.install()
        try:
            with building(build):
                app = self._found.build(build.tenant)
        except Exception as error:
            if self._built and _TWICE.search(str(error)):
                raise BuildOnceError(f"{type(error).__name__}: {error}") from error
            raise
        self._built += 1
        check_built(app, build, factory=self._settings.factory)
        if isinstance(app, Flask) and not is_shared(app):
            extensions.adapt(app)
        return app


def is_flyweight_chosen(settings: Settings) -> bool:
    """Say whether tenants' apps are flyweights, as far as the settings and the doctor say."""
    return settings.instances == "flyweight" or (
        settings.instances == "auto" and read_verdict(settings).flyweight
    )


def read_verdict(settings: Settings) -> Verdict:
    """Return what the doctor found out about the release that is installed now."""
    release = release_of(settings)
    path = _verdict_file(settings)
    try:
        verdict = Verdict(**json.loads(path.read_text())) if exists(path) else None
    except (OSError, ValueError, TypeError):
        verdict = None  # it is found out again
    if verdict is None or verdict.release != release:
        return Verdict(release, flyweight=False, reason=UNCHECKED)
    return verdict


def write_verdict(settings: Settings, verdict: Verdict) -> None:
    """Keep what the doctor found out."""
    path = _verdict_file(settings)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_atomically(path, json.dumps(asdict(verdict)), lasting=False)


def _verdict_file(settings: Settings) -> Path:
    return settings.run_dir / "instances.json"


def release_of(settings: Settings) -> str:
    """Return what changes with the factory's code, its settings or an installed package."""
    digest = hashlib.sha256()
    for part in (
        version("tenantry"),
        settings.factory,
        settings.factory_args,
        sorted(settings.pin.items()),
        settings.provision,
        Path(sysconfig.get_path("purelib")).stat().st_mtime_ns,
    ):
        digest.update(f"{part!r}\n".encode())
    for path in sorted(_sources(settings.factory)):
        digest.update(f"{path}\n".encode() + path.read_bytes())
    return digest.hexdigest()


def _sources(factory: str) -> Iterable[Path]:
    """Return the files of the factory's package, or those beside its module."""
    module = factory.partition(":")[0]
    if module.endswith(".py"):
        return Path(module).absolute().parent.glob("*.py")
    spec = importlib.util.find_spec(module.partition(".")[0])
    if spec is None or spec.origin is None:
        return ()
    origin = Path(spec.origin)
    folder = origin.parent
    is_package = origin.name == "__init__.py" and is_dir(folder)
    return folder.rglob("*.py") if is_package else folder.glob("*.py")
