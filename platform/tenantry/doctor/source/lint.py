"""Applies the rules to files and folders."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from tenantry.doctor.findings import Finding, fine, unsafe, warning
from tenantry.doctor.source import build_rules, state_rules
from tenantry.doctor.source.module import Module
from tenantry.errors import FactoryError
from tenantry.files.disk import is_dir, is_file
from tenantry.files.shipped import add_bundled

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

CHECK = "source"
ACCEPTED = "tenantry: shared"
SKIPPED = frozenset({"tests", "test", "migrations", "alembic", "node_modules", "__pycache__"})
"""Folders whose code does not run while tenants are served."""

RULES = (
    state_rules.shared_state,
    state_rules.class_attributes,
    state_rules.engines,
    state_rules.caches,
    build_rules.kept_apps,
    build_rules.registrations,
    build_rules.early_apps,
    build_rules.upgrades,
    build_rules.logs,
)


def lint(paths: Iterable[Path]) -> list[Finding]:
    """Return a finding for each line that shares something between tenants.

    :param paths: Files, and folders that are searched for more.
    """
    found: list[Finding] = []
    modules = find_modules(paths, found.append)
    known: set[tuple[str, str]] = set()
    for rule in RULES:
        for place in rule(modules):
            line = place.module.lines[place.line - 1] if place.line else ""
            subject = f"{place.module.path}:{place.line}"
            if ACCEPTED not in line and (subject, place.sentence) not in known:
                known.add((subject, place.sentence))
                found.append(unsafe(CHECK, subject, place.sentence, place.remedy))
    if not found:
        number = f"{len(modules)} {'file shares' if len(modules) == 1 else 'files share'}"
        found.append(fine(CHECK, "the source", f"{number} nothing between tenants."))
    return found


def find_modules(
    paths: Iterable[Path], emit: Callable[[Finding], object] = lambda _: None
) -> list[Module]:
    """Return the modules in files and folders, parsed.

    :param emit: Takes a finding for each file that cannot be read.
    """
    modules: list[Module] = []
    for root, path in _sources(paths):
        name = ".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__")
        try:
            modules.append(Module.read(_shown(path), name))
        except (SyntaxError, UnicodeDecodeError, OSError) as error:
            emit(warning(CHECK, str(_shown(path)), f"It cannot be read: {error}."))
    return modules


def find_package(factory: str) -> Path:
    """Return the file or folder of the factory's code; nothing is imported but what is around it.

    :param factory: As ``TENANTRY_FACTORY`` has it.
    :raises FactoryError: There is no such module.
    """
    add_bundled()
    name = factory.partition(":")[0]
    if name.endswith(".py"):
        return Path(name)
    try:
        spec = find_spec(name.partition(".")[0])
    except (ImportError, ValueError):
        spec = None
    if spec is None or spec.origin in {None, "built-in", "frozen"}:
        raise FactoryError(factory, f"there is no module {name!r} on the path")
    origin = Path(spec.origin or "")
    return origin.parent if spec.submodule_search_locations else origin


def _sources(paths: Iterable[Path]) -> Iterator[tuple[Path, Path]]:
    """Yield the files, each with the folder that its package is in."""
    for path in paths:
        if is_file(path):
            yield path.parent, path
        elif is_dir(path):
            root = path.parent if is_file(path / "__init__.py") else path
            for file in sorted(path.rglob("*.py")):
                parts = file.relative_to(path).parts[:-1]
                if not any(part in SKIPPED or part.startswith(".") for part in parts) and not any(
                    is_file(Path(path, *parts[: n + 1], "pyvenv.cfg")) for n in range(len(parts))
                ):
                    yield root, file


def _shown(path: Path) -> Path:
    """Return the path as the working folder sees it, if it is inside."""
    here = Path.cwd()
    absolute = path.absolute()
    return absolute.relative_to(here) if absolute.is_relative_to(here) else absolute
