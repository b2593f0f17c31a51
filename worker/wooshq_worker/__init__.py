"""
What runs and sends: claim, render, admit, deliver, settle; retries, the keeper, the command line.

Imports point to the left (a contract in pyproject.toml holds it):

    observe ← ledger_client ← api ← intents, jobs ← keeper ← process ← cli
"""
