"""A collector, and an app that has an SDK of OpenTelemetry of its own, as the producer in the process of the test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from opentelemetry.sdk.trace import TracerProvider

from tests.integration.worker.observe.collector import Collector, sdk_of_the_app
from tests.rig import Rig


@pytest.fixture
def collector() -> Iterator[Collector]:
    """Takes what the app and its workers say."""
    made = Collector()
    yield made
    made.close()


@pytest.fixture
def app_sdk(collector: Collector, monkeypatch: pytest.MonkeyPatch) -> Iterator[TracerProvider]:
    """The app's own SDK, as the app has set it up. A process can set only one, so it is put into its place."""
    with sdk_of_the_app(collector, monkeypatch) as provider:
        yield provider


@pytest.fixture
def traced(rig: Rig, app_sdk: TracerProvider, collector: Collector) -> Rig:
    """The installation of `rig`, whose workers export to the collector soon."""
    rig.env |= {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_BSP_SCHEDULE_DELAY": "50"}
    return rig
