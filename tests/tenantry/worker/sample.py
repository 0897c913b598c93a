"""Reports as workers send them."""

from __future__ import annotations

from typing import Any

AT = 1_732_190_000.0
ACME = "a" * 32
GLOBEX = "b" * 32
INITECH = "c" * 32


def usage(tenant: str, slug: str, **figures: float) -> dict[str, Any]:
    """Return what one tenant has cost."""
    costs = {"requests": 10, "wall": 0.3, "cpu": 0.2, "database": 0.05}
    return {"tenant": tenant, "slug": slug, **costs, **figures}


def expensive(*usages: dict[str, Any]) -> dict[str, Any]:
    """Return the part about what tenants have cost."""
    return {by: sorted(usages, key=lambda usage: -usage[by]) for by in ("wall", "cpu", "database")}


def failure(**values: Any) -> dict[str, Any]:
    """Return an instance that could not be built; an older one goes on serving."""
    return {
        "tenant": ACME,
        "slug": "acme",
        "revision": 3,
        "serving": 2,
        "problem": "ValueError: no such theme",
        "error_id": "ab12cd34",
        "attempts": 2,
        "retry_in": 1.7,
        "at": AT,
        **values,
    }


def report(*, pid: int = 1234, worker: int = 1, **parts: Any) -> dict[str, Any]:
    """Return the report of a worker that has had some work."""
    return {
        "pid": pid,
        "worker": worker,
        "version": "0.1.0",
        "started_at": AT,
        "threads": 9,
        "pool": {
            "instances": 3,
            "leases": 1,
            "builds_running": 0,
            "waiting": 0,
            "queued": 0,
            "backing_off": 1,
            "hits": 10,
            "builds": 4,
            "failures": 1,
            "timeouts": 0,
            "refusals": 0,
            "busy": 0,
            "evictions": 0,
            "retirements": 0,
            "disposals": 1,
        },
        "budget": {
            "instances": [3, 10_000],
            "memory_mb": [81.2, 768],
            "connections": [2, 200],
            "descriptors": [31, 16_000],
        },
        "failures": [failure()],
        "slowest_builds": [
            {
                "tenant": ACME,
                "slug": "acme",
                "revision": 1,
                "at": AT,
                "seconds": 0.046,
                "steps": [["thread", 0.0001], ["factory", 0.045], ["probe", 0.001]],
            }
        ],
        "expensive": expensive(usage(ACME, "acme"), usage(GLOBEX, "globex", wall=0.1, cpu=0.25)),
        "leaks": [
            {"tenant": INITECH, "slug": "initech", "since": AT, "held_by": "list in module shop"}
        ],
        "gc": {"frozen": 123_456, "collections": 3, "thaws": 0, "longest_pause": 0.004},
        "traffic": [4, 3, 2, 1, 0, 0, 0, 0, 1, 2, 5500.0],
        "epoch": 41,
        "is_reachable": True,
        "limits": {"refused_tenant": 2, "refused_client": 5},
        **parts,
    }
