"""The operations on tenants: one module each."""

from tenantry.lifecycle.create_many import Order
from tenantry.lifecycle.operations import Operations

__all__ = ["Operations", "Order"]
