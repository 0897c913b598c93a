"""Custom domains: which DNS records prove one, and what resolvers say of them."""
