"""The SQL that Keyclash understands: a byte scanner and the recogniser of INSERT; pure functions on bytes."""
