"""A strict stand-in for the Messaging API v2, for the demo, for users' tests and for ours. It imports nothing else of wooshq."""

from wooshq_worker.sandbox.bad_control import BadControl
from wooshq_worker.sandbox.body.check import Limits
from wooshq_worker.sandbox.call_log import Call, Double
from wooshq_worker.sandbox.faults.fault import Fault
from wooshq_worker.sandbox.router import NOTIFY
from wooshq_worker.sandbox.server import Sandbox, SandboxThread, run_sandbox
from wooshq_worker.sandbox.stand_in import DEFAULT_TOKEN, StandIn

__all__ = [
    "DEFAULT_TOKEN",
    "NOTIFY",
    "BadControl",
    "Call",
    "Double",
    "Fault",
    "Limits",
    "Sandbox",
    "SandboxThread",
    "StandIn",
    "run_sandbox",
]
