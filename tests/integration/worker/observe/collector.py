"""A collector of OpenTelemetry in the test's own process: it speaks OTLP over HTTP with protobuf, as every collector does."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest, ExportTraceServiceResponse
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.trace.v1 import trace_pb2
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.sampling import Sampler

KINDS = {1: "internal", 2: "server", 3: "client", 4: "producer", 5: "consumer"}


@dataclass(frozen=True)
class Span:
    """A span as it arrived. parent: '' for the root of a trace. links: (trace id, span id) of each. service: of the process that made it."""

    name: str
    kind: str
    trace_id: str
    span_id: str
    parent: str
    links: tuple[tuple[str, str], ...]
    attributes: dict[str, Any]
    is_error: bool
    took_s: float
    service: str

    @property
    def id(self) -> tuple[str, str]:
        """As a link names it."""
        return self.trace_id, self.span_id


class Collector:
    """Takes spans until it is closed. raw: the bodies of the requests, uncompressed."""

    def __init__(self, port: int = 0) -> None:
        self.spans: list[Span] = []
        self.raw: list[bytes] = []
        self._http = _Http(("127.0.0.1", port), _Handler)
        self._http.collector = self
        self.url = f"http://127.0.0.1:{self._http.server_port}"
        threading.Thread(target=self._http.serve_forever, daemon=True).start()

    def take(self, body: bytes) -> None:
        """The body of a request."""
        request = ExportTraceServiceRequest.FromString(body)
        self.raw.append(body)
        for of_a_resource in request.resource_spans:
            service = {one.key: _value(one.value) for one in of_a_resource.resource.attributes}["service.name"]
            for of_a_scope in of_a_resource.scope_spans:
                self.spans += [_span(one, service) for one in of_a_scope.spans]

    def named(self, name: str) -> list[Span]:
        """The spans of this name, in the order in which they ended."""
        return [span for span in self.spans if span.name == name]

    def children_of(self, parent: Span) -> list[Span]:
        """The spans below another one."""
        return [span for span in self.spans if (span.trace_id, span.parent) == parent.id]

    def close(self) -> None:
        """Take no more."""
        self._http.shutdown()
        self._http.server_close()


class _Http(ThreadingHTTPServer):
    daemon_threads = True
    collector: Collector


class _Handler(BaseHTTPRequestHandler):
    server: _Http

    def do_POST(self) -> None:
        assert (self.path, self.headers["Content-Type"]) == ("/v1/traces", "application/x-protobuf")
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.collector.take(gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body)
        answer = ExportTraceServiceResponse().SerializeToString()
        self.send_response(200)
        self.send_header("Content-Type", "application/x-protobuf")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@contextmanager
def sdk_of_the_app(collector: Collector, monkeypatch: pytest.MonkeyPatch, sampler: Sampler | None = None) -> Iterator[TracerProvider]:
    """The SDK of an app in this process. A process can set only one, so it is put into its place."""
    provider = TracerProvider(sampler, Resource.create({"service.name": "the app"}), shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter(f"{collector.url}/v1/traces", timeout=5)))
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", provider)
    yield provider
    provider.shutdown()


def _span(one: trace_pb2.Span, service: str) -> Span:
    return Span(
        one.name,
        KINDS[one.kind],
        one.trace_id.hex(),
        one.span_id.hex(),
        one.parent_span_id.hex(),
        tuple((link.trace_id.hex(), link.span_id.hex()) for link in one.links),
        {attribute.key: _value(attribute.value) for attribute in one.attributes},
        one.status.code == trace_pb2.Status.STATUS_CODE_ERROR,
        (one.end_time_unix_nano - one.start_time_unix_nano) / 1e9,
        service,
    )


def _value(value: AnyValue) -> Any:
    return getattr(value, value.WhichOneof("value") or "string_value")
