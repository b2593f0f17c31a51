"""Bells are lost, doubled and never rung: the ledger has the work, so nothing is lost, nothing is sent twice, and nothing waits for long."""

from __future__ import annotations

import pytest

from tests.rig import Rig, an_intent, wait_until
from tests.stand_in import StandIn
from wooshq.installation.publish import BrokerConnection

pytestmark = pytest.mark.stand_in(latency_s=0.01)


def nobody_is_awake(rig: Rig) -> bool:
    bells = rig.redis().hgetall(rig.wooshq.ledger.keys.fixed("bells"))
    now = int(rig.redis().time()[0]) * 1000
    return all(int(until) < now for name, until in bells.items() if name.endswith(b":awake"))


class WhenTheBrokerLosesBells:
    def test_everything_is_sent_once_although_the_broker_forgets_everything_again_and_again(self, rig: Rig, api: StandIn) -> None:
        rig.start_worker()
        ids = []
        for n in range(200):
            ids.append(rig.wooshq.enqueue(an_intent(f"u{n}", lane="bulk" if n % 3 else "transactional")))
            if n % 10 == 0:
                rig.wooshq.flush(5)
                rig.broker().flushdb()
        assert {status.state for status in rig.ended(ids)} == {"sent"}
        assert set(api.accepted.values()) == {1}

    def test_a_bell_that_was_never_rung_is_rung_by_the_keeper(self, rig: Rig, api: StandIn) -> None:
        """The producer ended between accept and ring, or a worker between bell and take."""
        rig.start_worker()
        rig.ended([rig.wooshq.enqueue(an_intent("before"))])
        wait_until(lambda: nobody_is_awake(rig))
        rig.wooshq.installation.ring = lambda lane, hops=0: None  # type: ignore[method-assign]
        ids = [rig.wooshq.enqueue(an_intent(f"u{n}")) for n in range(3)]
        assert {status.state for status in rig.ended(ids)} == {"sent"}

    def test_a_worker_that_starts_later_finds_what_waits(self, rig: Rig, api: StandIn) -> None:
        ids = [rig.wooshq.enqueue(an_intent(f"u{n}")) for n in range(3)]
        rig.wooshq.flush(5)
        rig.broker().flushdb()
        rig.start_worker()
        assert {status.state for status in rig.ended(ids)} == {"sent"}


class WhenBellsAreDoubled:
    def test_hundreds_of_bells_send_each_intent_once(self, rig: Rig, api: StandIn) -> None:
        connection = BrokerConnection(rig.wooshq.installation.app)
        for _ in range(150):
            connection.ring("transactional")
            connection.ring("bulk")
        connection.close()
        rig.start_worker()
        ids = [rig.wooshq.enqueue(an_intent(f"u{n}")) for n in range(20)]
        assert {status.state for status in rig.ended(ids)} == {"sent"}
        assert set(api.accepted.values()) == {1}
        assert rig.wooshq.dead_letters.list() == []
        wait_until(lambda: not rig.broker().llen("transactional") and not rig.broker().llen("bulk"))


class WhenAWorkerEnds:
    def test_it_wakes_another_one_for_what_it_leaves(self, rig: Rig, api: StandIn) -> None:
        rig.start_worker()
        second = rig.start_worker()
        ids = [i for i in rig.wooshq.enqueue_many(an_intent(f"u{n}") for n in range(300)).ids if i]
        wait_until(lambda: len(api.calls) > 20)
        second.terminate()
        assert {status.state for status in rig.ended(ids)} == {"sent"}
        assert set(api.accepted.values()) == {1}


class WhenSeveralApplicationsWait:
    @pytest.mark.settings(concurrency=8)
    def test_one_intent_does_not_wait_behind_the_thousands_of_another_application(self, rig: Rig, api: StandIn) -> None:
        rig.wooshq.enqueue_many(an_intent(f"many{n}", application="CCCCC-DDDDD") for n in range(1000))
        rig.wooshq.enqueue(an_intent("alone"))
        rig.start_worker()
        wait_until(lambda: api.accepted["alone"] == 1, saw=lambda: len(api.calls))
        before = next(n for n, call in enumerate(api.calls) if call.recipients == ["alone"])
        assert before < 100, "two takes of eight would do"
