"""Keyclash: a MySQL proxy that sees, counts, explains and resolves duplicate-key errors."""
