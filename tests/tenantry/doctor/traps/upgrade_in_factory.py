"""Planted: the factory upgrades its database, where Alembic has one context for the process."""

from flask import Flask
from flask_migrate import Migrate, upgrade

from tenantry import TenantSQLAlchemy

db = TenantSQLAlchemy()
migrate = Migrate()


def create_app() -> Flask:
    """Build one tenant's app."""
    app = Flask(__name__)
    db.init_app(app)
    migrate.init_app(app, db)
    if app.config.get("UPGRADES"):
        with app.app_context():
            upgrade()  # trap
    app.add_url_rule("/", view_func=lambda: "Welcome")
    return app
