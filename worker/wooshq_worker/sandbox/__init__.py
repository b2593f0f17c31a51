"""A strict stand-in for the Messaging API v2: for the demo, for users' tests and for ours. `Sandbox`, `SandboxThread`, `run_sandbox`."""

from wooshq_worker.sandbox.check import Limits
from wooshq_worker.sandbox.faults import BadControl, Fault
from wooshq_worker.sandbox.record import Call, Double
from wooshq_worker.sandbox.server import Sandbox, SandboxThread, run_sandbox
from wooshq_worker.sandbox.stand_in import DEFAULT_TOKEN, NOTIFY

__all__ = ["DEFAULT_TOKEN", "NOTIFY", "BadControl", "Call", "Double", "Fault", "Limits", "Sandbox", "SandboxThread", "run_sandbox"]
