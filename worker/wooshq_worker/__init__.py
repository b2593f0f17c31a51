"""
The worker and the command line: take, render, deliver, settle; retries and the keeper.

Imports point to the left (a contract in pyproject.toml holds it):

    observe ← ledger_client ← api ← intents, jobs ← keeper ← process ← cli, in_process
"""
