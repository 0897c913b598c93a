"""Lets a control command return when all nodes obey it."""

from __future__ import annotations

import logging
from functools import wraps
from typing import TYPE_CHECKING, Concatenate, ParamSpec, TypeVar

from tenantry.errors import CatalogUnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable

    from tenantry.lifecycle.operations import Operations

P = ParamSpec("P")
R = TypeVar("R")

log = logging.getLogger(__name__)


def obeyed_everywhere(
    operation: Callable[Concatenate[Operations, P], R],
) -> Callable[Concatenate[Operations, P], R]:
    """Let an operation return when every live node serves what it has changed, or lost its lease."""

    @wraps(operation)
    def run(operations: Operations, /, *arguments: P.args, **named: P.kwargs) -> R:
        done = operation(operations, *arguments, **named)
        if operations.settings.is_fleet:
            catalog = operations.catalog
            try:
                catalog.nodes.wait_until_seen(catalog.changes.read_epoch())
            except CatalogUnavailableError as error:
                # What was asked for is done. Nodes that cannot reach the catalog lose their leases.
                log.warning("it is not known whether all nodes obey: %s", error)
        return done

    return run
