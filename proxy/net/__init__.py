"""The only sockets of the data path: listener, pair of transports, TLS. Nothing here knows what an INSERT is."""
