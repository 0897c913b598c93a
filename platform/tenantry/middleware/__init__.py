"""WSGI middleware of every request: one per module."""
