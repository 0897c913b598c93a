"""Schema revisions of tenants' databases: templates for new ones, runs for existing ones."""

from tenantry.migrations.history import History, load_history
from tenantry.migrations.provision import provision_database
from tenantry.migrations.rendering import render
from tenantry.migrations.run import Options, ResumeOptions, migrate
from tenantry.migrations.upgrade import Upgrade, upgrade

__all__ = [
    "History",
    "Options",
    "ResumeOptions",
    "Upgrade",
    "load_history",
    "migrate",
    "provision_database",
    "render",
    "upgrade",
]
