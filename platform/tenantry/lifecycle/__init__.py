"""What happens to a tenant in its life: one module per operation."""

from tenantry.lifecycle.create import create_tenant
from tenantry.lifecycle.create_many import Order, create_tenants
from tenantry.lifecycle.suspend import resume_tenant, suspend_tenant

__all__ = ["Order", "create_tenant", "create_tenants", "resume_tenant", "suspend_tenant"]
