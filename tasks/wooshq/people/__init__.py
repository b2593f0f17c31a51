"""A person who is to be forgotten: taken out of the ledger and of the history, with a count of what is left."""
