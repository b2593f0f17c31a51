"""The worker's own code, run in the process of an app on a ledger in memory: for the test kit, and for development without a Redis."""

from wooshq_worker.in_process.submit import take_submit

__all__ = ["take_submit"]
