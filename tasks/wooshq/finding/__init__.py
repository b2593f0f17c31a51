"""Find whatever was accepted, by a query: intents, dead letters and jobs, in the ledger and in the history. And who may have got something twice."""
