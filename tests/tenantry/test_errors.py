"""Every deliberate error, of the core and of the apps: built, shown, pickled."""

from __future__ import annotations

import pickle
import re
from importlib import import_module
from pathlib import Path
from string import Formatter
from typing import TYPE_CHECKING, get_type_hints

import pytest

import backend_app
import frontend_app
import tenantry
import tenants
from tenantry.errors import (
    BadHostError,
    CatalogError,
    CatalogUnavailableError,
    HostNotFoundError,
    PoolError,
    TenantryError,
    TooManyTriesError,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

NOT_SAID = {"redirects", "retry_after"}
"""Facts for the code that catches the error; ``retry_after`` is sent as a header of its own."""

EXAMPLES = {int: 7, bool: True, str | None: "0001", Path: Path("sites.csv"), object: "shop"}


def _import_all() -> None:
    for package in (tenantry, tenants, frontend_app, backend_app):
        folder = Path(package.__path__[0])
        for file in folder.rglob("*.py"):
            if re.search(r"^class \w+Error\(", file.read_text(), re.MULTILINE):
                names = file.relative_to(folder.parent).with_suffix("").parts
                import_module(".".join(names).removesuffix(".__init__"))


def _kinds(family: type[TenantryError] = TenantryError) -> Iterator[type[TenantryError]]:
    for kind in family.__subclasses__():
        if not kind.__module__.startswith("tests."):
            yield kind
        yield from _kinds(kind)


def _examples(kind: type[TenantryError]) -> dict[str, object]:
    """Return a value for each fact; texts have braces, which a careless template would fill."""
    examples: dict[str, object] = {}
    for name in kind.facts:
        wanted = get_type_hints(kind, localns={"Path": Path})[name]
        if wanted is str:
            examples[name] = f"{{{name}}}"
        elif wanted == tuple[str, ...]:
            examples[name] = (f"a {name}", f"another {name}")
        else:
            examples[name] = EXAMPLES[wanted]
    return examples


_import_all()
ALL = sorted(set(_kinds()), key=lambda kind: kind.__name__)
each = pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.__name__)


@each
def test_an_error_says_what_happened_to_what_and_what_helps(kind: type[TenantryError]) -> None:
    """The sentence names each fact, and the remedy stands in it or is the raising code's own words."""
    if not kind.message:
        assert kind.__subclasses__(), "only a family has no sentence"
        return
    examples = _examples(kind)
    said = str(kind(**examples))

    for name, value in examples.items():
        if name not in NOT_SAID:
            values = value if isinstance(value, tuple) else (value,)
            assert all(str(part) in said for part in values), name
    used = {name for _, name, _, _ in Formatter().parse(kind.message)}
    assert kind.remedy or used & {"problem", "remedy"}
    assert 400 <= kind.status <= 599


@each
def test_an_error_survives_another_process(kind: type[TenantryError]) -> None:
    """Workers hand errors on: pickling keeps sentence, arguments and facts."""
    error = kind(*_examples(kind).values())
    error.add_note("seen in the worker")
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301

    assert type(copy) is kind
    assert (str(copy), copy.args, vars(copy)) == (str(error), error.args, vars(error))
    assert error.args == tuple(_examples(kind).values())


def test_each_family_catches_its_own() -> None:
    """Code that catches a family, or a builtin error, goes on working."""
    assert issubclass(HostNotFoundError, (CatalogError, LookupError))
    with pytest.raises(ValueError, match="host name"):
        raise BadHostError("a b", "it has a space")
    assert {kind.__name__ for kind in ALL if not kind.message} == {
        "BuildError",
        "CatalogError",
        "PoolError",
    }


@pytest.mark.parametrize(
    ("values", "named"),
    [
        pytest.param((), {}, id="nothing"),
        pytest.param(("a",), {}, id="too few"),
        pytest.param(("a", "b", "c"), {}, id="too many"),
        pytest.param(("a", "b"), {"problem": "b"}, id="one twice"),
        pytest.param(("a", "b"), {"color": "red"}, id="unknown"),
    ],
)
def test_an_error_takes_its_facts_and_nothing_else(
    values: tuple[str, ...], named: dict[str, str]
) -> None:
    """A factory without type checks learns of a wrong call where it is made."""
    with pytest.raises(TypeError, match="BadHostError takes value, problem"):
        BadHostError(*values, **named)


def test_an_error_has_what_it_was_given() -> None:
    """Facts are attributes, by position or by name, and override what the class says."""
    error = TooManyTriesError(retry_after=1)

    assert (error.retry_after, error.args) == (1, (1,))
    assert str(error) == "Too many tries. Try again in 1 second."
    assert (PoolError("acme").retry_after, PoolError("acme").error_id) == (1, None)
    assert str(CatalogUnavailableError("refused")).startswith(
        "The catalog is not reachable: refused."
    )
