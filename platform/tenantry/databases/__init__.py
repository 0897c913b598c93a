"""Tenants' databases: SQLite files and PostgreSQL schemas."""
