"""Where tenants' data lives."""
