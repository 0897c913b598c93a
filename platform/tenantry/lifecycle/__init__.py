"""What happens to a tenant in its life: one module per operation."""

from tenantry.lifecycle.create import create_tenant
from tenantry.lifecycle.suspend import resume_tenant, suspend_tenant

__all__ = ["create_tenant", "resume_tenant", "suspend_tenant"]
