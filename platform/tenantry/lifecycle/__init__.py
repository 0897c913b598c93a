"""What happens to a tenant in its life: one module per operation, all of them behind `Operations`."""

from tenantry.lifecycle.create_many import Order
from tenantry.lifecycle.operations import Operations

__all__ = ["Operations", "Order"]
