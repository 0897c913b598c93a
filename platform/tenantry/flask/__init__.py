"""What a factory uses: bind an app to its tenant, and the shared look and security of ours.

.. code-block:: python

    from tenantry import current_tenant, init_tenant

    def create_app(tenant: Tenant) -> Flask:
        app = Flask(__name__)
        init_tenant(app, tenant)
        ...
"""

from __future__ import annotations

from tenantry.databases.placements import TenantDatabase, tenant_database
from tenantry.databases.sqlite_file import SiteDatabase, confine, site_database
from tenantry.flask.binding import TenantBinding, current_tenant, init_platform, init_tenant
from tenantry.flask.bodies import accept_body
from tenantry.flask.caching import let_caches_keep
from tenantry.flask.confirmation import ask_first
from tenantry.flask.database import TenantSQLAlchemy
from tenantry.flask.devices import describe_device, network_of
from tenantry.flask.flyweight import Flyweight
from tenantry.flask.interface import init_ui
from tenantry.flask.problems import init_problems, note_faults, prefers_json, problem
from tenantry.flask.quotas import Quota, find_exceeded, read_quotas
from tenantry.flask.security import init_security, is_local_path
from tenantry.flask.signing_in import claim_sign_in, claim_sign_up
from tenantry.migrations import provision_database

__all__ = [
    "Flyweight",
    "Quota",
    "SiteDatabase",
    "TenantBinding",
    "TenantDatabase",
    "TenantSQLAlchemy",
    "accept_body",
    "ask_first",
    "claim_sign_in",
    "claim_sign_up",
    "confine",
    "current_tenant",
    "describe_device",
    "find_exceeded",
    "init_platform",
    "init_problems",
    "init_security",
    "init_tenant",
    "init_ui",
    "is_local_path",
    "let_caches_keep",
    "network_of",
    "note_faults",
    "prefers_json",
    "problem",
    "provision_database",
    "read_quotas",
    "site_database",
    "tenant_database",
]
