"""The MySQL client/server protocol: framing, login, commands, replies. Pure functions and values, no I/O."""
