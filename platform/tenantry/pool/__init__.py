"""The pool: a bounded cache of instances, each built once, leased, retired and disposed of."""

from tenantry.pool.build_steps import build_step
from tenantry.pool.instance_pool import InstancePool
from tenantry.pool.lease import Lease
from tenantry.pool.reports import BuildReport, FailureReport, PoolStats

__all__ = [
    "BuildReport",
    "FailureReport",
    "InstancePool",
    "Lease",
    "PoolStats",
    "build_step",
]
