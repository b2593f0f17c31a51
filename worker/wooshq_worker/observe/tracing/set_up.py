"""Tracing in a process of ours, a worker or the console: on or off, and an error that says what is missing."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

from wooshq.errors import SettingsInvalid
from wooshq.settings import Settings
from wooshq_worker.observe.tracing.endpoint import is_off

if TYPE_CHECKING:
    from wooshq_worker.observe.tracing.exporting import Exporting


def set_up(settings: Settings, service: str) -> Exporting | None:
    """None if tracing is off; then nothing of OpenTelemetry is imported. service: its name, unless a variable says another one. Raises SettingsInvalid."""
    if is_off(settings):
        return None
    if missing():
        raise SettingsInvalid("WOOSHQ_TRACING is set, and OpenTelemetry is not installed: pip install 'wooshq[otel]'")
    from wooshq_worker.observe.tracing.exporting import Exporting  # an extra

    return Exporting(service)


def missing() -> bool:
    """Whether the extra `otel` is not installed."""
    try:
        return any(find_spec(name) is None for name in ("opentelemetry.sdk.trace", "opentelemetry.exporter.otlp.proto.http"))
    except ModuleNotFoundError:
        return True
