"""Tests of the ledger's real scripts against a model or a table."""
