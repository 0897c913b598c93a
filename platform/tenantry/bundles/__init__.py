"""Bundles: the file format of one tenant, for any kind of database.

docs/data.md describes the format. This package knows files, streams and rows; what is done with them to
tenants stands in :mod:`tenantry.lifecycle`.
"""
