"""The demonstration: a throw-away backend, small applications that collide, and a display of what the proxy does."""
