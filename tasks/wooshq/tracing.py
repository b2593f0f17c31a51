"""
Spans of what a producer does, by OpenTelemetry's conventions for messaging. Nothing of OpenTelemetry is imported unless `WOOSHQ_TRACING` is set.

Only its API is used: who has an SDK in the app sees the spans, and decides where they go. The context of a span is kept in the ledger beside
the message, so that the spans of a worker have a link to it.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Protocol

from wooshq.settings import Settings

if TYPE_CHECKING:
    from opentelemetry.trace import SpanContext, Tracer

log = logging.getLogger("wooshq.tracing")

NOT_SAMPLED: Final = "-"
"""In place of a context: the producer's trace is not recorded, so a worker need not record its part."""
_MOST_STATE: Final = 512
"""Characters of a `tracestate`: as many as everyone must pass on. A longer one is left out."""


class Accepting(Protocol):
    """A span while something is accepted. trace: its context, as the ledger keeps it; '' if there is none."""

    trace: str

    def __enter__(self) -> Accepting: ...
    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None: ...

    def note(self, **attributes: str | int) -> None:
        """Add what is known by now. A name has `_` for `.`: `messaging_message_id`, or `job_id` for `wooshq.job.id`."""


class _Off:
    """Tracing is off."""

    trace = ""

    def __enter__(self) -> _Off:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        return None

    def note(self, **attributes: str | int) -> None:
        return None


_off: Final = _Off()


def accepting(settings: Settings, lane: str = "", *, n: int | None = None, after: str = "") -> Accepting:
    """
    The span of an accept: a context manager. lane: '' if there are several. n: how many messages, if they are a batch. after: the context
    of an earlier send, which the span gets a link to.

    It never raises, and never waits. Its parent is the current span of the app.
    """
    if not settings.tracing:
        return _off
    try:
        return _Accepting(lane, n, after)
    except ImportError:
        _say_once("opentelemetry-api is not installed, so there are no spans: pip install 'wooshq[otel]'")
    except Exception as error:  # a span must not cost a message
        _say_once(f"a span could not be made ({type(error).__name__})")
    return _off


class _Accepting:
    def __init__(self, lane: str, n: int | None, after: str) -> None:
        from opentelemetry.trace import Link, SpanKind  # an extra

        attributes: dict[str, str | int] = {
            "messaging.system": "wooshq",
            "messaging.operation.name": "accept",
            "messaging.operation.type": "send",
        }
        if lane:
            attributes["messaging.destination.name"] = lane
        if n is not None:
            attributes["messaging.batch.message_count"] = n
        links = [Link(found)] if (found := context_of(after)) is not None else []
        name = f"accept {lane}".strip()
        self._span = tracer().start_span(name, kind=SpanKind.PRODUCER, attributes=attributes, links=links)
        self.trace = trace_of(self._span.get_span_context())

    def __enter__(self) -> _Accepting:
        return self

    def note(self, **attributes: str | int) -> None:
        for name, value in attributes.items():
            known = name.startswith("messaging_")
            self._span.set_attribute(_NAMES[name] if known else f"wooshq.{name.replace('_', '.')}", value)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        try:
            if kind is not None and issubclass(kind, Exception):
                from opentelemetry.trace import Status, StatusCode

                self._span.set_attribute("error.type", f"{kind.__module__}.{kind.__qualname__}")  # its message may be personal
                self._span.set_status(Status(StatusCode.ERROR))
            self._span.end()
        except Exception as failed:
            _say_once(f"a span could not be ended ({type(failed).__name__})")


_NAMES: Final = {
    "messaging_message_id": "messaging.message.id",
    "messaging_batch_message_count": "messaging.batch.message_count",
    "messaging_destination_name": "messaging.destination.name",
}

_known: tuple[Any, Tracer] | None = None


def tracer() -> Tracer:
    """Of the provider that the process has now: an app that forks may set another one in each child."""
    global _known
    from opentelemetry import trace

    provider = trace.get_tracer_provider()
    if _known is None or _known[0] is not provider:
        _known = (provider, provider.get_tracer("wooshq"))
    return _known[1]


def trace_of(context: SpanContext) -> str:
    """A context as the ledger keeps it: `traceparent`, then a blank and `tracestate` if there is one. '' for none."""
    if not context.is_valid:
        return ""
    if not context.trace_flags.sampled:
        return NOT_SAMPLED
    parent = f"00-{context.trace_id:032x}-{context.span_id:016x}-{int(context.trace_flags):02x}"
    state = context.trace_state.to_header() if context.trace_state else ""
    return f"{parent} {state}" if 0 < len(state) <= _MOST_STATE and state.isascii() and state.isprintable() else parent


def context_of(kept: str) -> SpanContext | None:
    """The context that the ledger keeps; None for none, or for what cannot be read."""
    if len(kept) < 55:  # '', NOT_SAMPLED
        return None
    from opentelemetry.trace import SpanContext, TraceFlags, TraceState

    parent, _, state = kept.partition(" ")
    try:
        _, trace_id, span_id, flags = parent.split("-")
        trace_state = TraceState.from_header([state]) if state else None
        found = SpanContext(
            int(trace_id, 16), int(span_id, 16), is_remote=True, trace_flags=TraceFlags(int(flags, 16)), trace_state=trace_state
        )
    except ValueError:
        return None
    return found if found.is_valid else None


def trace_id_of(kept: str) -> str:
    """The trace's id in a context that the ledger keeps; '' for none. Needs nothing of OpenTelemetry."""
    return kept[3:35]


def same_lane(lanes: Iterable[str]) -> str:
    """The lane of a batch; '' if it has several."""
    found = set(lanes)
    return found.pop() if len(found) == 1 else ""


_said: set[str] = set()


def _say_once(what: str) -> None:
    if what not in _said:
        _said.add(what)
        log.warning("tracing: %s", what)
