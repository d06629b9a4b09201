"""Running the proxy: what belongs to one process, its log, its signals."""
