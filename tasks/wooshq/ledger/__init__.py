"""The ledger: the record of every intent, kept in Redis. Only code that asks Redis, or reads its answers, may be here."""
