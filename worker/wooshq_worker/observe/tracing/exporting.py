"""
How spans reach a collector: over OTLP (HTTP, protobuf), by a thread with a bounded queue. A collector that is away costs spans, never a
message, and never time.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Sequence
from typing import Final

import structlog
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import Tracer, set_tracer_provider

from wooshq_worker.observe.tracing.endpoint import endpoint
from wooshq_worker.observe.tracing.requests import RequestSpans
from wooshq_worker.observe.tracing.sampling import LinkedSampler
from wooshq_worker.observe.tracing.spans import Spans
from wooshq_worker.observe.version import version

log = structlog.get_logger("wooshq.tracing")

FLUSH_S: Final = 2.0
"""How long the end of a process waits for the spans that are not exported yet."""
_QUEUE: Final = 2048
_TOGETHER: Final = 512
"""The defaults of OpenTelemetry's specification."""


class Exporting:
    """The provider of this process, and how many spans became what. Make it after a fork: it has a thread."""

    def __init__(self, service: str) -> None:
        """service: its name if neither `OTEL_SERVICE_NAME` nor `OTEL_RESOURCE_ATTRIBUTES` has one."""
        logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)  # a line, and a traceback, for each export and each span
        self.exported = 0
        self.failed = 0
        resource = Resource.create({SERVICE_NAME: service, "service.version": version()})
        named = os.environ.get("OTEL_SERVICE_NAME") or "service.name=" in os.environ.get("OTEL_RESOURCE_ATTRIBUTES", "")
        if named:
            resource = Resource.create({"service.version": version()})
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._provider.sampler = LinkedSampler(self._provider.sampler)
        self._processor = _Processor(self, _Counted(self, OTLPSpanExporter()))
        self._provider.add_span_processor(self._processor)
        set_tracer_provider(self._provider)

    def of_a_worker(self, base_url: str, path: str) -> Spans:
        """The spans of a worker that calls this API."""
        return Spans(self._tracer(), base_url, path)

    def of_requests(self) -> RequestSpans:
        """The spans of an HTTP server."""
        return RequestSpans(self._tracer())

    def _tracer(self) -> Tracer:
        return self._provider.get_tracer("wooshq", version())

    @property
    def dropped(self) -> int:
        """Spans that the queue had no room for."""
        return self._processor.dropped

    def end(self, within_s: float = FLUSH_S) -> None:
        """Export what waits, for at most `within_s`."""
        ending = threading.Thread(target=self._provider.shutdown, name="wooshq-spans-end", daemon=True)
        ending.start()
        ending.join(within_s)
        if ending.is_alive():
            log.warning("spans_not_exported", within_s=within_s)


class _Processor(BatchSpanProcessor):
    """
    Drops what its queue has no room for, and counts it. Spans end in one thread, the one of the event loop; another one exports them.

    The SDK drops the oldest ones instead, and says so only in the log. Its batches are at most half of the queue.
    """

    def __init__(self, counts: Exporting, exporter: SpanExporter) -> None:
        self._most = max(2, _from_variable("OTEL_BSP_MAX_QUEUE_SIZE", _QUEUE))
        together = min(self._most // 2, max(1, _from_variable("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", _TOGETHER)))
        super().__init__(exporter, max_queue_size=self._most, max_export_batch_size=together)
        self._counts = counts
        self._ended = 0
        self.dropped = 0

    def on_end(self, span: ReadableSpan) -> None:
        if span.context is None or not span.context.trace_flags.sampled:
            return
        if self._ended - self._counts.exported - self._counts.failed >= self._most:
            self.dropped += 1
            return
        self._ended += 1
        super().on_end(span)


class _Counted(SpanExporter):
    """The exporter, with its ends counted, and a line in the log when it begins to fail and when it works again."""

    def __init__(self, counts: Exporting, exporter: SpanExporter) -> None:
        self._counts = counts
        self._exporter = exporter
        self._failing_since: float | None = None

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        try:
            result = self._exporter.export(spans)
        except Exception:  # a bug of the exporter: the spans are lost, and must be counted
            log.error("spans_export_failed", exc_info=True)
            result = SpanExportResult.FAILURE
        if result is SpanExportResult.SUCCESS:
            self._counts.exported += len(spans)
            if self._failing_since is not None:
                log.info("spans_exported_again", for_s=round(time.monotonic() - self._failing_since), lost=self._counts.failed)
            self._failing_since = None
        else:
            self._counts.failed += len(spans)
            if self._failing_since is None:
                self._failing_since = time.monotonic()
                log.warning("spans_not_taken", endpoint=endpoint(), hint="spans are lost until it takes them; messages are not concerned")
        return result

    def shutdown(self) -> None:
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        return self._exporter.force_flush(timeout_millis)


def _from_variable(name: str, default: int) -> int:
    given = os.environ.get(name, "").strip()
    return int(given) if given.isdecimal() else default
