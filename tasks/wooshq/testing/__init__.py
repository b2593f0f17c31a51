"""The test kit for apps that use wooshq: an outbox in memory, assertions about it, and fixtures for pytest. Importing it changes nothing."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wooshq.testing.assertions import assert_enqueued, refute_enqueued
    from wooshq.testing.cases import OutboxMixin
    from wooshq.testing.enqueued import Enqueued
    from wooshq.testing.outboxes import APPLICATION, Outbox, outbox

__all__ = ["APPLICATION", "Enqueued", "Outbox", "OutboxMixin", "assert_enqueued", "outbox", "refute_enqueued"]

_MODULES = {
    "assert_enqueued": "assertions",
    "refute_enqueued": "assertions",
    "OutboxMixin": "cases",
    "Enqueued": "enqueued",
    "APPLICATION": "outboxes",
    "Outbox": "outboxes",
    "outbox": "outboxes",
}


def __getattr__(name: str) -> Any:
    """pytest loads the plugin in this package in every environment that has wooshq, so the rest is imported when a test asks for it."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        module = import_module(f"{__name__}.{_MODULES[name]}")
    except ModuleNotFoundError as error:
        if error.name not in ("fakeredis", "lupa"):
            raise
        raise ModuleNotFoundError(
            f"The package {error.name} is missing. Install the extra: pip install 'wooshq[testing]'", name=error.name
        ) from error
    value = getattr(module, name)
    globals()[name] = value
    return value
