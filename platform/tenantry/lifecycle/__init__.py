"""What happens to a tenant in its life: one module per operation."""

from tenantry.lifecycle.archive import archive_tenant
from tenantry.lifecycle.create import create_tenant
from tenantry.lifecycle.create_many import Order, create_tenants
from tenantry.lifecycle.delete import check_undelete, delete_tenant, undelete_tenant
from tenantry.lifecycle.export import export_tenant
from tenantry.lifecycle.import_ import import_tenant
from tenantry.lifecycle.maintenance import begin_maintenance
from tenantry.lifecycle.move import check_drop, check_move, drop_former, move_tenant
from tenantry.lifecycle.plan import change_plan, find_unnamed_plans
from tenantry.lifecycle.purge import check_purge, purge_tenant
from tenantry.lifecycle.rename import check_rename, rename_tenant
from tenantry.lifecycle.residual_data import ResidualData, find_residual_data
from tenantry.lifecycle.suspend import resume_tenant, suspend_tenant

__all__ = [
    "Order",
    "ResidualData",
    "archive_tenant",
    "begin_maintenance",
    "change_plan",
    "check_drop",
    "check_move",
    "check_purge",
    "check_rename",
    "check_undelete",
    "create_tenant",
    "create_tenants",
    "delete_tenant",
    "drop_former",
    "export_tenant",
    "find_residual_data",
    "find_unnamed_plans",
    "import_tenant",
    "move_tenant",
    "purge_tenant",
    "rename_tenant",
    "resume_tenant",
    "suspend_tenant",
    "undelete_tenant",
]
