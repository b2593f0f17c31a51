"""The local spool: intents on this machine's disk while Redis is away, and how they get into the ledger later. Off unless `WOOSHQ_SPOOL_DIR` is set."""
