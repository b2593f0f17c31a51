"""The span of a request to our HTTP API: a child of the caller's, whose `traceparent` it reads, and the parent of what is accepted in it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Final

from opentelemetry import context
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, Tracer, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

_READ: Final = TraceContextTextMapPropagator()
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class RequestSpans:
    """Made once in a process that serves."""

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer

    @contextmanager
    def request(self, method: str, route: str, headers: Iterable[tuple[bytes, bytes]]) -> Iterator[Answered]:
        """The span of a request, as the current one of this task. route: the path with its parameters' names, never their values."""
        carrier = {name.decode("latin-1"): value.decode("latin-1") for name, value in headers if name in (b"traceparent", b"tracestate")}
        method = method if method in _METHODS else "_OTHER"
        span = self._tracer.start_span(
            f"{method} {route}",
            context=_READ.extract(carrier),
            kind=SpanKind.SERVER,
            attributes={"http.request.method": method, "http.route": route, "url.scheme": "http"},
        )
        token = context.attach(set_span_in_context(span))
        try:
            yield Answered(span)
        except BaseException as error:
            if isinstance(error, Exception):
                span.set_attribute("error.type", f"{type(error).__module__}.{type(error).__qualname__}")  # its message may be personal
                span.set_status(Status(StatusCode.ERROR))
            raise
        finally:
            context.detach(token)
            span.end()


class Answered:
    """Takes the answer's status."""

    def __init__(self, span: Span) -> None:
        self._span = span

    def with_status(self, status: int) -> None:
        """The answer is this one."""
        self._span.set_attribute("http.response.status_code", status)
        if status >= 500:
            self._span.set_attribute("error.type", str(status))
            self._span.set_status(Status(StatusCode.ERROR))
