"""The way from the ledger to the history."""
