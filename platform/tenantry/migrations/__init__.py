"""Schema revisions of tenants' databases: new ones begin at the newest, others are brought there."""

from tenantry.migrations.history import History, load_history
from tenantry.migrations.provision import provision_database
from tenantry.migrations.rendering import render
from tenantry.migrations.run import Options, ResumeOptions, migrate
from tenantry.migrations.upgrade import Upgrade, read_revision, upgrade

__all__ = [
    "History",
    "Options",
    "ResumeOptions",
    "Upgrade",
    "load_history",
    "migrate",
    "provision_database",
    "read_revision",
    "render",
    "upgrade",
]
