<<<<<<< HEAD
"""The ledger: the record of every intent, kept in Redis. Only what asks Redis, and what its answers mean, may live here."""
=======
"""The ledger, the record of every intent in Redis: its keys, state machines and scripts, and the steps that call them. No rule of a caller."""
>>>>>>> 58a5356 (Say where everything is: CONTRIBUTING.md, and docs/architecture.md with a map and diagrams that are written by the code)
