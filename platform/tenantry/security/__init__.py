"""Derived keys for each tenant and purpose, and password hashing."""
