"""The bounded cache of instances: each tenant's app is built once, lent, retired and disposed of."""

from tenantry.pool.instances import InstancePool
from tenantry.pool.journey import build_step
from tenantry.pool.parts import Lease, Resident
from tenantry.pool.reports import BuildReport, FailureReport, PoolStats

__all__ = [
    "BuildReport",
    "FailureReport",
    "InstancePool",
    "Lease",
    "PoolStats",
    "Resident",
    "build_step",
]
