"""What a tenant's database holds."""

from __future__ import annotations

from sqlalchemy import String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from tenantry import TenantSQLAlchemy


class Base(DeclarativeBase):
    """Base of all models."""


# Shared by all tenants: models and sessions are here, the engine is the current tenant's.
db = TenantSQLAlchemy(model_class=Base)


class Note(db.Model):
    """A note that a visitor left."""

    id: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str] = mapped_column(String(200))
