"""The test kit for apps that use wooshq: an outbox in memory, assertions about it, and fixtures for pytest. Importing it changes nothing."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wooshq.testing.assertions import assert_enqueued, refute_enqueued
    from wooshq.testing.cases import OutboxMixin
    from wooshq.testing.enqueued import Enqueued
    from wooshq.testing.outboxes import APPLICATION, TOKEN, Outbox, outbox
    from wooshq.testing.sandboxes import sandbox
    from wooshq_worker.in_process import SandboxOfTest

__all__ = [
    "APPLICATION",
    "TOKEN",
    "Enqueued",
    "Outbox",
    "OutboxMixin",
    "SandboxOfTest",
    "assert_enqueued",
    "outbox",
    "refute_enqueued",
    "sandbox",
]

_MODULES = {
    "APPLICATION": "wooshq.testing.outboxes",
    "TOKEN": "wooshq.testing.outboxes",
    "Enqueued": "wooshq.testing.enqueued",
    "Outbox": "wooshq.testing.outboxes",
    "OutboxMixin": "wooshq.testing.cases",
    "SandboxOfTest": "wooshq_worker.in_process",
    "assert_enqueued": "wooshq.testing.assertions",
    "outbox": "wooshq.testing.outboxes",
    "refute_enqueued": "wooshq.testing.assertions",
    "sandbox": "wooshq.testing.sandboxes",
}


def __getattr__(name: str) -> Any:
    """pytest loads the plugin in this package in every environment that has wooshq, so the rest is imported when a test asks for it."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        module = import_module(_MODULES[name])
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("wooshq"):
            raise
        raise ModuleNotFoundError(
            f"The package {error.name} is missing. Install the extra: pip install 'wooshq[testing]'", name=error.name
        ) from error
    value = getattr(module, name)
    globals()[name] = value
    return value
