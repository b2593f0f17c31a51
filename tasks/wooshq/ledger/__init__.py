"""The ledger: the record of every intent, kept in Redis. Only what asks Redis, and what its answers mean, may live here."""
