"""A worker's resources: budget, garbage collection, usage and popularity of tenants."""
