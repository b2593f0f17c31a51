"""RabbitMQ as the broker: quorum queues, and the same promises."""

from __future__ import annotations

import os
import signal
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from celery import Celery
from kombu import Connection

from tests.rig import GENEROUS_S, Rig, an_intent, wait_until
from tests.stand_in import StandIn
from wooshq.installation.celery_app import SUBMIT
from wooshq.installation.embedded import EmbeddedRedis

#: TEST_AMQP_URL may name a broker. Otherwise the one of this machine is used; without one the tests are skipped.
BROKER = os.environ.get("TEST_AMQP_URL", "amqp://guest:guest@127.0.0.1:5672//")


def _is_there() -> bool:
    try:
        with Connection(BROKER) as connection:
            connection.ensure_connection(max_retries=1, timeout=5)
    except (OSError, *Connection(BROKER).connection_errors):
        return False
    return True


@pytest.fixture
def rig(tmp_path: Path, data_dir: Path, api: StandIn) -> Iterator[Rig]:
    """An installation with a namespace of its own, and so with its own queues: the user's RabbitMQ is left as it was found."""
    if not _is_there():
        pytest.skip("no RabbitMQ here; TEST_AMQP_URL names one")
    namespace = f"test-{uuid.uuid4().hex[:12]}"
    with EmbeddedRedis(data_dir) as embedded, Connection(BROKER) as connection:
        made = Rig(tmp_path, api.url, broker_url=BROKER, redis_url=embedded.url, namespace=namespace)
        yield made
        made.close()
        for queue in made.wooshq.installation.app.lanes.values():
            connection.default_channel.queue_delete(queue)


def a_shop(queue_type: str = "quorum") -> Celery:
    """A producer that only speaks Celery, set up as the README says for RabbitMQ."""
    shop = Celery("shop", broker=BROKER, set_as_current=False)
    shop.conf.task_create_missing_queue_type = queue_type
    return shop


class WhenTheBrokerIsRabbitMq:
    def test_an_intent_submitted_before_any_worker_was_there_waits_for_one(self, rig: Rig, api: StandIn) -> None:
        a_shop().send_task(SUBMIT, args=[an_intent("early")], queue=rig.wooshq.installation.app.lanes["transactional"])
        rig.start_worker()
        wait_until(lambda: api.accepted["early"] == 1, saw=rig.logs)

    def test_a_lane_that_a_producer_made_as_a_classic_queue_is_used_unchanged(self, rig: Rig, api: StandIn) -> None:
        """RabbitMQ refuses a declaration of another kind, and a worker that insists would reconnect for ever."""
        a_shop("classic").send_task(SUBMIT, args=[an_intent("early")], queue=rig.wooshq.installation.app.lanes["transactional"])
        report = rig.wooshq.enqueue_many(map(an_intent, ("a", "b")))
        worker = rig.start_worker()
        rig.wooshq.enqueue(an_intent("c"))

        wait_until(lambda: set(api.accepted) == {"early", "a", "b", "c"}, saw=rig.logs)
        assert report.accepted == 2
        assert set(api.accepted.values()) == {1}
        assert worker.poll() is None

    def test_a_hundred_messages_one_by_one_do_not_wait_for_each_other(self, rig: Rig, api: StandIn) -> None:
        """More messages than the channel's prefetch: each acknowledgement must reach the broker while nothing else arrives."""
        rig.start_worker()
        for n in range(100):
            rig.wooshq.enqueue(an_intent(f"u{n}"))
            rig.wooshq.flush()
        wait_until(lambda: api.accepted.total() == 100, within_s=60, saw=lambda: (api.accepted.total(), rig.logs()[-2000:]))

    def test_a_worker_ends_at_once_when_it_is_told_to(self, rig: Rig, api: StandIn) -> None:
        began = time.monotonic()
        worker = rig.start_worker()
        rig.ended([rig.wooshq.enqueue(an_intent())])
        started_in_s, told_at = time.monotonic() - began, time.monotonic()
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(GENEROUS_S) == 0
        assert time.monotonic() - told_at < 4 + started_in_s, "ending takes no longer than starting"
        assert "ETA" not in rig.logs()

    def test_both_lanes_are_sent_once_and_broken_messages_end_nothing(self, rig: Rig, api: StandIn) -> None:
        lane = rig.wooshq.installation.app.lanes["transactional"]
        worker = rig.start_worker()
        report = rig.wooshq.enqueue_many(an_intent(f"u{i}", lane="bulk" if i % 2 else "transactional") for i in range(200))
        wait_until(lambda: api.accepted, saw=rig.logs)  # a message to a queue that nobody has declared is dropped by RabbitMQ
        with a_shop().connection_for_write() as connection, connection.channel() as channel:
            for body in (b"garbage", b"null", b"[]", b'"x"'):
                message = channel.prepare_message(body, content_type="application/json", content_encoding="utf-8", headers={"task": SUBMIT})
                channel.basic_publish(message, exchange="", routing_key=lane)
            channel.basic_publish(channel.prepare_message(b"\x80", content_type="application/x-python-serialize"), "", lane)
        a_shop().send_task(SUBMIT, args=[an_intent("celery")], queue=lane)

        wait_until(lambda: sum(api.accepted.values()) == 201, saw=lambda: (api.accepted.total(), rig.logs()[-2000:]))
        wait_until(lambda: len(rig.wooshq.dead_letters.list(reason="invalid")) == 5, saw=rig.wooshq.dead_letters.list)

        assert report.accepted == 200
        assert set(api.accepted.values()) == {1}
        assert worker.poll() is None
