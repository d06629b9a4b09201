"""Duplicate-key errors: what they say, how they are counted, exposed and logged."""
