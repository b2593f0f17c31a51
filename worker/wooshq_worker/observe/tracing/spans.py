"""
The spans of a worker: `process` for an intent or a chunk from its take to its end, `POST` for each call in it, `settle` for each record.

They have the attributes of OpenTelemetry's conventions for messaging and for HTTP clients, and never a recipient, a text or a token.
A `process` is a trace of its own, with links to who accepted the message and to the send before.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final, Protocol
from urllib.parse import urlsplit

from opentelemetry.context import Context
from opentelemetry.trace import Link, Span, SpanKind, Status, StatusCode, Tracer, set_span_in_context

from wooshq.ledger.intents import Settlement
from wooshq.ledger.states import Event
from wooshq.tracing import NOT_SAMPLED, context_of, trace_of

_NO_PARENT: Final = Context()
_ERROR: Final = Status(StatusCode.ERROR)
_OUTCOMES: Final = {
    Event.ACCEPTED: "sent",
    Event.FAILED: "retrying",
    Event.HANDED_BACK: "handed_back",
    Event.GIVEN_UP: "dead",
    Event.EXPIRE: "expired",
}
_OTHER: Final = "_OTHER"
"""What the conventions want as `error.type` if there is nothing better."""


class Call(Protocol):
    """One call of the API, as `wooshq_worker.api.attempt` has it."""

    @property
    def at(self) -> datetime: ...
    @property
    def outcome(self) -> str: ...
    @property
    def http_status(self) -> int | None: ...
    @property
    def code(self) -> str | None: ...
    @property
    def latency_ms(self) -> float: ...


class Spans:
    """Made once in a worker process, and used in its event loop. Nothing here waits: ended spans are exported by a thread."""

    def __init__(self, tracer: Tracer, base_url: str, path: str) -> None:
        self._tracer = tracer
        url = urlsplit(base_url)
        self._of_a_call: dict[str, str | int] = {
            "http.request.method": "POST",
            "url.full": f"{base_url}{path}",
            "url.template": path,
            "server.address": url.hostname or "",
            "server.port": url.port or (443 if url.scheme == "https" else 80),
        }
        self._name_of_a_call = f"POST {path}"

    # One intent

    def sent(self, settlement: Settlement, began: float, calls: Sequence[Call] = ()) -> Settlement:
        """The settlement of a claim, with its span and the context of it. began: when the claim was taken, monotonic."""
        claim = settlement.claim
        if claim.trace == NOT_SAMPLED:
            return settlement
        span = self._process(claim.lane, _ns_of(began), (claim.trace, claim.traced))
        if not span.is_recording():
            return settlement
        span.set_attribute("messaging.message.id", claim.intent_id)
        span.set_attribute("wooshq.application", claim.application)
        span.set_attribute("wooshq.attempts.before", claim.attempts)
        span.set_attribute("wooshq.outcome", _OUTCOMES.get(settlement.event, str(settlement.event)))
        if settlement.event in (Event.FAILED, Event.GIVEN_UP):
            code = settlement.code or (calls[-1].code if calls else None) or _OTHER
            _fail(span, code if settlement.reason is None else str(settlement.reason))
        self._calls(span, calls)
        return replace(settlement, trace=trace_of(span.get_span_context()), span=span)

    def settled(self, group: Sequence[Settlement], written: Sequence[bool], asked_at: float) -> None:
        """A group of settlements is in the ledger. asked_at: monotonic. written: False where another worker has the intent."""
        spans = [(one.span, is_written) for one, is_written in zip(group, written, strict=True) if isinstance(one.span, Span)]
        if not spans:
            return
        lanes = {one.claim.lane for one in group}
        self._settle(lanes.pop() if len(lanes) == 1 else "", len(group), asked_at, [span for span, _ in spans])
        for span, is_written in spans:
            if not is_written:
                _fail(span, "lease_ended")
            span.end()

    def dropped(self, settlement: Settlement) -> None:
        """A settlement that cannot be written, by a bug."""
        if isinstance(settlement.span, Span):
            _fail(settlement.span, _OTHER)
            settlement.span.end()

    # A chunk of a job

    def chunk(self, job_id: str, number: int, application: str, trace: str, began: float) -> ChunkSpan | None:
        """The span of a chunk that was taken; None if its trace is not recorded. trace: of the job. began: monotonic."""
        if trace == NOT_SAMPLED:
            return None
        span = self._process("bulk", _ns_of(began), (trace,))
        if not span.is_recording():
            return None
        span.set_attribute("wooshq.job.id", job_id)
        span.set_attribute("wooshq.job.chunk", number)
        span.set_attribute("wooshq.application", application)
        return ChunkSpan(self, span)

    # The spans themselves

    def _process(self, lane: str, start_ns: int, linked: Iterable[str]) -> Span:
        links = [Link(context) for kept in linked if (context := context_of(kept)) is not None]
        return self._tracer.start_span(
            f"process {lane}",
            context=_NO_PARENT,
            kind=SpanKind.CONSUMER,
            attributes=_messaging("process", lane),
            links=links,
            start_time=start_ns,
        )

    def _calls(self, parent: Span, calls: Sequence[Call], size: int | None = None) -> None:
        context = set_span_in_context(parent, _NO_PARENT)
        for n, call in enumerate(calls):
            start_ns = int(call.at.timestamp() * 1e9)
            span = self._tracer.start_span(
                self._name_of_a_call, context=context, kind=SpanKind.CLIENT, attributes=self._of_a_call, start_time=start_ns
            )
            span.set_attribute("wooshq.verdict", call.outcome)
            if size is not None:
                span.set_attribute("wooshq.recipients", size)
            if n:
                span.set_attribute("http.request.resend_count", n)
            if call.http_status is not None:
                span.set_attribute("http.response.status_code", call.http_status)
            if call.code is not None:
                span.set_attribute("wooshq.code", call.code)
            if call.outcome != "sent":
                status = call.http_status
                _fail(span, str(status) if status is not None and status >= 400 else call.code or _OTHER)
            span.end(start_ns + int(call.latency_ms * 1e6))

    def _settle(self, lane: str, n: int, asked_at: float, ended: Sequence[Span], parent: Span | None = None) -> None:
        self._tracer.start_span(
            f"settle {lane}".strip(),
            context=_NO_PARENT if parent is None else set_span_in_context(parent, _NO_PARENT),
            kind=SpanKind.CLIENT,
            attributes={**_messaging("settle", lane), "messaging.batch.message_count": n},
            links=[Link(span.get_span_context()) for span in ended],
            start_time=_ns_of(asked_at),
        ).end()


class ChunkSpan:
    """The span of a chunk while this worker holds it. trace: its context, for the letters of its recipients."""

    def __init__(self, spans: Spans, span: Span) -> None:
        self._spans = spans
        self._span = span
        self.trace = trace_of(span.get_span_context())

    def called(self, calls: Sequence[Call], size: int) -> None:
        """One call for `size` recipients, with its short retries, has ended."""
        self._spans._calls(self._span, calls, size)

    def recorded(self, n: int, asked_at: float) -> None:
        """What became of `n` recipients is in the ledger. asked_at: monotonic."""
        self._spans._settle("bulk", n, asked_at, (), self._span)

    def ended(self, held: str, *, lost: bool) -> None:
        """This worker does not hold the chunk any more. held: why it gave it back; '' if its recipients have ended."""
        if held:
            self._span.set_attribute("wooshq.held", held)
        if lost:
            _fail(self._span, "lease_ended")
        self._span.end()


def _messaging(operation: str, lane: str) -> dict[str, str]:
    of_a_lane = {"messaging.destination.name": lane} if lane else {}
    return {"messaging.system": "wooshq", "messaging.operation.name": operation, "messaging.operation.type": operation, **of_a_lane}


def _fail(span: Span, kind: str) -> None:
    span.set_attribute("error.type", kind)
    span.set_status(_ERROR)


def _ns_of(monotonic: float) -> int:
    """A moment of this process, in ns since the epoch."""
    return time.time_ns() - int((time.monotonic() - monotonic) * 1e9)
