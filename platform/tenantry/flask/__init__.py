"""Flask apps and their tenants. Private: what a factory imports is in :mod:`tenantry` itself."""
