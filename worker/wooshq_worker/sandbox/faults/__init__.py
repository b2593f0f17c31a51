"""Faults on demand: the rules, the calls that they apply to, and the answers that the client receives."""
