"""Planted: a factory that never ends, and one that ends everything."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from tenantry import Tenant


def create_app(_tenant: Tenant) -> NoReturn:
    """Wait for ever."""
    threading.Event().wait()
    raise AssertionError


def create_bomb(_tenant: Tenant) -> NoReturn:
    """End the process."""
    os._exit(3)


def create_failure(_tenant: Tenant) -> NoReturn:
    """Fail."""
    raise ValueError("no such theme")
