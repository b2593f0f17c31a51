"""A ledger in the memory of this process, for tests and for development. Nothing here is imported before it is used."""
