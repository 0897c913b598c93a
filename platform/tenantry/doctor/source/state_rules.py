"""Rules about state that outlives a request: containers, classes, caches, connections."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, NamedTuple

from tenantry.doctor.source.module import FUNCTIONS, Module, names_tenant
from tenantry.doctor.source.places import Place, calls

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

CONTAINERS = frozenset(
    {
        "Counter",
        "LFUCache",
        "LRUCache",
        "OrderedDict",
        "TTLCache",
        "WeakValueDictionary",
        "defaultdict",
        "deque",
        "dict",
        "list",
        "set",
    }
)

MUTATORS = frozenset(
    {
        "add",
        "append",
        "appendleft",
        "clear",
        "discard",
        "extend",
        "insert",
        "pop",
        "popitem",
        "remove",
        "setdefault",
        "update",
    }
)

KEYED = frozenset(
    {
        "add",
        "pop",
        "setdefault",
    }
)

CURRENT = frozenset(
    {
        "flask.current_app",
        "flask.g",
        "flask.request",
        "flask.session",
        "flask_login.current_user",
        "tenantry.current_tenant",
    }
)

ENGINES = frozenset(
    {
        "MySQLdb.connect",
        "psycopg.connect",
        "psycopg2.connect",
        "pymysql.connect",
        "sqlalchemy.create_engine",
        "sqlalchemy.engine_from_config",
        "sqlalchemy.ext.asyncio.create_async_engine",
    }
)

STORES = frozenset(
    {
        "memcache.Client",
        "pymemcache.Client",
        "pymemcache.client.base.Client",
        "redis.Redis",
        "redis.Redis.from_url",
        "redis.StrictRedis",
        "redis.from_url",
    }
)

CACHES = frozenset({"functools.cache", "functools.lru_cache", "cachetools.cached"})
CREATING = frozenset({"__init__", "__init_subclass__", "__new__", "__set_name__"})
"""Methods that make a class or its objects: what they set on a class is that class's own."""

KEYING = "Key it by tenant id, or store it in app.extensions."


class Container(NamedTuple):
    """Where a container is made that all tenants reach."""

    module: Module
    line: int


Rule = "Callable[[Sequence[Module]], Iterator[Place]]"


def shared_state(modules: Sequence[Module]) -> Iterator[Place]:
    """Containers and names of a module that its functions change."""
    made = dict(_module_containers(modules))
    decorators = {
        ast.unparse(mark.func if isinstance(mark, ast.Call) else mark).rpartition(".")[2]
        for module in modules
        for node in ast.walk(module.tree)
        for mark in getattr(node, "decorator_list", ())
    }
    objects = dict(_module_objects(modules))
    known: set[str] = set()
    for module in modules:
        for node in ast.walk(module.tree):
            around = module.functions_around(node)
            if not around or any(each.name in decorators for each in around):
                continue  # a decorator registers what is there when the app is imported
            changed, key = _changed(node)
            name = _class_path(module.meaning(changed), objects)
            if name in made and name not in known and not (key and names_tenant(key)):
                known.add(name)
                where = f"{module.path}:{getattr(node, 'lineno', 0)}"
                sentence = f"All tenants share {name}, and {where} changes it."
                yield Place(*made[name], sentence, KEYING)
            if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
                name = module.meaning(node.value)
                if name in objects and module.builder_around(node) is None:
                    sentence = (
                        f"{around[0].name}() sets {name}.{node.attr}, which all tenants share."
                    )
                    yield Place(module, node.lineno, sentence, KEYING)
            if isinstance(node, ast.Global):
                for each in node.names:
                    sentence = (
                        f"{around[0].name}() sets the module's {each}, which all tenants share."
                    )
                    yield Place(module, node.lineno, sentence, KEYING)


def _module_objects(modules: Sequence[Module]) -> Iterator[tuple[str, str]]:
    """Yield the objects that modules make when they are imported, with the names of their classes."""
    for module in modules:
        for node in module.tree.body:
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call):
                kind = ast.unparse(node.value.func).rpartition(".")[2]
                for target in node.targets:
                    if isinstance(target, ast.Name) and kind.lower() not in {"local", "contextvar"}:
                        yield f"{module.name}.{target.id}", module.meaning(node.value.func)


def _class_path(name: str, objects: Mapping[str, str]) -> str:
    """Return the class's attribute for an attribute of one of the module's objects."""
    owner, _, attribute = name.rpartition(".")
    return f"{objects[owner]}.{attribute}" if owner in objects else name


def _module_containers(modules: Sequence[Module]) -> Iterator[tuple[str, Container]]:
    for module in modules:
        for node in ast.walk(module.tree):
            if not isinstance(node, (ast.Assign, ast.AnnAssign)) or node.value is None:
                continue
            if not module.runs_at_import(node) or not _is_container(node.value):
                continue
            owner = module.class_around(node)
            prefix = f"{module.name}.{owner.name}" if owner else module.name
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            for target in targets:
                if isinstance(target, ast.Name):
                    yield f"{prefix}.{target.id}", Container(module, node.lineno)


def _is_container(value: ast.expr) -> bool:
    if isinstance(value, ast.Call):
        return ast.unparse(value.func).rpartition(".")[2] in CONTAINERS
    kinds = (ast.Dict, ast.List, ast.Set, ast.DictComp, ast.ListComp, ast.SetComp)
    return isinstance(value, kinds)


def _changed(node: ast.AST) -> tuple[ast.expr | None, ast.AST | None]:
    """Return the container that a statement changes, and what names the entry."""
    if isinstance(node, ast.Subscript) and isinstance(node.ctx, (ast.Store, ast.Del)):
        return node.value, node.slice
    if isinstance(node, ast.AugAssign):
        return node.target, None
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
        return None, None
    if node.func.attr not in MUTATORS:
        return None, None
    keyed = node.func.attr in KEYED and node.args
    return node.func.value, node.args[0] if keyed else node if node.func.attr == "update" else None


def class_attributes(modules: Sequence[Module]) -> Iterator[Place]:
    """Attributes of classes that functions set or fill: each build or request overwrites the last."""
    classes = {
        f"{module.name}.{node.name}"
        for module in modules
        for node in ast.walk(module.tree)
        if isinstance(node, ast.ClassDef)
    }
    made = dict(_module_containers(modules))
    for module in modules:
        for node in ast.walk(module.tree):
            around = module.functions_around(node)
            if not around or any(each.name in CREATING for each in around):
                continue
            if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
                name = module.meaning(node.value)
                own = isinstance(node.value, ast.Name) and node.value.id == "cls"
                if name in classes or own or _is_class_of(node.value):
                    yield Place(
                        module,
                        node.lineno,
                        f"{around[0].name}() sets {ast.unparse(node)}: each call overwrites the value "
                        "of all tenants.",
                        "Set it on an instance, or in app.config.",
                    )
            changed, key = _changed(node)
            owner = module.class_around(node)
            if owner is None or not isinstance(changed, ast.Attribute):
                continue
            name = f"{module.name}.{owner.name}.{changed.attr}"
            is_own = isinstance(changed.value, ast.Name) and changed.value.id in {"self", "cls"}
            is_shared = is_own and name in made and not _sets_itself(owner, changed.attr)
            if is_shared and not (key and names_tenant(key)):
                sentence = f"All objects share {name}, and line {changed.lineno} changes it."
                yield Place(*made[name], sentence, "Set it in __init__.")


def _is_class_of(node: ast.expr) -> bool:
    """Say whether an expression is the class of an object."""
    text = ast.unparse(node)
    return text.endswith(".__class__") or (text.startswith("type(") and text.endswith(")"))


def _sets_itself(owner: ast.ClassDef, attribute: str) -> bool:
    return any(
        isinstance(node, ast.Attribute)
        and isinstance(node.ctx, ast.Store)
        and node.attr == attribute
        and ast.unparse(node.value) == "self"
        for node in ast.walk(owner)
    )


def engines(modules: Sequence[Module]) -> Iterator[Place]:
    """Connections that do not come from the tenant's database."""
    for module, node in calls(modules):
        name = module.meaning(node.func)
        if name in ENGINES:
            yield Place(
                module,
                node.lineno,
                f"{name}() connects past the tenant's own database.",
                "Use Flask-SQLAlchemy, or tenantry.tenant_database(tenant).open_engine().",
            )
        elif name == "sqlite3.connect" and node.args:
            text = ast.unparse(node.args[0])
            if not any(word in text for word in ("config", "instance_path", "memory", "folder")):
                yield Place(
                    module,
                    node.lineno,
                    f"sqlite3.connect({text}) opens one file for all tenants.",
                    "Put the file below app.instance_path.",
                )


def caches(modules: Sequence[Module]) -> Iterator[Place]:
    """Caches whose keys do not name the tenant."""
    for module in modules:
        for node in ast.walk(module.tree):
            if not isinstance(node, FUNCTIONS):
                continue
            marks = [m.func if isinstance(m, ast.Call) else m for m in node.decorator_list]
            cache = next((name for mark in marks if (name := module.meaning(mark)) in CACHES), None)
            if cache is None or names_tenant(node.args):
                continue
            asked = next(
                (
                    name
                    for each in ast.walk(node)
                    if (name := module.meaning(each)) in CURRENT or name.endswith("db.session")
                ),
                None,
            )
            if asked:
                yield Place(
                    module,
                    node.lineno,
                    f"{cache} keeps the results of {node.name}() for all tenants; it reads {asked}.",
                    "Make the tenant's id an argument, or remove the cache.",
                )
    for module, node in calls(modules):
        name = module.meaning(node.func)
        if name in STORES:
            yield Place(
                module,
                node.lineno,
                f"{name}() reaches a store that all tenants share.",
                "Begin each key with the tenant's id.",
            )
