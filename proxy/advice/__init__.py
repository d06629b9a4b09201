"""What to say about a key that is in conflict: how it is made, where to look, and which rule would help."""
