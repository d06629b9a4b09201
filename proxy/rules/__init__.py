"""Rules: what to do about the conflicts of a table, and the statements that do it."""
