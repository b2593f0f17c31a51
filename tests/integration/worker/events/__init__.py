"""Events for the world outside: real receivers, a real ledger, real signatures."""
