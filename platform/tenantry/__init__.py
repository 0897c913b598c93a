"""Tenantry hosts many tenant apps in one WSGI deployment."""
