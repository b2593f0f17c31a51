"""What the ledger says as metrics: zero while it is well, the truth when it is not, and a bound on labels and cost."""

from __future__ import annotations

import json
import time
import urllib.request
from typing import Any

import pytest
import redis
from prometheus_client.core import Metric as Family
from prometheus_client.parser import text_string_to_metric_families as read_text
from pydantic import SecretStr
from sqlalchemy import create_engine

from tests.rig import APPLICATION, Rig, an_intent, wait_until
from tests.stand_in import StandIn, refusal
from wooshq import Wooshq
from wooshq.gates.waiting import MOST_QUEUES
from wooshq.ledger.intents import Settlement
from wooshq.ledger.states import Event, Reason
from wooshq.outbox.table import ddl
from wooshq.overview.facts import read_facts
from wooshq_worker.doctor.work import check
from wooshq_worker.keeper.history.ledger import EventLedger
from wooshq_worker.observe.metrics import names
from wooshq_worker.observe.metrics.families import exposition
from wooshq_worker.observe.metrics.ledger import ledger_metrics
from wooshq_worker.observe.metrics.truths import Truths, of_events

MINUTE_MS = 60_000


def every(wooshq: Wooshq) -> list[Family]:
    """All metrics of the ledger, as they are now."""
    facts = wooshq.do(read_facts(wooshq.ledger.keys))
    return [*ledger_metrics(facts), *of_events(wooshq, facts.backlog.now_ms)]


class Said:
    """What the ledger says now."""

    def __init__(self, wooshq: Wooshq) -> None:
        families = every(wooshq)
        self.text = exposition(families)[0].decode()
        self.samples = [sample for family in read_text(self.text) for sample in family.samples]

    def of(self, name: str) -> dict[tuple[str, ...], float]:
        """The labels' values, in the order of the labels' names → the value."""
        return {tuple(value for _, value in sorted(s.labels.items())): s.value for s in self.samples if s.name == name}


@pytest.fixture
def server(redis_url: str) -> Any:
    with redis.Redis.from_url(redis_url) as client:
        yield client


def waits_since(server: redis.Redis, wooshq: Wooshq, intent_id: str, ms: int) -> None:
    """It was accepted so long ago."""
    keys = wooshq.ledger.keys
    server.hincrby(keys.intent(intent_id), "at", -ms)
    lane, application = (part.decode() for part in server.hmget(keys.intent(intent_id), "lane", "app"))
    server.zincrby(keys.queue(lane, application), -ms, intent_id)


def take(wooshq: Wooshq, lane: str, most: int = 1) -> Any:
    return wooshq.do(wooshq.ledger.take(lane, most, token=str(time.monotonic_ns()), taker="a")).claims


class WhenTheLedgerIsWell:
    def test_nothing_is_overdue_and_every_metric_is_there(self, wooshq: Wooshq) -> None:
        wooshq.do(EventLedger(wooshq.settings).listen(10**9))  # somebody keeps a history
        wooshq.enqueue(an_intent(lane="transactional"))
        said = Said(wooshq)
        assert said.of("wooshq_oldest_due_seconds") == {("transactional",): 0, ("bulk",): 0}
        assert said.of("wooshq_waiting") == {(APPLICATION, "transactional", "worker"): 1}
        found = {family.name for family in read_text(said.text)}
        expected = {
            metric.name.removesuffix("_total")
            for metric in names.OF_THE_LEDGER
            if not metric.name.startswith(("wooshq_outbox", "wooshq_redis"))
        }
        assert found == expected

    def test_names_types_labels_and_help_are_those_of_the_table(self, wooshq: Wooshq) -> None:
        known = {metric.name.removesuffix("_total"): metric for metric in names.OF_THE_LEDGER}
        wooshq.enqueue(an_intent())
        wooshq.shut_gate("circuit", why="a test")
        for family in every(wooshq):
            metric = known[family.name]
            assert (family.type, family.documentation) == (metric.kind, metric.help)
            assert {name for sample in family.samples for name in sample.labels} <= set(metric.labels)


class WhenSomethingWaits:
    def test_the_oldest_that_should_have_left_counts_in_its_lane(self, wooshq: Wooshq, server: redis.Redis) -> None:
        waits_since(server, wooshq, wooshq.enqueue(an_intent(lane="transactional")), 5 * MINUTE_MS)
        waits_since(server, wooshq, wooshq.enqueue(an_intent(lane="transactional")), MINUTE_MS)
        said = Said(wooshq)
        assert 300 <= said.of("wooshq_oldest_due_seconds")["transactional",] < 360
        assert said.of("wooshq_oldest_due_seconds")["bulk",] == 0
        assert 300 <= said.of("wooshq_waiting_oldest_seconds")["transactional", "worker"] < 360

    def test_a_retry_that_has_just_come_back_is_not_as_old_as_its_intent(self, wooshq: Wooshq, server: redis.Redis) -> None:
        old = wooshq.enqueue(an_intent(lane="transactional"))
        waits_since(server, wooshq, old, 60 * MINUTE_MS)
        (claim,) = take(wooshq, "transactional")
        wooshq.do(wooshq.ledger.settle([Settlement(claim, Event.HANDED_BACK)]))
        assert Said(wooshq).of("wooshq_oldest_due_seconds")["transactional",] == 0
        waits_since(server, wooshq, wooshq.enqueue(an_intent(lane="transactional")), 10 * MINUTE_MS)  # behind it
        assert 600 <= Said(wooshq).of("wooshq_oldest_due_seconds")["transactional",] < 660

    def test_what_a_gate_or_a_pause_holds_back_waits_and_is_not_due(self, wooshq: Wooshq, server: redis.Redis) -> None:
        waits_since(server, wooshq, wooshq.enqueue(an_intent(lane="bulk")), 5 * MINUTE_MS)
        wooshq.shut_gate("circuit", APPLICATION, why="a test")
        said = Said(wooshq)
        assert said.of("wooshq_oldest_due_seconds")["bulk",] == 0
        assert said.of("wooshq_waiting") == {(APPLICATION, "bulk", "circuit"): 1}
        assert said.of("wooshq_waiting_oldest_seconds")["bulk", "circuit"] >= 300
        assert said.of("wooshq_gates_shut")["circuit",] == 1
        assert list(said.of("wooshq_gate_shut_seconds")) == [(APPLICATION, "circuit", "")]
        wooshq.pause(why="a test")
        assert Said(wooshq).of("wooshq_waiting") == {(APPLICATION, "bulk", "paused"): 1}

    @pytest.mark.settings(rate_per_s=1)
    def test_what_waits_for_its_turn_under_a_rate_is_not_due(self, wooshq: Wooshq, server: redis.Redis) -> None:
        for _ in range(10):
            waits_since(server, wooshq, wooshq.enqueue(an_intent(lane="bulk")), 5 * MINUTE_MS)
        assert len(take(wooshq, "bulk", 10)) < 10
        said = Said(wooshq)
        assert list(said.of("wooshq_waiting")) == [(APPLICATION, "bulk", "slot")]
        assert said.of("wooshq_oldest_due_seconds")["bulk",] == 0

    def test_a_retry_that_nobody_has_queued_and_a_lease_that_nobody_has_taken_over_are_due(
        self, wooshq: Wooshq, server: redis.Redis
    ) -> None:
        for _ in range(2):
            wooshq.enqueue(an_intent(lane="bulk"))
        retried, held = take(wooshq, "bulk", 2)
        wooshq.do(wooshq.ledger.settle([Settlement(retried, Event.FAILED, wait_ms=3_600_000)]))
        said = Said(wooshq)
        assert (said.of("wooshq_retrying")[()], said.of("wooshq_sending")[()]) == (1, 1)
        assert said.of("wooshq_oldest_due_seconds")["bulk",] == 0
        now_ms = int(time.time() * 1000)
        server.zadd(wooshq.ledger.keys.fixed("leases"), {held.intent_id: now_ms - MINUTE_MS})
        assert 60 <= Said(wooshq).of("wooshq_oldest_due_seconds")["bulk",] < 120
        server.zadd(wooshq.ledger.keys.fixed("due"), {retried.intent_id: now_ms - 3 * MINUTE_MS})
        assert 180 <= Said(wooshq).of("wooshq_oldest_due_seconds")["bulk",] < 240

    def test_a_job_at_which_nobody_works_is_due(self, wooshq: Wooshq, server: redis.Redis) -> None:
        job = wooshq.fan_out({"message": {"push": {"body": "Hi"}}}, [{"user": f"u{n}"} for n in range(30)])
        said = Said(wooshq)
        assert said.of("wooshq_jobs")["running",] == 1
        assert said.of("wooshq_job_progress")[job.id, "left"] == 30
        assert said.of("wooshq_oldest_due_seconds")["bulk",] == 0
        for name in ("at", "w_at"):
            server.hincrby(wooshq.ledger.keys.job(job.id), name, -2 * MINUTE_MS)
        assert 120 <= Said(wooshq).of("wooshq_oldest_due_seconds")["bulk",] < 180
        wooshq.bulk.pause(job.id)
        said = Said(wooshq)
        assert said.of("wooshq_oldest_due_seconds")["bulk",] == 0
        assert said.of("wooshq_jobs")["paused",] == 1


class WhenThereAreManyApplications:
    def test_labels_and_cost_have_a_bound(self, wooshq: Wooshq) -> None:
        applications = [f"A{n:04}-BBBBB" for n in range(MOST_QUEUES + 10)]
        wooshq.enqueue_many(an_intent(lane="bulk", application=application) for application in applications)
        wooshq.enqueue_many(an_intent(lane="bulk", application="LARGE-BBBBB") for _ in range(5))
        said = Said(wooshq)
        waiting = said.of("wooshq_waiting")
        assert len(waiting) == names.MOST_APPLICATIONS + 1
        assert waiting[names.OTHER, "bulk", "worker"] >= MOST_QUEUES - names.MOST_APPLICATIONS
        assert said.of("wooshq_waiting_unread")[()] == 11


class WhenMessagesEnd:
    def test_dead_letters_are_counted_by_reason_and_nobody_is_named(self, wooshq: Wooshq) -> None:
        wooshq.enqueue(an_intent("secret-user", lane="bulk"))
        (claim,) = take(wooshq, "bulk")
        end = Settlement(
            claim, Event.GIVEN_UP, [{"at": "x", "outcome": "dead"}], reason=Reason.REJECTED, detail="secret-detail", doubt="lost"
        )
        wooshq.do(wooshq.ledger.settle([end]))
        said = Said(wooshq)
        assert said.of("wooshq_dead_total")["rejected",] == 1
        assert said.of("wooshq_events_total")["dead",] == 1
        assert said.of("wooshq_doubles_total")["no_answer",] == 1
        assert said.of("wooshq_letters")[()] == 1
        assert "secret" not in said.text

    def test_the_history_s_lag_is_the_age_of_the_oldest_end_that_it_does_not_have(self, wooshq: Wooshq) -> None:
        assert Said(wooshq).of("wooshq_history_lag_seconds") == {}
        wooshq.do(EventLedger(wooshq.settings).listen(10**9))
        assert Said(wooshq).of("wooshq_history_lag_seconds") == {(): 0}
        wooshq.cancel(wooshq.enqueue(an_intent()))
        said = Said(wooshq)
        assert said.of("wooshq_history_waiting") == {(): 1}
        assert said.of("wooshq_history_lag_seconds")[()] < 60


class WhenManyAsk:
    def test_the_ledger_is_read_once_in_five_seconds(self, wooshq: Wooshq) -> None:
        clock = [100.0]
        truths = Truths(wooshq, monotonic=lambda: clock[0])
        first = truths()
        wooshq.enqueue(an_intent())
        assert truths() is first
        clock[0] += 5
        assert truths() is not first


class WhenRedisShowsItsMemory:
    def test_it_is_a_metric(self, wooshq: Wooshq, server: redis.Redis) -> None:
        def memory() -> dict[str, float]:
            return {family.name: family.samples[0].value for family in Truths(wooshq).read() if family.name.startswith("wooshq_redis")}

        assert list(memory()) == ["wooshq_redis_memory_bytes"]
        server.config_set("maxmemory", 10**9)
        try:
            assert memory()["wooshq_redis_memory_limit_bytes"] == 10**9
        finally:
            server.config_set("maxmemory", 0)

    def test_one_that_does_not_is_asked_once(self, wooshq: Wooshq, redis_url: str, server: redis.Redis) -> None:
        truths = Truths(wooshq)
        server.execute_command("ACL", "SETUSER", "default", "-info")
        try:
            for _ in range(2):
                assert not any(family.name.startswith("wooshq_redis") for family in truths.read())
        finally:
            server.execute_command("ACL", "SETUSER", "default", "+info")
        assert not any(family.name.startswith("wooshq_redis") for family in truths.read())


class WhenTheOutboxIsNamed:
    def test_its_lag_is_a_metric_and_a_database_that_is_away_is_none(self, wooshq: Wooshq, tmp_path: Any) -> None:
        url = f"sqlite:///{tmp_path}/app.db"
        of_outbox = Wooshq(wooshq.settings.model_copy(update={"outbox_url": SecretStr(url)}))
        assert not any(family.name.startswith("wooshq_outbox") for family in Truths(of_outbox).read())  # no table yet
        engine = create_engine(url)
        with engine.begin() as connection:
            for statement in ddl("sqlite").split(";"):
                if statement.strip():
                    connection.exec_driver_sql(statement)
        engine.dispose()
        found = {family.name: family.samples[0].value for family in Truths(of_outbox).read() if family.name.startswith("wooshq_outbox")}
        assert found == {"wooshq_outbox_rows": 0, "wooshq_outbox_lag_seconds": 0}
        of_outbox.close()


class WhenAPersonAsks:
    def test_the_command_prints_what_prometheus_reads_or_json(self, rig: Rig) -> None:
        rig.wooshq.enqueue(an_intent())
        done = rig.cli("metrics")
        assert done.returncode == 0
        families = {family.name for family in read_text(done.stdout.decode())}
        assert "wooshq_oldest_due_seconds" in families
        lines = [json.loads(line) for line in rig.cli("metrics", "--json").stdout.splitlines()]
        assert {"name": "wooshq_keepers", "labels": {}, "value": 0.0} in lines

    def test_it_serves_them_until_it_is_told_to_end(self, rig: Rig) -> None:
        server = rig.start("metrics", "--serve", "0")
        assert server.stdout is not None
        url = server.stdout.readline().decode().strip()
        with urllib.request.urlopen(url, timeout=60) as answer:
            assert b"wooshq_keepers 0.0" in answer.read()
        server.terminate()
        assert server.wait(60) == 0

    def test_an_address_that_is_none_is_refused(self, rig: Rig) -> None:
        done = rig.cli("metrics", "--serve", "nonsense")
        assert done.returncode == 2
        assert b"must have the form PORT" in done.stderr


@pytest.mark.settings(metrics_address="0")
class WhenWorkersServe:
    def test_the_keeper_exports_the_ledger_and_when_it_dies_another_one_does(self, rig: Rig, api: StandIn) -> None:
        api.answer = lambda call, n: refusal(400, 3, "no")

        def exporters() -> list[str]:
            found = []
            for event in rig.events("metrics_served"):
                try:
                    with urllib.request.urlopen(f"http://{event['address']}/metrics", timeout=60) as answer:
                        text = answer.read().decode()
                except OSError:
                    continue
                if "wooshq_keepers 1.0" in text:
                    assert "wooshq_worker_is_keeper 1.0" in text
                    found.append(event["address"])
            return found

        first = rig.start_worker()
        wait_until(lambda: len(exporters()) == 1, saw=rig.logs)
        before = exporters()
        rig.start_worker()
        wait_until(lambda: len(rig.events("metrics_served")) == 2, saw=rig.logs)
        rig.ended([rig.wooshq.enqueue(an_intent())])
        rig.kill(first)
        wait_until(lambda: len(exporters()) == 1 and exporters() != before, saw=rig.logs)
        (address,) = exporters()

        def dead() -> float:
            with urllib.request.urlopen(f"http://{address}/metrics", timeout=60) as answer:
                samples = [s for family in read_text(answer.read().decode()) for s in family.samples]
            return next((s.value for s in samples if s.name == "wooshq_dead_total" and s.labels["reason"] == "rejected"), 0.0)

        wait_until(lambda: dead() == 1, saw=rig.logs)


class WhenEventsAreWanted:
    def test_who_is_paused_how_old_the_oldest_is_and_the_lag_are_metrics(self, wooshq: Wooshq, server: redis.Redis) -> None:
        said = Said(wooshq)
        assert said.of("wooshq_webhooks") == {("active",): 0, ("failing",): 0, ("paused",): 0}
        for name in ("a", "b"):
            wooshq.webhooks.add(name, "https://shop.example/hook")
        wooshq.webhooks.test("a")
        wooshq.webhooks.pause("b")
        wooshq.cancel(wooshq.enqueue(an_intent()))
        said = Said(wooshq)
        assert said.of("wooshq_webhooks") == {("active",): 1, ("failing",): 0, ("paused",): 1}
        assert 0 <= said.of("wooshq_webhook_oldest_seconds")[()] < 60
        assert 0 <= said.of("wooshq_events_lag_seconds")[()] < 60
        assert said.of("wooshq_event_deliveries_total") == {("delivered",): 0, ("failed",): 0, ("dropped",): 0}
        assert said.of("wooshq_history_lag_seconds") == {}, "nobody keeps a history"
        server.hset("wq:{0}:subscriber:webhook/a", mapping={"failing_since": 1000, "failing_why": "HTTP 500"})
        assert Said(wooshq).of("wooshq_webhooks")[("failing",)] == 1
        found = {finding.level: finding.says for finding in check(wooshq) if finding.what == "webhook"}
        assert "HTTP 500" in found["warn"] or "paused" in found["warn"]
