"""Relocation: copies rows from one database to another while people write to the first.

Triggers note which rows change, in the tenant's own database. A snapshot is copied, what changed
meanwhile is replayed until little is left, and the rest while nobody writes. What is done with that to
tenants stands in :mod:`tenantry.lifecycle.move`.
"""
