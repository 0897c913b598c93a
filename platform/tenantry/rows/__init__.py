"""Reads and writes a tenant's rows across engines.

Exports, clones, restores and relocations use it. It knows tables, rows and the two kinds of databases;
files are :mod:`tenantry.bundles`, and changes made meanwhile are :mod:`tenantry.relocation`.
"""
