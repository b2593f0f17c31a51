"""Metrics for Prometheus: their names, what a worker counts, what the ledger says, and how they are written."""
