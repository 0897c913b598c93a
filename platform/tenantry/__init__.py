"""Tenantry hosts many tenant apps in one WSGI deployment.

What a factory's author imports is here, and only here; see docs/reference.md. All other modules of this
package are private. Importing the package loads nothing: each name comes from its module when it is
first asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tenantry import errors, management
    from tenantry.catalog.accounts import canonical_email
    from tenantry.catalog.values import Job, Page
    from tenantry.databases.placements import TenantDatabase
    from tenantry.databases.sqlite_connections import confine
    from tenantry.databases.sqlite_file import SiteDatabase
    from tenantry.flask.binding import current_settings, current_tenant, init_tenant, site_url
    from tenantry.flask.bodies import accept_body
    from tenantry.flask.caching import let_caches_keep
    from tenantry.flask.confirmation import ask_first
    from tenantry.flask.data import is_disk_full, provision_database, site_database, tenant_database
    from tenantry.flask.database import TenantSQLAlchemy
    from tenantry.flask.devices import describe_device, network_of
    from tenantry.flask.flyweight import Flyweight
    from tenantry.flask.interface import init_ui, request_id
    from tenantry.flask.jobs import enqueue
    from tenantry.flask.mail import send_mail
    from tenantry.flask.page_cache import page_cache
    from tenantry.flask.problems import init_problems, note_faults, prefers_json, problem
    from tenantry.flask.quotas import Quota, find_exceeded
    from tenantry.flask.security import init_security, is_local_path
    from tenantry.flask.signing_in import SignInAttempt, claim_sign_in, claim_sign_up
    from tenantry.flask.tenant_context import for_tenant
    from tenantry.jobs.definition import JobDefinition, job
    from tenantry.jobs.run import JobRefused, JobRun
    from tenantry.management import init_management
    from tenantry.security.passwords import (
        check_password,
        hash_password,
        renew_hash,
        verify_password,
    )
    from tenantry.settings import PlanLimits, Settings
    from tenantry.ui import asset_url
    from tenantry.ui.colours import Tones, accent_tones, read_accent
    from tenantry.values.tenant import Tenant, TenantState

__all__ = [
    "Flyweight",
    "Job",
    "JobDefinition",
    "JobRefused",
    "JobRun",
    "Page",
    "PlanLimits",
    "Quota",
    "Settings",
    "SignInAttempt",
    "SiteDatabase",
    "Tenant",
    "TenantDatabase",
    "TenantSQLAlchemy",
    "TenantState",
    "Tones",
    "accent_tones",
    "accept_body",
    "ask_first",
    "asset_url",
    "canonical_email",
    "check_password",
    "claim_sign_in",
    "claim_sign_up",
    "confine",
    "current_settings",
    "current_tenant",
    "describe_device",
    "enqueue",
    "errors",
    "find_exceeded",
    "for_tenant",
    "hash_password",
    "init_management",
    "init_problems",
    "init_security",
    "init_tenant",
    "init_ui",
    "is_disk_full",
    "is_local_path",
    "job",
    "let_caches_keep",
    "management",
    "network_of",
    "note_faults",
    "page_cache",
    "prefers_json",
    "problem",
    "provision_database",
    "read_accent",
    "renew_hash",
    "request_id",
    "send_mail",
    "site_database",
    "site_url",
    "tenant_database",
    "verify_password",
]

_ROOMS = {
    "tenantry.catalog.accounts": ("canonical_email",),
    "tenantry.catalog.values": ("Job", "Page"),
    "tenantry.databases.placements": ("TenantDatabase",),
    "tenantry.databases.sqlite_connections": ("confine",),
    "tenantry.databases.sqlite_file": ("SiteDatabase",),
    "tenantry.errors": ("errors",),
    "tenantry.flask.binding": ("current_settings", "current_tenant", "init_tenant", "site_url"),
    "tenantry.flask.bodies": ("accept_body",),
    "tenantry.flask.caching": ("let_caches_keep",),
    "tenantry.flask.confirmation": ("ask_first",),
    "tenantry.flask.data": (
        "is_disk_full",
        "provision_database",
        "site_database",
        "tenant_database",
    ),
    "tenantry.flask.database": ("TenantSQLAlchemy",),
    "tenantry.flask.devices": ("describe_device", "network_of"),
    "tenantry.flask.flyweight": ("Flyweight",),
    "tenantry.flask.interface": ("init_ui", "request_id"),
    "tenantry.flask.jobs": ("enqueue",),
    "tenantry.flask.mail": ("send_mail",),
    "tenantry.flask.page_cache": ("page_cache",),
    "tenantry.jobs.definition": ("JobDefinition", "job"),
    "tenantry.jobs.run": ("JobRefused", "JobRun"),
    "tenantry.management": ("init_management", "management"),
    "tenantry.flask.problems": ("init_problems", "note_faults", "prefers_json", "problem"),
    "tenantry.flask.quotas": ("Quota", "find_exceeded"),
    "tenantry.flask.security": ("init_security", "is_local_path"),
    "tenantry.flask.signing_in": ("SignInAttempt", "claim_sign_in", "claim_sign_up"),
    "tenantry.flask.tenant_context": ("for_tenant",),
    "tenantry.security.passwords": (
        "check_password",
        "hash_password",
        "renew_hash",
        "verify_password",
    ),
    "tenantry.settings": ("PlanLimits", "Settings"),
    "tenantry.ui": ("asset_url",),
    "tenantry.ui.colours": ("Tones", "accent_tones", "read_accent"),
    "tenantry.values.tenant": ("Tenant", "TenantState"),
}
_HOMES = {name: module for module, names in _ROOMS.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = import_module(_HOMES[name])
    value = getattr(home, name, home)  # two of the names are modules
    globals()[name] = value  # found at once from now on
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
