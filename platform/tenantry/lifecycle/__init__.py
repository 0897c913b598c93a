"""What happens to a tenant in its life: one module per operation."""

from tenantry.lifecycle.create import create_tenant
from tenantry.lifecycle.create_many import Order, create_tenants
from tenantry.lifecycle.export import export_tenant
from tenantry.lifecycle.import_ import import_tenant
from tenantry.lifecycle.rename import check_rename, rename_tenant
from tenantry.lifecycle.suspend import resume_tenant, suspend_tenant

__all__ = [
    "Order",
    "check_rename",
    "create_tenant",
    "create_tenants",
    "export_tenant",
    "import_tenant",
    "rename_tenant",
    "resume_tenant",
    "suspend_tenant",
]
