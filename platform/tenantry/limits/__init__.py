"""Rate limits: token buckets of a process, or shared by all workers of the machine."""

from __future__ import annotations

from tenantry.limits.bucket import TokenBucket
from tenantry.limits.client_rates import ClientRates
from tenantry.limits.clients import client_of
from tenantry.limits.sign_in import SignInThrottle, open_sign_in_throttle
from tenantry.limits.table import BURST_SECONDS, RateTable
from tenantry.limits.tenant_limits import UNLIMITED, TenantLimits

__all__ = [
    "BURST_SECONDS",
    "UNLIMITED",
    "ClientRates",
    "RateTable",
    "SignInThrottle",
    "TenantLimits",
    "TokenBucket",
    "client_of",
    "open_sign_in_throttle",
]
