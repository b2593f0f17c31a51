"""The keeper's broker: what it publishes, and that an absent broker stops no duty."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from tests.rig import some_settings
from wooshq import Settings
from wooshq.installation.celery_app import make_app
from wooshq.ledger.intents import Suspect, Taken
from wooshq_worker.keeper.broker import LaneBroker, depth

AWAY = "redis://127.0.0.1:1/0"


def settings() -> Settings:
    return some_settings(poison_after=6)


class Connection:
    """Notes what is published. error: raised by every call."""

    def __init__(self) -> None:
        self.error: Exception | None = None
        self.published: list[tuple[str, list[str], bool]] = []
        self.turns: list[int] = []

    def publish(self, lane: str, ids: Sequence[str], *, alone: bool = False) -> None:
        self.published.append((lane, list(ids), alone))
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


class WhenIntentsArePublished:
    async def test_each_lane_gets_its_own_and_suspects_have_messages_of_their_own(self, connection: Connection) -> None:
        taken = Taken()
        taken.by_lane["transactional"] += ["a", "b"]
        taken.by_lane["bulk"] += ["c"]
        taken.suspects.extend(Suspect("bulk", name, lost=4) for name in ("d", "e"))
        await LaneBroker(make_app(settings(), AWAY), settings()).publish(taken)
        assert connection.published == [
            ("transactional", ["a", "b"], False),
            ("bulk", ["c"], False),
            ("bulk", ["d"], True),
            ("bulk", ["e"], True),
        ]


class WhenTurnsAreCalled:
    @pytest.mark.parametrize(("chunks", "called"), [(0, []), (3, [3]), (1000, [50])])
    async def test_there_is_one_for_each_chunk_up_to_a_bound(self, connection: Connection, chunks: int, called: list[int]) -> None:
        await LaneBroker(make_app(settings(), AWAY), settings()).call_turns(chunks)
        assert connection.turns == called


class WhenTheBrokerIsAway:
    async def test_publishing_does_not_fail_because_the_ledger_has_the_ids(self, connection: Connection) -> None:
        connection.error = OSError("away")
        taken = Taken()
        taken.by_lane["transactional"].append("a")
        taken.by_lane["bulk"].append("b")
        broker = LaneBroker(make_app(settings(), AWAY), settings())
        await broker.publish(taken)
        await broker.call_turns(1)
        assert (len(connection.published), connection.turns) == (2, [1]), "each lane is tried"

    def test_the_depth_of_a_lane_is_unknown(self) -> None:
        assert depth(make_app(settings(), AWAY), "bulk") is None

    async def test_a_lane_of_unknown_depth_does_not_count_as_empty(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("wooshq_worker.keeper.broker.depth", lambda app, lane: None)
        assert not await LaneBroker(make_app(settings(), AWAY), settings()).is_empty("bulk")


class WhenTheBrokerAnswers:
    async def test_a_lane_that_does_not_exist_yet_is_empty(self, broker_url: str) -> None:
        app = make_app(settings(), broker_url)
        assert depth(app, "bulk") == 0
        assert await LaneBroker(app, settings()).is_empty("bulk")
