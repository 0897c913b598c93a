"""Planted: a second provision empties the database."""

from typing import TYPE_CHECKING

from flask import Flask, request

from tenantry import TenantSQLAlchemy, tenant_database

if TYPE_CHECKING:
    from tenantry import Tenant

db = TenantSQLAlchemy()


class Order(db.Model):
    """What a visitor ordered."""

    id = db.Column(db.Integer, primary_key=True)
    name = db.Column(db.String(80))


def home() -> str:
    """Take an order, and show all."""
    if request.method == "POST":
        db.session.add(Order(name=request.form["name"]))
        db.session.commit()
    orders = [order.name for order in db.session.scalars(db.select(Order))]
    return f"<form method=post><input name=name></form>{orders}"


def create_app() -> Flask:
    """Build one tenant's app."""
    app = Flask(__name__)
    db.init_app(app)
    app.add_url_rule("/", view_func=home, methods=["GET", "POST"])
    return app


def provision(tenant: "Tenant") -> None:
    """Make the tables anew."""
    tenant_database(tenant).create()
    with create_app_for(tenant).app_context():
        db.drop_all()
        db.create_all()


def create_app_for(tenant: "Tenant") -> Flask:
    """Build the app outside of the platform's own build."""
    from tenantry import init_tenant

    app = Flask(__name__)
    init_tenant(app, tenant)
    db.init_app(app)
    return app


def dispose(app: Flask) -> None:
    """Close the database."""
    db.close(app)
