"""Reading the definitions of tables over a connection of the proxy's own."""
