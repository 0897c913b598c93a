"""Records imports and ``atexit`` functions while code runs."""

from __future__ import annotations

import atexit
import sys
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tenantry.doctor.findings import Finding, warning
from tenantry.doctor.neutral import DOCTOR

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from types import FrameType

CHECK = "imports"
FOREIGN = (DOCTOR, "tenantry", "werkzeug.test", "encodings", "html.parser")
"""Importers that no request of a visitor has, and the platform: what it loads late is its own."""


@dataclass(frozen=True, slots=True)
class Import:
    """A module that was imported late."""

    module: str
    by: str
    """Module and function."""

    line: int


class ImportWatcher:
    """A finder that finds nothing, and notes who asked while a function ran."""

    def __init__(self) -> None:
        self.found: list[Import] = []

    def find_spec(self, name: str, _path: Sequence[str] | None = None, _target: Any = None) -> None:
        """Note who imports the module."""
        frame = _importer(sys._getframe(1))  # noqa: SLF001 - the only way to see a caller
        if frame is None or frame.f_code.co_name == "<module>":
            return  # a part of the import of another module
        module = str(frame.f_globals.get("__name__", ""))
        if not f"{module}.".startswith(tuple(f"{foreign}." for foreign in FOREIGN)):
            by = f"{module}.{frame.f_code.co_qualname}"
            self.found.append(Import(name, by, frame.f_lineno))

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Watch while the block runs."""
        sys.meta_path.insert(0, self)
        try:
            yield
        finally:
            sys.meta_path.remove(self)

    def findings(self) -> Iterator[Finding]:
        """Yield the modules that were imported, each place once, without packages on the way."""
        loaded = [found for found in self.found if found.module in sys.modules]
        places = {(found.by, found.line) for found in loaded}
        for by, line in sorted(places):
            names = [found.module for found in loaded if (found.by, found.line) == (by, line)]
            ends = [name for name in names if not any(n.startswith(f"{name}.") for n in names)]
            yield warning(
                CHECK,
                f"{', '.join(dict.fromkeys(ends))} (module)",
                f"A request imported it, in {by}, line {line}. The first visitor of each worker "
                "waits for it. If the module fails to load, the request fails.",
                "Import it at the top of the factory's module.",
            )


@dataclass(frozen=True, slots=True)
class Exit:
    """A function that was left for the end of the process."""

    function: Callable[..., Any]
    arguments: tuple[Any, ...]
    options: dict[str, Any]


@dataclass(slots=True)
class ExitWatcher:
    """Notes what is given to ``atexit.register``: the collector does not see it there."""

    left: list[Exit] = field(default_factory=list)

    def install(self) -> None:
        """Stand in for ``atexit.register`` from now on; this process is the doctor's own."""
        register, unregister = atexit.register, atexit.unregister

        def note(function: Callable[..., Any], /, *arguments: Any, **options: Any) -> Any:
            self.left.append(Exit(function, arguments, options))
            return register(function, *arguments, **options)

        def forget(function: Callable[..., Any], /) -> None:
            self.left[:] = [exit_ for exit_ in self.left if exit_.function != function]
            unregister(function)

        atexit.register = note
        atexit.unregister = forget


def _importer(frame: FrameType | None) -> FrameType | None:
    """Return the frame that imports, behind those of the import system."""
    while frame is not None:
        path = frame.f_code.co_filename
        if not path.startswith("<frozen importlib") and Path(path).parent.name != "importlib":
            return frame
        frame = frame.f_back
    return None
