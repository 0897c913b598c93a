"""Rules about what a build leaves in the process: registrations, apps, upgrades, loggers."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from tenantry.doctor.source.module import FACTORY_NAMES, FUNCTIONS, Module
from tenantry.doctor.source.places import Place, calls

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

UPGRADES = frozenset({"flask_migrate.upgrade", "flask_migrate.stamp", "alembic.command.upgrade"})
LOGGING = frozenset(
    {"logging.basicConfig", "logging.config.dictConfig", "logging.config.fileConfig"}
)
LISTENING = frozenset({"sqlalchemy.event.listens_for", "sqlalchemy.event.listen"})
REGISTERING = frozenset({"connect", "register", "add_job", "add_periodic_task", "schedule"})


def kept_apps(modules: Sequence[Module]) -> Iterator[Place]:
    """Apps that are taken out of ``current_app``, and then outlive the request."""
    for module, node in calls(modules):
        if not (isinstance(node.func, ast.Attribute) and node.func.attr == "_get_current_object"):
            continue
        parent = module.parents.get(node)
        if isinstance(parent, ast.Call) and ast.unparse(parent.func).endswith(
            (".send", "send_async")
        ):
            continue  # the sender of a signal: it is not kept
        if module.meaning(node.func.value) == "flask.current_app":
            yield Place(
                module,
                node.lineno,
                f"{ast.unparse(node)} keeps one tenant's app beyond the request.",
                "Hand on the tenant's id, and enter its app where the work is done.",
            )


def registrations(modules: Sequence[Module]) -> Iterator[Place]:
    """What each build registers for the process, with the app of that build in it."""
    for module in modules:
        for node in ast.walk(module.tree):
            builder = module.builder_around(node)
            if builder is None:
                continue
            if isinstance(node, FUNCTIONS):
                yield from _decorated(module, node)
            elif isinstance(node, ast.Call):
                yield from _registered(module, node)
            elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
                yield from _kept(module, node)


def _decorated(module: Module, node: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[Place]:
    outer = module.builder_around(node)
    for mark in node.decorator_list:
        inner = mark.func if isinstance(mark, ast.Call) else mark
        name = module.meaning(inner)
        if name in LISTENING and isinstance(mark, ast.Call):
            yield from _listening(module, mark)
        elif name and outer and (captured := module.captures(node, outer)):
            yield Place(
                module,
                node.lineno,
                f"Each build registers {node.name}() with {name} again, with its own {captured} in it: "
                "the last tenant's answers for all.",
                "Register it once, at the top of the module, and use current_app in it.",
            )


def _registered(module: Module, node: ast.Call) -> Iterator[Place]:
    outer = module.builder_around(node)
    name = module.meaning(node.func)
    if name in LISTENING and not isinstance(module.parents.get(node), FUNCTIONS):
        yield from _listening(module, node)
    if outer is None or not name or name.rpartition(".")[2] not in REGISTERING:
        return
    if any(word.arg == "sender" for word in node.keywords):
        return
    inner = {each.name: each for each in ast.walk(outer) if isinstance(each, FUNCTIONS)}
    for argument in node.args:
        function = inner.get(argument.id) if isinstance(argument, ast.Name) else argument
        if not isinstance(function, (*FUNCTIONS, ast.Lambda)) or function is outer:
            continue
        if captured := module.captures(function, outer):
            yield Place(
                module,
                node.lineno,
                f"Each build hands {ast.unparse(argument)} to {name}, with its own {captured} in it.",
                "Register a function of the module once, and use current_app in it.",
            )


def _listening(module: Module, call: ast.Call) -> Iterator[Place]:
    target = call.args[0] if call.args else None
    name = module.meaning(target)
    if name.rpartition(".")[2][:1].isupper():
        yield Place(
            module,
            call.lineno,
            f"Each build adds a listener to {name}, which every tenant's build and the platform "
            "itself have in common.",
            "Add it once, at the top of the module.",
        )


def _kept(module: Module, node: ast.Attribute) -> Iterator[Place]:
    """Yield an attribute of a shared object that holds something of one build."""
    statement = module.parents.get(node)
    outer = module.builder_around(node)
    name = module.meaning(node.value)
    if not name or outer is None or not isinstance(statement, ast.Assign):
        return
    if captured := module.captures(statement.value, outer):
        yield Place(
            module,
            node.lineno,
            f"Each build sets {name}.{node.attr} to its own {captured}: the last tenant's serves all.",
            "Keep it in app.extensions, and read it through current_app.",
        )


def early_apps(modules: Sequence[Module]) -> Iterator[Place]:
    """Apps that are made when their module is imported."""
    for module, node in calls(modules):
        name = module.meaning(node.func)
        is_app = name == "flask.Flask" or name.rpartition(".")[2] in FACTORY_NAMES
        if is_app and module.runs_at_import(node):
            yield Place(
                module,
                node.lineno,
                f"{ast.unparse(node)} makes an app when {module.name} is imported: it is no tenant's.",
                "Make apps inside the factory, and do not import this module from it.",
            )


def upgrades(modules: Sequence[Module]) -> Iterator[Place]:
    """Schema upgrades that run with each build, where Alembic knows one context per process."""
    for module, node in calls(modules):
        name = module.meaning(node.func)
        if name in UPGRADES and module.builder_around(node) is not None:
            yield Place(
                module,
                node.lineno,
                f"{name}() runs in every build. Two builds at once mix their databases.",
                "Remove it, and let `tenantry migrate` upgrade tenants.",
            )


def logs(modules: Sequence[Module]) -> Iterator[Place]:
    """Loggers of the process that each build changes."""
    for module, node in calls(modules):
        if module.builder_around(node) is None:
            continue
        name = module.meaning(node.func)
        text = ast.unparse(node.func)
        if name in LOGGING:
            yield Place(
                module,
                node.lineno,
                f"{name}() configures the process's loggers in every build.",
                "Remove it: the platform configures the log.",
            )
        elif text.startswith("logging.getLogger(") and text.endswith(").addHandler"):
            yield Place(
                module,
                node.lineno,
                "Each build adds a handler to a logger of the process: a line is written many times.",
                "Add it once, at the top of the module.",
            )
