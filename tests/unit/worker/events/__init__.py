"""Events for the world outside, in a worker: what needs no ledger and no receiver."""
