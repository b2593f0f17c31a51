"""The keeper's broker: what it tells workers, and that an absent broker stops no duty."""

from __future__ import annotations

import pytest

from tests.rig import some_settings
from wooshq import Settings
from wooshq.installation.celery_app import make_app
from wooshq_worker.keeper.broker import LaneBroker, depth

AWAY = "redis://127.0.0.1:1/0"


def settings() -> Settings:
    return some_settings(poison_after=6)


class Connection:
    """Notes what is published. error: raised by every call."""

    def __init__(self) -> None:
        self.error: Exception | None = None
        self.rung: list[str] = []
        self.turns: list[int] = []

    def ring(self, lane: str) -> None:
        self.rung.append(lane)
        self._fail()

    def call_turns(self, n: int) -> None:
        self.turns.append(n)
        self._fail()

    def _fail(self) -> None:
        if self.error is not None:
            raise self.error


@pytest.fixture
def connection(monkeypatch: pytest.MonkeyPatch) -> Connection:
    made = Connection()
    monkeypatch.setattr("wooshq_worker.keeper.broker.BrokerConnection", lambda *_, **__: made)
    return made


class WhenTurnsAreCalled:
    @pytest.mark.parametrize(("chunks", "called"), [(0, []), (3, [3]), (1000, [50])])
    async def test_there_is_one_for_each_chunk_up_to_a_bound(self, connection: Connection, chunks: int, called: list[int]) -> None:
        await LaneBroker(make_app(settings(), AWAY)).call_turns(chunks)
        assert connection.turns == called


class WhenTheBrokerIsAway:
    async def test_ringing_does_not_fail_because_the_keeper_rings_again(self, connection: Connection) -> None:
        connection.error = OSError("away")
        broker = LaneBroker(make_app(settings(), AWAY))
        await broker.ring("bulk")
        await broker.call_turns(1)
        assert (connection.rung, connection.turns) == (["bulk"], [1])

    def test_the_depth_of_a_lane_is_unknown(self) -> None:
        assert depth(make_app(settings(), AWAY), "bulk") is None

    async def test_a_lane_of_unknown_depth_does_not_count_as_empty(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("wooshq_worker.keeper.broker.depth", lambda app, lane: None)
        assert not await LaneBroker(make_app(settings(), AWAY)).is_empty("bulk")


class WhenTheBrokerAnswers:
    async def test_a_lane_that_does_not_exist_yet_is_empty(self, broker_url: str) -> None:
        app = make_app(settings(), broker_url)
        assert depth(app, "bulk") == 0
        assert await LaneBroker(app).is_empty("bulk")
