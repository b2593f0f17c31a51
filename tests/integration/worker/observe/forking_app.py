"""An app that enqueues before it forks, and then in two children, each of which has set up OpenTelemetry for itself."""

from __future__ import annotations

import os

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

import wooshq

INTENT = {"to": {"users": ["personal-user-1"]}, "message": {"push": {"title": "Hi"}}}


def main() -> None:
    """Exits with 1 if a child failed."""
    wooshq.enqueue(INTENT)
    children = [_fork(n) for n in range(2)]
    if any(os.waitpid(child, 0)[1] for child in children):
        raise SystemExit(1)


def _fork(n: int) -> int:
    if child := os.fork():
        return child
    try:
        provider = TracerProvider(resource=Resource.create({"service.name": f"child {n}"}))
        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        trace.set_tracer_provider(provider)
        wooshq.enqueue(INTENT)
        provider.shutdown()
    except BaseException:
        os._exit(1)
    os._exit(0)
