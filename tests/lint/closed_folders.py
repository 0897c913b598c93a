"""A mypy plugin: refuse the questions of ``pathlib`` that take a closed folder for an empty one.

From Python 3.14 on, ``Path.exists()`` and its kind answer ``False`` where they raised before: in a
folder that may not be searched, on a disk that fails. ruff cannot ban methods, and only types tell
``path.exists()`` from ``database.exists()``.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mypy.errorcodes import ErrorCode
from mypy.plugin import MethodContext, Plugin

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy.types import Type

REFUSED = frozenset(
    f"pathlib.Path.{name}" for name in ("exists", "is_file", "is_dir", "is_symlink")
)
FREE = (Path("tests"), Path("bench"))
"""Where a closed folder is a fault in the set-up, and nobody is told that a database is lost."""
CODE = ErrorCode("closed-folder", "Ask tenantry.files.disk instead of pathlib", "Tenantry")


class ClosedFolders(Plugin):
    """Tells mypy about the rule."""

    def get_method_hook(self, fullname: str) -> Callable[[MethodContext], Type] | None:
        """Look at each call of a refused method."""
        return _refuse if fullname in REFUSED else None


def _refuse(context: MethodContext) -> Type:
    path = Path(context.api.path)
    if not any(path.is_relative_to(folder) for folder in FREE):
        problem = "a closed folder would look empty; ask tenantry.files.disk instead"
        context.api.fail(problem, context.context, code=CODE)
    return context.default_return_type


def plugin(_version: str) -> type[Plugin]:
    """Return the plugin, as mypy asks for it."""
    return ClosedFolders
