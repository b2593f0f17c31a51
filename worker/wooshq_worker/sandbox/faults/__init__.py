"""Faults on demand: what a rule says, which calls it applies to, what the client then receives."""
