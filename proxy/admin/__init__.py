"""What Keyclash tells over HTTP: its metrics and its health."""
