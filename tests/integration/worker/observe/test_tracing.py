"""What OpenTelemetry sees of a message: the whole tree of spans and their links, from a real collector's side."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, ParentBased
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, use_span
from sqlalchemy import create_engine
from sqlalchemy.orm import Session

from tests.databases import make_table
from tests.fan_outs import PERSONAL, TEMPLATE, people, personal
from tests.integration.worker.console.served import served
from tests.integration.worker.observe.collector import Collector, Span, sdk_of_the_app
from tests.rig import APPLICATION, GENEROUS_S, ROOT, TOKEN, Rig, an_intent, wait_until
from tests.stand_in import Reply, StandIn, refusal
from wooshq import Wooshq
from wooshq.outbox import enqueue_in
from wooshq.outbox.operate import OutboxRows
from wooshq.outbox.relay import Relay
from wooshq.outbox.sessions import SqlAlchemyDatabase
from wooshq.spool.moving import move_spool
from wooshq_worker.observe.tracing.requests import RequestSpans

pytestmark = [pytest.mark.settings(tracing=True)]

POST = "POST /messaging/v2/notify"


@pytest.fixture(autouse=True)
def _nothing_personal(traced: Rig, collector: Collector, api: StandIn) -> Iterator[None]:
    """Whatever a test does: no span has a token, a recipient or a text."""
    yield
    said = b"".join(collector.raw)
    recipients = {recipient for call in api.calls for recipient in call.recipients}
    secret = {TOKEN, "Your order left", "Sale", "personal-", *(one for one in recipients if len(one) > 8)}
    assert collector.spans
    assert not [text for text in secret if text.encode() in said]


def seen(collector: Collector, name: str, n: int) -> list[Span]:
    """Spans of a name, once `n` of them have arrived."""
    wait_until(lambda: len(collector.named(name)) >= n, saw=lambda: [(span.name, span.attributes) for span in collector.spans])
    found = collector.named(name)
    assert len(found) == n
    return found


def calls_of(collector: Collector, process: Span, n: int) -> list[Span]:
    wait_until(lambda: len(collector.children_of(process)) >= n)
    return collector.children_of(process)


class WhenOneMessageIsSent:
    def test_its_spans_lead_from_the_app_to_the_call(
        self, traced: Rig, app_sdk: TracerProvider, collector: Collector, api: StandIn
    ) -> None:
        traced.start_worker()

        with app_sdk.get_tracer("app").start_as_current_span("checkout"):
            intent_id = traced.wooshq.enqueue(an_intent("personal-user-1"))

        (process,) = seen(collector, "process transactional", 1)
        (checkout,), (accept,) = seen(collector, "checkout", 1), seen(collector, "accept transactional", 1)
        (settle,), (post,) = seen(collector, "settle transactional", 1), calls_of(collector, process, 1)
        assert (accept.kind, accept.parent, accept.trace_id) == ("producer", checkout.span_id, checkout.trace_id)
        assert accept.attributes == {
            "messaging.system": "wooshq",
            "messaging.operation.name": "accept",
            "messaging.operation.type": "send",
            "messaging.destination.name": "transactional",
            "messaging.message.id": intent_id,
        }
        assert (process.kind, process.parent, process.links, process.is_error) == ("consumer", "", (accept.id,), False)
        assert process.trace_id != accept.trace_id
        assert process.attributes == {
            "messaging.system": "wooshq",
            "messaging.operation.name": "process",
            "messaging.operation.type": "process",
            "messaging.destination.name": "transactional",
            "messaging.message.id": intent_id,
            "wooshq.application": APPLICATION,
            "wooshq.attempts.before": 0,
            "wooshq.outcome": "sent",
        }
        assert (post.name, post.kind, post.is_error) == (POST, "client", False)
        assert post.attributes == {
            "http.request.method": "POST",
            "http.response.status_code": 200,
            "url.full": f"{api.url}/messaging/v2/notify",
            "url.template": "/messaging/v2/notify",
            "server.address": "127.0.0.1",
            "server.port": int(api.url.rpartition(":")[2]),
            "wooshq.verdict": "sent",
        }
        assert (settle.kind, settle.parent, settle.links) == ("client", "", (process.id,))
        assert settle.attributes["messaging.batch.message_count"] == 1
        assert {process.service, post.service, settle.service, accept.service} == {"wooshq-worker", "the app"}
        assert 0 <= post.took_s <= process.took_s

    def test_the_call_does_not_tell_pushwoosh_about_the_trace(self, traced: Rig, collector: Collector) -> None:
        traced.start_worker()
        traced.wooshq.enqueue(an_intent())
        seen(collector, "process transactional", 1)

        raw = traced.redis().hgetall(traced.wooshq.ledger.keys.intent(traced.wooshq.enqueue(an_intent())))

        assert raw[b"trace"].startswith(b"00-")  # it is kept in the ledger, and a stand-in sees no such header: see test_answers.py


class WhenAMessageWaitsElsewhereFirst:
    def test_from_the_outbox_it_has_a_link_to_the_transaction_that_enqueued_it(
        self, traced: Rig, app_sdk: TracerProvider, collector: Collector, tmp_path: Path
    ) -> None:
        url = f"sqlite:///{tmp_path}/app.db"
        make_table(url)
        engine, database = create_engine(url), SqlAlchemyDatabase(url)
        with app_sdk.get_tracer("app").start_as_current_span("checkout"), Session(engine) as session, session.begin():
            intent_id = enqueue_in(session, an_intent("personal-user-1"), wooshq=traced.wooshq)
        rows = OutboxRows(database, traced.wooshq.settings)
        assert rows.show(intent_id).intent == {
            **an_intent("personal-user-1"),
            "id": intent_id,
            "application": APPLICATION,
            "lane": "transactional",
        }
        assert Relay(traced.wooshq, database).move().accepted == 1
        traced.start_worker()

        (process,), (checkout,), (accept,) = (
            seen(collector, name, 1) for name in ("process transactional", "checkout", "accept transactional")
        )
        assert (accept.parent, accept.attributes["messaging.message.id"]) == (checkout.span_id, intent_id)
        assert process.links == (accept.id,)
        engine.dispose()
        database.close()

    def test_from_the_spool_it_has_a_link_to_its_enqueue(self, traced: Rig, collector: Collector, tmp_path: Path) -> None:
        spooling = Wooshq(traced.wooshq.settings.model_copy(update={"redis_url": "redis://127.0.0.1:1/0", "spool_dir": tmp_path}))
        intent_id = spooling.enqueue(an_intent("personal-user-1"))
        spooling.close()
        (accept,) = seen(collector, "accept transactional", 1)
        back = Wooshq(traced.wooshq.settings.model_copy(update={"spool_dir": tmp_path}))
        assert move_spool(back).accepted == 1
        back.close()
        traced.start_worker()

        (process,) = seen(collector, "process transactional", 1)
        assert (process.links, process.attributes["messaging.message.id"]) == ((accept.id,), intent_id)


class WhenMessagesAreAcceptedTogether:
    def test_each_of_them_has_a_link_to_their_accept(self, traced: Rig, collector: Collector) -> None:
        report = traced.wooshq.enqueue_many(an_intent(f"personal-user-{n}", lane="bulk") for n in range(3))
        traced.start_worker()

        processes = seen(collector, "process bulk", 3)

        (accept,) = seen(collector, "accept bulk", 1)
        assert accept.attributes["messaging.batch.message_count"] == 3
        assert {process.attributes["messaging.message.id"] for process in processes} == set(report.ids)
        assert all(process.links == (accept.id,) for process in processes)
        assert len({process.trace_id for process in processes}) == 3
        wait_until(lambda: sum(len(settle.links) for settle in collector.named("settle bulk")) == 3)
        linked = {link for settle in collector.named("settle bulk") for link in settle.links}
        assert linked == {process.id for process in processes}


class WhenAJobFansOut:
    def test_its_chunks_have_a_link_to_who_started_it_and_a_span_for_each_call(self, traced: Rig, collector: Collector) -> None:
        traced.start_worker()

        job = traced.wooshq.fan_out(PERSONAL, personal(5))
        traced.wooshq.bulk.wait(job.id)

        (chunk,), (accept,) = seen(collector, "process bulk", 1), seen(collector, "accept bulk", 1)
        assert (accept.attributes["wooshq.job.id"], accept.attributes["messaging.batch.message_count"]) == (job.id, 5)
        assert (chunk.kind, chunk.parent, chunk.links) == ("consumer", "", (accept.id,))
        assert (chunk.attributes["wooshq.job.id"], chunk.attributes["wooshq.application"]) == (job.id, APPLICATION)
        below = calls_of(collector, chunk, 6)
        posts = [span for span in below if span.name == POST]
        records = [span for span in below if span.name == "settle bulk"]
        assert [post.attributes["wooshq.recipients"] for post in posts] == [1] * 5
        assert sum(record.attributes["messaging.batch.message_count"] for record in records) == 5
        assert len(below) == len(posts) + len(records)

    def test_the_replay_of_a_recipient_has_a_link_to_its_chunk(self, traced: Rig, collector: Collector, api: StandIn) -> None:
        api.answer = lambda call, n: refusal(400, 3, "no") if n == 1 else None
        traced.start_worker()
        job = traced.wooshq.fan_out(TEMPLATE, people(1))
        traced.wooshq.bulk.wait(job.id)
        (letter,) = traced.wooshq.dead_letters.list()

        traced.wooshq.dead_letters.replay(letter.id)

        first, again = seen(collector, "process bulk", 2)
        (replay,) = seen(collector, "accept", 1)
        assert "wooshq.job.id" in first.attributes
        assert again.links == (replay.id, first.id)


class WhenACallFails:
    def test_a_short_retry_is_a_second_call_in_the_same_trace(self, traced: Rig, collector: Collector, api: StandIn) -> None:
        api.answer = lambda call, n: Reply(503, {}) if n == 1 else None
        traced.start_worker()

        traced.wooshq.enqueue(an_intent())

        (process,) = seen(collector, "process transactional", 1)
        failed, sent = sorted(calls_of(collector, process, 2), key=lambda span: "http.request.resend_count" in span.attributes)
        assert (failed.is_error, failed.attributes["error.type"], failed.attributes["http.response.status_code"]) == (True, "503", 503)
        assert (sent.is_error, sent.attributes["http.request.resend_count"]) == (False, 1)
        assert not process.is_error

    @pytest.mark.settings(short_tries=1)
    def test_a_later_attempt_has_links_to_the_accept_and_to_the_attempt_before(
        self, traced: Rig, collector: Collector, api: StandIn
    ) -> None:
        api.answer = lambda call, n: Reply(503, {}) if n == 1 else None
        traced.start_worker()

        traced.wooshq.enqueue(an_intent())

        first, second = seen(collector, "process transactional", 2)
        (accept,) = seen(collector, "accept transactional", 1)
        assert (first.links, first.is_error, first.attributes["wooshq.outcome"]) == ((accept.id,), True, "retrying")
        assert (second.links, second.is_error, second.attributes["wooshq.outcome"]) == ((accept.id, first.id), False, "sent")
        assert second.attributes["wooshq.attempts.before"] == 1
        assert second.trace_id != first.trace_id


class WhenAMessageIsDead:
    def test_its_replay_has_links_to_who_replayed_it_and_to_its_last_send(self, traced: Rig, collector: Collector, api: StandIn) -> None:
        api.answer = lambda call, n: refusal(400, 3, "user personal-user-1 is rude") if n == 1 else None
        traced.start_worker()
        intent_id = traced.wooshq.enqueue(an_intent("personal-user-1"))
        traced.ended([intent_id])

        replayed = traced.wooshq.dead_letters.replay(intent_id)

        first, second = seen(collector, "process transactional", 2)
        (replay,) = seen(collector, "accept", 1)
        assert (first.is_error, first.attributes["error.type"], first.attributes["wooshq.outcome"]) == (True, "rejected", "dead")
        assert replay.attributes["wooshq.replay.id"] == replayed.id
        assert second.links == (replay.id, first.id)
        assert second.attributes["messaging.message.id"] == replayed.ids[intent_id]


class WhenAMessageIsSentAgain:
    def test_it_has_links_to_who_sent_it_again_and_to_the_first_send(self, traced: Rig, collector: Collector) -> None:
        traced.start_worker()
        intent_id = traced.wooshq.enqueue(an_intent())
        traced.ended([intent_id])

        again = traced.wooshq.resend(intent_id, why="asked for it")

        first, second = seen(collector, "process transactional", 2)
        _, resend = seen(collector, "accept transactional", 2)
        assert resend.links == (first.id,)
        assert resend.attributes["messaging.message.id"] == again
        assert second.links == (resend.id, first.id)


class WhenAProducersTraceIsNotRecorded:
    @pytest.fixture
    def app_sdk(self, collector: Collector, monkeypatch: pytest.MonkeyPatch) -> Iterator[TracerProvider]:
        """An app that records nothing, but what it is told to."""
        with sdk_of_the_app(collector, monkeypatch, ParentBased(ALWAYS_OFF, remote_parent_sampled=ALWAYS_ON)) as provider:
            yield provider

    def test_a_worker_does_not_record_its_part_either(self, traced: Rig, collector: Collector) -> None:
        traced.start_worker()
        traced.ended([traced.wooshq.enqueue(an_intent())])
        traced.wooshq.bulk.wait(traced.wooshq.fan_out(TEMPLATE, people(2)).id)
        recorded = NonRecordingSpan(SpanContext(0xA, 0xB, is_remote=True, trace_flags=TraceFlags(1)))

        with use_span(recorded):
            intent_id = traced.wooshq.enqueue(an_intent())

        (process,) = seen(collector, "process transactional", 1)
        assert process.attributes["messaging.message.id"] == intent_id
        assert not collector.named("process bulk")


class WhenAWorkerRecordsAPartOfTheTraces:
    def test_a_message_that_is_recorded_where_it_was_accepted_is_recorded_to_its_end(self, traced: Rig, collector: Collector) -> None:
        traced.env |= {"OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0"}
        traced.start_worker()

        traced.ended(traced.wooshq.enqueue_many(an_intent() for _ in range(3)).ids)

        seen(collector, "process transactional", 3)

    def test_a_worker_that_is_to_record_nothing_records_nothing(self, traced: Rig, collector: Collector) -> None:
        traced.env |= {"OTEL_TRACES_SAMPLER": "always_off"}
        worker = traced.start_worker()
        traced.ended([traced.wooshq.enqueue(an_intent())])

        worker.terminate()

        assert worker.wait(GENEROUS_S) == 0
        assert [span.name for span in collector.spans] == ["accept transactional"]


class WhenTheCollectorIsAway:
    def test_messages_are_sent_as_ever_and_the_worker_ends_in_time(self, traced: Rig, collector: Collector) -> None:
        with socket.socket() as hanging:  # it takes connections, and never answers
            hanging.bind(("127.0.0.1", 0))
            hanging.listen()
            traced.env |= {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{hanging.getsockname()[1]}", "OTEL_BSP_MAX_QUEUE_SIZE": "10"}
            traced.env |= {"WOOSHQ_METRICS_ADDRESS": "0", "OTEL_EXPORTER_OTLP_TIMEOUT": "120"}
            worker = traced.start_worker()

            statuses = traced.ended(traced.wooshq.enqueue_many(an_intent() for _ in range(50)).ids)

            assert {status.state for status in statuses} == {"sent"}
            (served,) = traced.events("metrics_served")
            page = httpx.get(f"http://{served['address']}/metrics", timeout=GENEROUS_S).text
            assert float(re.search(r'wooshq_spans_total\{outcome="dropped"\} (\S+)', page)[1]) >= 100 - 10  # type: ignore[index]
            worker.terminate()
            assert worker.wait(GENEROUS_S) == 0
            assert traced.events("spans_not_exported")

    def test_one_line_says_so_and_one_that_it_is_back(self, traced: Rig, collector: Collector) -> None:
        port = int(collector.url.rpartition(":")[2])
        collector.close()
        traced.env |= {"OTEL_EXPORTER_OTLP_TIMEOUT": "1"}
        traced.start_worker()
        traced.ended([traced.wooshq.enqueue(an_intent())])
        wait_until(lambda: traced.events("spans_not_taken"), saw=traced.logs)
        traced.ended([traced.wooshq.enqueue(an_intent())])

        back = Collector(port)
        try:
            wait_until(lambda: traced.wooshq.enqueue(an_intent()) and traced.events("spans_exported_again"), saw=traced.logs, every_s=0.2)
        finally:
            back.close()

        assert len(traced.events("spans_not_taken")) == 1
        assert "Traceback" not in traced.logs()
        collector.spans += back.spans


class WhenTheHttpApiIsCalled:
    def test_its_spans_continue_the_callers_trace(self, traced: Rig, collector: Collector, app_sdk: TracerProvider) -> None:
        spans = RequestSpans(app_sdk.get_tracer("wooshq"))
        traceparent = {"traceparent": f"00-{0xA:032x}-{0xB:016x}-01", "tracestate": "vendor=x"}
        traced.start_worker()

        with served(traced.wooshq.settings, spans) as http:
            one = http.post("/v1/intents", json=an_intent("personal-user-1"), headers=traceparent).json()["id"]
            http.get(f"/v1/intents/{one}", headers=traceparent)
            lines = "".join(json.dumps(an_intent(lane="bulk")) + "\n" for _ in range(2))
            http.post("/v1/intents", content=lines, headers={**traceparent, "Content-Type": "application/x-ndjson"})

        (process,) = seen(collector, "process transactional", 1)
        (accept,), (batch,) = seen(collector, "accept transactional", 1), seen(collector, "accept bulk", 1)
        request, _ = seen(collector, "POST /v1/intents", 2)
        (shown,) = seen(collector, "GET /v1/intents/{intent_id}", 1)
        assert (request.kind, request.parent, request.trace_id) == ("server", f"{0xB:016x}", f"{0xA:032x}")
        assert request.attributes["http.response.status_code"] == 202
        assert (accept.parent, accept.attributes["messaging.message.id"]) == (request.span_id, one)
        assert process.links == (accept.id,)
        assert batch.trace_id == shown.trace_id == request.trace_id
        assert traced.redis().hget(traced.wooshq.ledger.keys.intent(one), "trace").decode().endswith(" vendor=x")


class WhenAnAppForks:
    def test_each_child_may_have_an_sdk_of_its_own(self, traced: Rig, collector: Collector) -> None:
        """As with Celery's prefork pool, or gunicorn's `post_fork`."""
        traced.env |= {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": f"{collector.url}/v1/traces"}
        code = "from tests.integration.worker.observe.forking_app import main; main()"

        done = subprocess.run(
            [sys.executable, "-c", code], env=traced.env | {"PYTHONPATH": f"{traced.env['PYTHONPATH']}:{ROOT}"}, timeout=GENEROUS_S
        )

        assert done.returncode == 0
        seen(collector, "accept transactional", 2)
        assert sorted(span.service for span in collector.spans) == ["child 0", "child 1"]
        assert traced.wooshq.counts()["accepted"] == 3
