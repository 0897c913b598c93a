"""Records which files tenants' code opens for writing, by Python's own audit events."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tenantry.doctor.findings import Finding, unsafe

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CHECK = "files"
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_APPEND
IGNORED = ("/dev/", "/proc/")


@dataclass(slots=True)
class FileWatcher:
    """Notes the files that are opened for writing while a tenant is at work.

    :param platform: The platform's own data folder. What it has beside tenants' folders is its own.
    :param is_own: Says whether a module is the operator's: its line is the one to name.
    """

    platform: Path
    is_own: Callable[[str], bool]
    at_work: int | None = None
    """Whose code runs now; only one tenant's does at a time."""

    written: dict[str, dict[int, str]] = field(default_factory=dict)
    """For each path the tenants that wrote it, with the place in the code."""

    def install(self) -> None:
        """Listen from now on; an audit hook cannot be removed, and this process is the doctor's."""
        sys.addaudithook(self._hear)

    @contextmanager
    def watching(self, tenant: int) -> Iterator[None]:
        """Note what the block opens as the tenant's."""
        self.at_work = tenant
        try:
            yield
        finally:
            self.at_work = None

    def findings(self) -> Iterator[Finding]:
        """Yield the files that more than one tenant wrote."""
        for path, places in sorted(self.written.items()):
            if len(places) > 1:
                place = next((place for place in places.values() if place), "")
                yield unsafe(
                    CHECK,
                    path,
                    f"Both tenants wrote it, outside their folders{f', at {place}' if place else ''}.",
                    "Put it below app.instance_path.",
                )

    def _hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self.at_work is None or event not in {"open", "sqlite3.connect"}:
            return
        name = arguments[0]
        if not isinstance(name, (str, bytes, os.PathLike)):
            return
        if event == "open" and not int(arguments[2] or 0) & WRITING:
            return
        path = self._path(os.fsdecode(name))
        if path is not None:
            places = self.written.setdefault(path, {})
            if self.at_work not in places:
                places[self.at_work] = self._place()

    def _path(self, name: str) -> str | None:
        """Return the file that is meant, if it is not the tenant's or the platform's."""
        plain = name.removeprefix("file:").partition("?")[0]
        if not plain or ":memory:" in name or plain.startswith(IGNORED) or plain.endswith(".pyc"):
            return None
        path = os.path.realpath(plain)
        return None if Path(path).is_relative_to(self.platform) else path

    def _place(self) -> str:
        """Return the line of the operator's code that opens the file."""
        frame = sys._getframe(2)  # noqa: SLF001 - the only way to see a caller
        while frame is not None:
            if self.is_own(str(frame.f_globals.get("__name__", ""))):
                return f"{frame.f_code.co_filename}:{frame.f_lineno}"
            if frame.f_back is None:
                break
            frame = frame.f_back
        return ""
