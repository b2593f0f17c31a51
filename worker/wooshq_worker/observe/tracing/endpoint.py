"""Where spans go, as the variables of OpenTelemetry say. Needs nothing of OpenTelemetry."""

from __future__ import annotations

import os
from typing import Final
from urllib.parse import urlsplit

from wooshq.settings import Settings

_DEFAULT: Final = "http://localhost:4318"


def endpoint() -> str:
    """Scheme, host, port and path of the collector, for a person: without user, password and query."""
    given = os.environ.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "").strip()
    if not given:
        given = (os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT", "").strip() or _DEFAULT).rstrip("/") + "/v1/traces"
    url = urlsplit(given)
    return f"{url.scheme}://{url.netloc.rpartition('@')[2]}{url.path}"


def is_off(settings: Settings) -> bool:
    """Whether there are no spans: by our own setting, or by OpenTelemetry's."""
    return not settings.tracing or os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"
