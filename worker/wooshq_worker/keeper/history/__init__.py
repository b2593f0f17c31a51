"""From the ledger to the history: what has ended is read, written to SQL, and then forgotten by the ledger."""
