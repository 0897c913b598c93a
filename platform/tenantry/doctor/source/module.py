"""A parsed module: what its names mean, and in which function a line is."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
SCOPES = (*FUNCTIONS, ast.Lambda, ast.ClassDef)
FACTORY_NAMES = frozenset({"create_app", "make_app"})


@dataclass(slots=True, eq=False)
class Module:
    """One file of the app.

    :param name: Its dotted name, as it is imported.
    """

    path: Path
    name: str
    tree: ast.Module
    lines: list[str]
    parents: dict[ast.AST, ast.AST] = field(default_factory=dict)
    meanings: dict[str, str] = field(default_factory=dict)
    """What a name at the top of the module means: ``{"Engine": "sqlalchemy.engine.Engine"}``."""

    locals: dict[ast.AST, frozenset[str]] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path, name: str) -> Module:
        """Parse a file.

        :raises SyntaxError: It is not Python.
        :raises OSError: It cannot be read.
        """
        text = path.read_text(encoding="utf-8")
        module = cls(path, name, ast.parse(text, str(path)), text.splitlines())
        for node in ast.walk(module.tree):
            for child in ast.iter_child_nodes(node):
                module.parents[child] = node
        for node in ast.walk(module.tree):
            if not module.functions_around(node):
                module.meanings.update(_bound(node, name, is_package=path.stem == "__init__"))
        return module

    def functions_around(self, node: ast.AST) -> list[Function]:
        """Return the functions that *node* is in, the innermost first; decorators are outside."""
        found: list[Function] = []
        child, parent = node, self.parents.get(node)
        while parent is not None:
            if isinstance(parent, FUNCTIONS) and child not in parent.decorator_list:
                found.append(parent)
            child, parent = parent, self.parents.get(parent)
        return found

    def class_around(self, node: ast.AST) -> ast.ClassDef | None:
        """Return the innermost class that *node* is in."""
        parent = self.parents.get(node)
        while parent is not None and not isinstance(parent, ast.ClassDef):
            parent = self.parents.get(parent)
        return parent

    def runs_at_import(self, node: ast.AST) -> bool:
        """Say whether *node* runs when the module is imported, and not only as a program."""
        parent: ast.AST | None = node
        while parent is not None:
            if isinstance(parent, (*FUNCTIONS, ast.Lambda)) and parent is not node:
                return False
            if isinstance(parent, ast.If) and "__name__" in ast.unparse(parent.test):
                return False
            parent = self.parents.get(parent)
        return True

    def meaning(self, node: ast.AST | None) -> str:
        """Return the dotted name that an expression means at the top of its module, or nothing."""
        if isinstance(node, ast.Name):
            if self.is_local(node):
                return ""
            return self.meanings.get(node.id, "")
        if isinstance(node, ast.Attribute):
            inner = self.meaning(node.value)
            return f"{inner}.{node.attr}" if inner else ""
        return ""

    def is_local(self, name: ast.Name) -> bool:
        """Say whether a name belongs to one of the functions around it."""
        return any(name.id in self.locals_of(each) for each in self.functions_around(name))

    def locals_of(self, function: ast.AST) -> frozenset[str]:
        """Return the names that a function binds: parameters, assignments, inner functions."""
        if function not in self.locals:
            self.locals[function] = frozenset(_locals(function))
        return self.locals[function]

    def captures(self, inner: ast.AST, outer: Function) -> str | None:
        """Return a name that *inner* reads and that belongs to *outer*."""
        own = self.locals_of(inner) if isinstance(inner, FUNCTIONS) else frozenset()
        for node in ast.walk(inner):
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
                decorates = any(
                    node in ast.walk(mark) for mark in getattr(inner, "decorator_list", ())
                )
                if node.id in self.locals_of(outer) and node.id not in own and not decorates:
                    return node.id
        return None

    def builder_around(self, node: ast.AST) -> Function | None:
        """Return the function around *node* that runs for each build, if *node* runs with it.

        That is one that makes a Flask app, is named as factories are, or takes the app.
        """
        for function in self.functions_around(node):
            names = {each.arg for each in ast.walk(function.args) if isinstance(each, ast.arg)}
            if function.name in FACTORY_NAMES or "app" in names or self._makes_app(function):
                return function
        return None

    def _makes_app(self, function: Function) -> bool:
        return any(
            isinstance(node, ast.Call) and self.meaning(node.func) == "flask.Flask"
            for node in ast.walk(function)
        )


def names_tenant(node: ast.AST) -> bool:
    """Say whether an expression speaks of the tenant."""
    return any(
        "tenant" in text.lower()
        for each in ast.walk(node)
        for text in (getattr(each, "id", ""), getattr(each, "attr", ""), getattr(each, "arg", ""))
        if isinstance(text, str)
    )


def _bound(node: ast.AST, module: str, *, is_package: bool) -> Iterator[tuple[str, str]]:
    """Yield what a statement at the top of a module binds, with what it means."""
    if isinstance(node, ast.Import):
        for alias in node.names:
            first = alias.name.partition(".")[0]
            yield alias.asname or first, alias.name if alias.asname else first
    elif isinstance(node, ast.ImportFrom):
        parts = module.split(".")
        up = node.level - is_package
        base = ".".join(parts[: len(parts) - up]) if node.level else ""
        home = ".".join(part for part in (base, node.module) if part)
        for alias in node.names:
            yield alias.asname or alias.name, f"{home}.{alias.name}"
    elif isinstance(node, (*FUNCTIONS, ast.ClassDef)):
        yield node.name, f"{module}.{node.name}"
    elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
        yield node.id, f"{module}.{node.id}"


def _locals(function: ast.AST) -> Iterator[str]:
    """Yield the names that a function binds, but for those that it declares global."""
    foreign = {
        name for node in ast.walk(function) if isinstance(node, ast.Global) for name in node.names
    }
    waiting = list(ast.iter_child_nodes(function))
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            if node.id not in foreign:
                yield node.id
        elif isinstance(node, (*FUNCTIONS, ast.ClassDef)):
            yield node.name
        elif isinstance(node, ast.alias):
            yield node.asname or node.name.partition(".")[0]
        if not isinstance(node, SCOPES):
            waiting += ast.iter_child_nodes(node)
