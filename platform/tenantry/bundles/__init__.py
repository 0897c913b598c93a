"""Bundles: one tenant in one file, whatever kind of database it comes from or goes to.

docs/data.md describes the format. This package knows files, streams and rows; what is done with them to
tenants stands in :mod:`tenantry.lifecycle`.
"""
