"""Is a span recorded whose producer's is? A span with a link and without a parent is decided as a child of the linked one would be."""

from __future__ import annotations

from collections.abc import Sequence

from opentelemetry.context import Context
from opentelemetry.sdk.trace.sampling import Sampler, SamplingResult
from opentelemetry.trace import Link, NonRecordingSpan, SpanKind, TraceState, get_current_span, set_span_in_context
from opentelemetry.util.types import Attributes


class LinkedSampler(Sampler):
    """
    Asks the sampler that `OTEL_TRACES_SAMPLER` names. With `parentbased_…` a message that is recorded where it was accepted is recorded to its
    end, whatever the part of traces that is recorded: without this, 1 % of both would be both for 1 message in 10,000.
    """

    def __init__(self, asked: Sampler) -> None:
        self._asked = asked

    def should_sample(
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
        trace_state: TraceState | None = None,
    ) -> SamplingResult:
        if links and not get_current_span(parent_context).get_span_context().is_valid:
            parent_context = set_span_in_context(NonRecordingSpan(links[0].context), parent_context)
        return self._asked.should_sample(parent_context, trace_id, name, kind, attributes, links, trace_state)

    def get_description(self) -> str:
        return f"Linked({self._asked.get_description()})"
