"""Immutable values and their rules, without input or output: tenants, placements, hosts, slugs."""
