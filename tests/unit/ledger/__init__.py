"""Tests of the ledger's tables, steps and scripts."""
