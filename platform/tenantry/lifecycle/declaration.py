"""What an operation on a tenant is to those who offer it: name, parameters, dry run, a way to do it.

A function that :func:`declare` marks checks what is asked for and returns it :class:`Prepared`: what
would be done in sentences, and the call that does it. Its docstring says what the operation does, and
its keyword arguments are the operation's parameters. A form or an endpoint is made of that:

.. code-block:: python

    declaration = OPERATIONS["suspend"]                 # tenantry.lifecycle.offered
    declaration.parameters                              # (Parameter("reason", str, ...),)
    prepared = declaration.prepare(operations, "acme", reason="unpaid")
    prepared.would                                      # the dry run: nothing has changed
    job = prepared.run()                                # None: it is done, as prepared.done says
"""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from functools import cached_property
from types import NoneType
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    Concatenate,
    Literal,
    ParamSpec,
    get_args,
    get_origin,
)

from tenantry.lifecycle.jobs import is_cancellable
from tenantry.values.tenant import TenantState

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from tenantry.catalog import Job, TenantRow
    from tenantry.lifecycle.operations import Operations

P = ParamSpec("P")

Choices = Literal["", "plans", "placements", "backups"]
"""What names a parameter may have that depend on the platform, or on the tenant's backups."""

EXISTING = frozenset(TenantState) - {TenantState.PROVISIONING, TenantState.DELETED}


@dataclass(frozen=True, slots=True)
class Hint:
    """What a parameter is called in a form, and what people should know about it."""

    label: str
    text: str = ""
    choices: Choices = ""


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of an operation."""

    name: str
    type: type
    """``str``, ``bool``, ``int`` or ``datetime``."""
    hint: Hint
    default: Any = None
    is_required: bool = False
    names: tuple[str, ...] = ()
    """The only values that it may have, if they are the same everywhere."""

    def find_choices(self, operations: Operations, slug: str) -> tuple[str, ...]:
        """Return the values that it may have for one tenant; none are given if any will do."""
        if self.hint.choices == "plans":
            return operations.settings.plans
        if self.hint.choices == "placements":
            return tuple(placement.name for placement in operations.settings.databases)
        if self.hint.choices == "backups":
            return operations.list_backup_names(slug)
        return self.names


@dataclass(frozen=True, slots=True)
class Prepared:
    """An operation that was checked, and may be done."""

    would: tuple[str, ...]
    """What it would do, in sentences."""
    run: Callable[[], Job | None]
    """Does it, or has a job worker do it, whose job it returns."""
    done: str = ""
    """What it has done, in a sentence, if that needs no job."""
    is_needed: bool = True
    """Whether there is anything to do: a suspended tenant need not be suspended."""


@dataclass(frozen=True)
class Declaration:
    """An operation as it is offered."""

    name: str
    title: str
    """As on a button: "Suspend"."""
    function: Callable[..., Prepared]
    states: Collection[TenantState]
    """The states in which a tenant may be for it."""
    job: str | None
    """The name of the job that does it; without one it is done at once."""
    is_typed: bool
    """Whether people type the tenant's name first, because it destroys or replaces something."""
    suits: Callable[[TenantRow], bool]
    """Whether it makes sense for a tenant in one of the states."""
    hidden: Collection[str] = ()
    """Parameters that are not offered, and have their defaults."""

    @cached_property
    def text(self) -> str:
        """What it does, in sentences for operators."""
        return " ".join(inspect.cleandoc(self.function.__doc__ or "").split())

    @cached_property
    def parameters(self) -> tuple[Parameter, ...]:
        """What it takes beside the tenant's slug, in the order of the signature."""
        names = {"Operations": object, "Prepared": Prepared}
        signature = inspect.signature(self.function, eval_str=True, locals=names)
        return tuple(
            _to_parameter(parameter)
            for parameter in signature.parameters.values()
            if parameter.kind is inspect.Parameter.KEYWORD_ONLY
            and parameter.name not in self.hidden
        )

    @property
    def is_cancellable(self) -> bool:
        """Whether it may be cancelled while it runs."""
        return self.job is not None and is_cancellable(f"operations.{self.job}")

    def is_offered(self, row: TenantRow) -> bool:
        """Say whether it is worth a button for this tenant; :meth:`prepare` says why it is not."""
        return row.purged_at is None and row.tenant.state in self.states and self.suits(row)

    def prepare(self, operations: Operations, slug: str, **arguments: Any) -> Prepared:
        """Check what is asked for; nothing changes.

        :raises TenantryError: What the operation itself would raise.
        """
        return self.function(operations, slug, **arguments)


def declare(
    title: str,
    *,
    name: str,
    states: Collection[TenantState] = EXISTING,
    job: str | None = None,
    is_typed: bool = False,
    suits: Callable[[TenantRow], bool] = lambda _: True,
) -> Callable[[Callable[Concatenate[Operations, str, P], Prepared]], Declaration]:
    """Declare an operation; see :class:`Declaration` for the arguments."""

    def mark(function: Callable[Concatenate[Operations, str, P], Prepared]) -> Declaration:
        return Declaration(name, title, function, frozenset(states), job, is_typed, suits)

    return mark


def _to_parameter(parameter: inspect.Parameter) -> Parameter:
    kind, *hints = (
        get_args(parameter.annotation)
        if get_origin(parameter.annotation) is Annotated
        else (parameter.annotation,)
    )
    names: tuple[str, ...] = ()
    if get_origin(kind) is Literal:
        kind, names = str, get_args(kind)
    elif NoneType in get_args(kind):
        (kind,) = (one for one in get_args(kind) if one is not NoneType)
    is_required = parameter.default is inspect.Parameter.empty
    label = parameter.name.replace("_", " ").capitalize()
    return Parameter(
        name=parameter.name,
        type=kind,
        hint=hints[0] if hints else Hint(label),
        default=None if is_required else parameter.default,
        is_required=is_required,
        names=names,
    )
