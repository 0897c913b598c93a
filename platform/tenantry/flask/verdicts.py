"""What the doctor has found out about a release: whether tenants' apps can be flyweights.

Commands read it too, so nothing here imports Flask.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import sysconfig
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from tenantry.files.atomic import write_atomically
from tenantry.files.disk import exists, is_dir

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tenantry.settings import Settings

UNCHECKED = "this release has not been checked yet; run `tenantry doctor`"


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a release of a factory works as flyweights."""

    release: str
    flyweight: bool
    reason: str = ""
    """Why not."""


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
