"""The worker's own code, run in the process of an app on a ledger in memory: for the test kit, and for development without a Redis."""

from wooshq_worker.in_process.draining import drain
from wooshq_worker.in_process.sandbox import SandboxOfTest
from wooshq_worker.in_process.submit import take_submit
from wooshq_worker.in_process.thread import WorkerThread

__all__ = ["SandboxOfTest", "WorkerThread", "drain", "take_submit"]
