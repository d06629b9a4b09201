"""Measures Keyclash beside other proxies, in front of one MySQL server: `python -m tests.bench --help`."""
