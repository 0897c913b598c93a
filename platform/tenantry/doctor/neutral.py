"""State of libraries that tenants may share, because it holds no tenant's data."""

from __future__ import annotations

import sys
import sysconfig
from pathlib import Path
from types import FunctionType, MappingProxyType, ModuleType
from typing import TYPE_CHECKING, Any

from flask import Blueprint, Config, Flask

from tenantry.doctor.parts import LRU

if TYPE_CHECKING:
    from collections.abc import Mapping

NEUTRAL: Mapping[str, str] = MappingProxyType(
    {
        "blinker.base.Signal": "its receivers are looked at by themselves",
        "blinker.base.NamedSignal": "its receivers are looked at by themselves",
        "email._policybase.Compat32": "a policy; it holds no message",
        "jinja2.utils.LRUCache": "compiled templates, by loader and name",
        "logging.Logger": "which levels are on",
        "logging.RootLogger": "which levels are on",
        "prometheus_client.metrics.Counter": "figures; labels are the author's to choose",
        "prometheus_client.metrics.Gauge": "figures; labels are the author's to choose",
        "prometheus_client.metrics.Histogram": "figures; labels are the author's to choose",
        "prometheus_client.metrics.Summary": "figures; labels are the author's to choose",
        "sqlalchemy.orm.instrumentation.ClassManager": "how a model is mapped; it is found out late",
        "sqlalchemy.orm.mapper.Mapper": "how a model is mapped; it is found out late",
        "sqlalchemy.util._collections.LRUCache": "compiled statements; values are bound anew each time",
        "sqlalchemy.orm.state.InstanceState": "of an object that is looked at itself",
        "tenantry.resources.usage.Ledger": "figures by tenant",
        "tenantry.resources.usage.Spent": "a figure of the thread",
        "werkzeug.local.LocalProxy": "leads to what is current, holds nothing",
        "werkzeug.local.Local": "context variables are looked at by themselves",
        "werkzeug.routing.matcher.StateMachineMatcher": "the rules of the URL map",
    }
)
"""Types that are not looked into, each with the reason."""

STANDARD = frozenset(sys.stdlib_module_names)
PASSING = (Config, Flask, Blueprint)
"""Types of libraries that exist to hold what the operator's code puts in."""

DOCTOR = __name__.rpartition(".")[0]


def is_neutral(value: Any) -> bool:
    """Say whether nobody need look into *value*."""
    kind = type(value)
    return f"{kind.__module__}.{kind.__qualname__}" in NEUTRAL


class Ownership:
    """Tells the operator's own code from libraries.

    :param factory: The module of the factory: its package is the operator's wherever it is
        installed.
    """

    def __init__(self, factory: str) -> None:
        self._package = factory.partition(".")[0]
        places = {sysconfig.get_path(name) for name in ("purelib", "platlib", "stdlib")}
        self._places = tuple(Path(place) for place in places)
        self._known: dict[str, bool] = {}

    def is_own_module(self, name: str) -> bool:
        """Say whether the module belongs to the operator."""
        package = name.partition(".")[0]
        if package == self._package:
            return True
        if package in STANDARD or package in {"tenantry", "__main__", ""}:
            return False
        if package not in self._known:
            self._known[package] = self._is_own_file(sys.modules.get(package))
        return self._known[package]

    def is_own(self, value: Any, inherited: bool) -> bool:  # noqa: FBT001 - a callback's shape
        """Say whether *value* is the operator's; what belongs to nobody is its holder's."""
        kind = type(value)
        if kind is FunctionType or kind is LRU:
            module = value.__module__
        elif issubclass(kind, type):
            module = type.__dict__["__dict__"].__get__(value).get("__module__")
        else:
            module = kind.__module__
            if issubclass(kind, PASSING):
                return True
        if not isinstance(module, str) or (
            module.partition(".")[0] in STANDARD and kind is not LRU
        ):
            return inherited
        return self.is_own_module(module)

    def _is_own_file(self, module: ModuleType | None) -> bool:
        file = getattr(module, "__file__", None)
        paths = [file] if file else list(getattr(module, "__path__", ()))
        return bool(paths) and not any(
            Path(path).is_relative_to(place) for path in paths for place in self._places
        )


def modules() -> list[tuple[str, ModuleType]]:
    """Return the loaded modules that can hold a tenant's state, those deeper in packages first.

    A name is then told as the module has it that made it, not as a package hands it on.
    """
    found = [
        (name, module)
        for name, module in list(sys.modules.items())
        if type(module) is ModuleType
        and name.partition(".")[0] not in STANDARD
        and name not in {"__main__", DOCTOR}
        and not name.startswith(f"{DOCTOR}.")
    ]
    return sorted(found, key=lambda pair: -pair[0].count("."))
