"""What a worker counts: with few values of each label, and as Prometheus reads it."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families as read_text

from wooshq.ledger.intents import Claim, Settlement
from wooshq.ledger.states import Event
from wooshq_worker.api.attempt import Attempt
from wooshq_worker.observe.metrics import names
from wooshq_worker.observe.metrics.families import Histogram, exposition, histogram
from wooshq_worker.observe.metrics.measures import Recorder

OPENMETRICS = "application/openmetrics-text; version=1.0.0"


def settled(event: Event = Event.ACCEPTED, *, intent_id: str = "i1", application: str = "AAAAA-BBBBB", **call: Any) -> Settlement:
    """One that was accepted a second ago, and whose only call took 30 ms."""
    claim = Claim(intent_id, "token", "{}", 1, "bulk", application, int(time.time() * 1000) - 1000, None, 1, 0, 0, 0)
    return Settlement(claim, event, [{"outcome": "sent", "code": None, "latency_ms": 30.0, **call}])


def attempt(latency_ms: float) -> Attempt:
    """A call of a job that was sent."""
    return Attempt(datetime.now(UTC), "sent", 200, None, latency_ms, None)


def samples(recorder: Recorder, name: str) -> dict[tuple[str, ...], float]:
    """The values of the samples of this name, by the labels' values in the order of the labels' names."""
    text = exposition(recorder.families())[0].decode()
    found = [sample for family in read_text(text) for sample in family.samples if sample.name == name]
    return {tuple(value for _, value in sorted(sample.labels.items())): sample.value for sample in found}


class WhenAGroupIsSettled:
    def test_its_calls_are_counted_by_verdict_and_code(self) -> None:
        recorder = Recorder()
        recorder.settled([settled(), settled(Event.FAILED, outcome="retry", code="UNAVAILABLE")], [True, True], 0.002)
        assert samples(recorder, "wooshq_calls_total") == {
            ("OK", "bulk", "sent"): 1,
            ("OK", "transactional", "sent"): 0,
            ("UNAVAILABLE", "bulk", "retry"): 1,
        }
        assert samples(recorder, "wooshq_application_calls_total") == {("AAAAA-BBBBB", "sent"): 1, ("AAAAA-BBBBB", "retry"): 1}
        assert samples(recorder, "wooshq_settled_total")["accepted", "bulk"] == 1
        assert samples(recorder, "wooshq_settle_seconds_count") == {(): 1}

    def test_its_way_is_measured_from_accept_to_sent_and_only_of_what_was_sent(self) -> None:
        recorder = Recorder()
        recorder.taken("bulk", 2, 0.001, int(time.time() * 1000) + 60_000)  # the ledger's clock is a minute ahead
        recorder.settled([settled(), settled(Event.GIVEN_UP)], [True, True], 0.002)
        (took,) = [value for labels, value in samples(recorder, "wooshq_accept_to_sent_seconds_sum").items() if labels == ("bulk",)]
        assert 60 < took < 70
        assert samples(recorder, "wooshq_accept_to_sent_seconds_count")["bulk",] == 1

    def test_one_that_another_worker_has_is_late_although_its_call_was_made(self) -> None:
        recorder = Recorder()
        recorder.settled([settled()], [False], 0.002)
        assert samples(recorder, "wooshq_settled_late_total") == {(): 1}
        assert samples(recorder, "wooshq_settled_total")["accepted", "bulk"] == 0
        assert samples(recorder, "wooshq_calls_total")["OK", "bulk", "sent"] == 1


class WhenThereAreManyValues:
    def test_applications_beyond_the_most_are_counted_together(self) -> None:
        recorder = Recorder()
        recorder.settled([settled(application=f"A{n}") for n in range(names.MOST_APPLICATIONS + 5)], [True] * 25, 0.0)
        found = samples(recorder, "wooshq_application_calls_total")
        assert len(found) == names.MOST_APPLICATIONS + 1
        assert found[names.OTHER, "sent"] == 5

    def test_codes_beyond_the_most_and_what_is_no_code_are_counted_together(self) -> None:
        recorder = Recorder()
        codes = ["+4912345678", *(f"HTTP_{n}" for n in range(names.MOST_CODES + 3))]
        recorder.settled([settled(Event.FAILED, outcome="retry", code=code) for code in codes], [True] * len(codes), 0.0)
        found = samples(recorder, "wooshq_calls_total")
        assert found[names.OTHER, "bulk", "retry"] == 4
        assert not any("+49" in code for code, *_ in found)

    def test_memory_is_bounded(self) -> None:
        recorder = Recorder()
        many = [settled(application=f"A{n}") for n in range(6_000)]
        recorder.settled(many, [True] * len(many), 0.0)
        assert len(recorder._calls) == 5_001
        assert samples(recorder, "wooshq_calls_total")["OK", "bulk", "sent"] == 5_000
        assert samples(recorder, "wooshq_calls_total")[names.OTHER, "bulk", "sent"] == 1_000


class WhenItIsWritten:
    def test_an_exemplar_names_the_trace_too_if_it_is_recorded(self) -> None:
        recorder = Recorder()
        trace = f"00-{'a' * 32}-{'b' * 16}-01"
        recorder.settled([replace(settled(), trace=trace)], [True], 0.002)
        recorder.called("transactional", "AAAAA-BBBBB", [attempt(30.0)], trace)
        recorder.called("transactional", "AAAAA-BBBBB", [attempt(9000.0)])
        text = exposition(recorder.families(), OPENMETRICS)[0].decode()
        found = {
            (sample.name, sample.labels["lane"], tuple(sample.exemplar.labels.items()))
            for family in read_openmetrics(text)
            for sample in family.samples
            if sample.exemplar
        }
        of_an_intent = (("intent_id", "i1"), ("trace_id", "a" * 32))
        assert found == {
            ("wooshq_call_seconds_bucket", "bulk", of_an_intent),
            ("wooshq_accept_to_sent_seconds_bucket", "bulk", of_an_intent),
            ("wooshq_call_seconds_bucket", "transactional", (("trace_id", "a" * 32),)),
        }

    def test_openmetrics_has_the_ids_of_intents_as_exemplars(self) -> None:
        recorder = Recorder()
        recorder.settled([settled(intent_id="i6"), settled(intent_id="i7", latency_ms=31.0)], [True, True], 0.0)  # the slowest of a group
        recorder.settled([settled(intent_id="x" * 200, latency_ms=999.0)], [True], 0.0)
        body, content_type = exposition(recorder.families(), OPENMETRICS)
        assert content_type.startswith("application/openmetrics-text")
        exemplars = [
            (sample.name, sample.exemplar.labels)
            for family in read_openmetrics(body.decode())
            for sample in family.samples
            if sample.exemplar
        ]
        assert ("wooshq_call_seconds_bucket", {"intent_id": "i7"}) in exemplars
        assert not any("xxx" in labels["intent_id"] for _, labels in exemplars)  # too long for OpenMetrics

    def test_every_metric_of_the_table_that_the_recorder_counts_has_its_name_type_and_labels(self) -> None:
        recorder = Recorder()
        recorder.settled([settled()], [True], 0.0)
        recorder.recorded({"sent": 1})
        known = {metric.name.removesuffix("_total"): metric for metric in names.OF_A_WORKER}
        for family in recorder.families():
            metric = known[family.name]
            assert (family.type, family.documentation) == (metric.kind, metric.help)
            assert {name for sample in family.samples for name in sample.labels} - {"le"} == set(metric.labels)

    def test_the_buckets_of_a_histogram_are_cumulative(self) -> None:
        counted = Histogram(names.TAKE_SECONDS)
        for value in (0.0005, 0.001, 0.002, 60.0):
            counted.add(value)
        counts = [sample.value for sample in histogram(names.TAKE_SECONDS, {(): counted}).samples if sample.name.endswith("_bucket")]
        assert counts[:2] == [2, 3]
        assert counts[-2:] == [3, 4]


def test_no_two_metrics_have_names_that_openmetrics_confuses() -> None:
    found = [metric.name.removesuffix("_total") for metric in (*names.OF_A_WORKER, *names.OF_THE_LEDGER)]
    assert len(set(found)) == len(found)
    assert all(metric.name.startswith("wooshq_") and metric.help.endswith(".") for metric in (*names.OF_A_WORKER, *names.OF_THE_LEDGER))
    assert all(metric.name.endswith("_total") == (metric.kind == "counter") for metric in (*names.OF_A_WORKER, *names.OF_THE_LEDGER))
