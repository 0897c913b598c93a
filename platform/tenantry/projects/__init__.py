"""Projects of those who write factories: a new one, and one that was there before Tenantry."""
