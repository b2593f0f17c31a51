"""The audit log in the history: nothing is lost while its database is away, and both are read as one list."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import redis
from structlog.testing import capture_logs

from tests.rig import some_settings
from wooshq import Wooshq
from wooshq.gates.audit import Act
from wooshq.history.acts import KeptAct, WhichActs
from wooshq.history.contract import HistoryRefused
from wooshq.history.store import History, HistoryAway, open_history
from wooshq.ledger.gates import note_act
from wooshq.ledger.keys import Keys
from wooshq_worker.keeper.history.acts import ActKeeper
from wooshq_worker.keeper.history.ledger import EventLedger
from wooshq_worker.ledger_client import LedgerClient

KEYS = Keys("wq")
LAST = 10_000


class Desk:
    """An operator at a ledger with a history, and what brings acts from one to the other."""

    def __init__(self, redis_url: str, folder: Path) -> None:
        self.url = redis_url
        self.settings = some_settings(redis_url=redis_url, history_url=f"sqlite:///{folder / 'history.db'}")
        self.wooshq = Wooshq(self.settings)
        self.redis = redis.Redis.from_url(redis_url)
        opened = open_history(self.settings)
        assert opened is not None
        self.history: History = opened
        self.is_away = False

    def close(self) -> None:
        self.wooshq.close()
        self.history.close()
        self.redis.close()

    def listen(self, most: int = 10**9) -> None:
        self.wooshq.do(EventLedger(self.settings).listen(most))

    def act(self, n: int = 1, **fields: Any) -> None:
        for i in range(n):
            self.wooshq.do(note_act(KEYS, "discard", "letters", **{"why": f"w{i}", "by": "ana", "count": i, **fields}))

    async def move(self) -> None:
        """What a consumer does with acts."""
        client = LedgerClient(self.url, "the test's Redis")

        async def in_thread(call: Callable[[], Any]) -> Any:
            if self.is_away:
                raise HistoryAway("away")
            return call()

        try:
            await ActKeeper(EventLedger(self.settings), client, self.history, in_thread).move()
        finally:
            await client.close()

    def in_stream(self) -> int:
        return int(self.redis.xlen(KEYS.fixed("changes")))

    def in_history(self) -> int:
        return len(self.history.find_acts(WhichActs(), 10**6))

    def all_pages(self, most: int, **asked: Any) -> list[Act]:
        found: list[Act] = []
        after: str | None = None
        while True:
            page = self.wooshq.audit(most=most, after=after, **asked)
            found += page.found
            after = page.after
            if after is None:
                return found


@pytest.fixture
def desk(redis_url: str, tmp_path: Path) -> Iterator[Desk]:
    made = Desk(redis_url, tmp_path)
    yield made
    made.close()


def shorter(desk: Desk, n: int = LAST) -> None:
    """As if so many acts had been done: entries that the scripts count as any other."""
    with desk.redis.pipeline(transaction=False) as pipe:
        for _ in range(n):
            fields = dict.fromkeys(("value", "before", "n", "selection", "result"), "")
            pipe.xadd(KEYS.fixed("changes"), {"at": "1", "did": "discard", "what": "letters", "why": "", "by": "bob", **fields})
        pipe.execute()


class WhenThereIsNoHistory:
    def test_the_last_ten_thousand_acts_stay(self, desk: Desk) -> None:
        shorter(desk)
        desk.act(3)
        assert desk.in_stream() == LAST
        assert [act.why for act in desk.wooshq.audit(most=3).found] == ["w2", "w1", "w0"]


class WhenTheHistoryRefusesAnAct:
    async def test_the_others_are_kept_and_it_stays_among_the_last_of_the_ledger(self, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
        desk.listen()
        desk.act(5)
        written = desk.history.write_acts

        def write(acts: Iterable[KeptAct]) -> None:
            given = list(acts)
            if any(act.row["why"] == "w2" for act in given):
                raise HistoryRefused("the database refused it")
            written(given)

        monkeypatch.setattr(desk.history, "write_acts", write)
        with capture_logs() as logs:
            await desk.move()
        assert sorted(act.row["why"] for act in desk.history.find_acts(WhichActs(), 9)) == ["w0", "w1", "w3", "w4"]
        assert [one["event"] for one in logs] == ["history_act_refused"]
        assert "w2" in [act.why for act in desk.wooshq.audit(most=9).found]

    async def test_if_it_takes_nothing_all_acts_wait(self, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
        desk.listen()
        desk.act(3)

        def refuse(*_: object) -> None:
            raise HistoryRefused("the database refused it")

        with monkeypatch.context() as patched:
            patched.setattr(desk.history, "write_acts", refuse)
            patched.setattr(desk.history, "check", refuse)
            await desk.move()
        assert desk.in_history() == 0
        await desk.move()
        assert desk.in_history() == 3


class WhenTheHistoryIsAway:
    async def test_no_act_is_lost_and_the_stream_is_short_again_afterwards(self, desk: Desk) -> None:
        desk.listen()
        shorter(desk)
        desk.is_away = True
        desk.act(50)
        await desk.move()
        assert desk.in_stream() == LAST + 50
        desk.is_away = False
        await desk.move()
        assert (desk.in_stream(), desk.in_history()) == (LAST, LAST + 50)
        await desk.move()
        assert desk.in_history() == LAST + 50
        assert [act.why for act in desk.wooshq.audit(by="ana", most=60).found] == [f"w{n}" for n in range(49, -1, -1)]

    async def test_above_its_bytes_the_oldest_go_and_are_counted(self, desk: Desk) -> None:
        desk.listen(most=64 * 1024)
        shorter(desk)
        desk.act(200)
        state = desk.wooshq.do(EventLedger(desk.settings).state())
        assert desk.in_stream() > LAST
        assert state.acts_lost > 0
        assert state.acts_lost + desk.in_stream() == LAST + 200
        assert state.acts_bytes <= 64 * 1024 / 4 + 1000

    def test_what_the_ledger_has_is_shown_and_the_rest_is_named(self, desk: Desk, tmp_path: Path) -> None:
        desk.act(2)
        lost = Wooshq(some_settings(redis_url=desk.url, history_url=f"sqlite:///{tmp_path}/a-file/history.db"))
        (tmp_path / "a-file").write_text("")
        page = lost.audit()
        assert [act.why for act in page.found] == ["w1", "w0"]
        assert (page.history, len(page.not_searched)) == ("away", 1)
        lost.close()


class WhenBothAreRead:
    async def test_every_page_has_each_act_once_the_newest_first(self, desk: Desk) -> None:
        desk.listen()
        desk.act(20)
        await desk.move()
        desk.redis.xtrim(KEYS.fixed("changes"), maxlen=7, approximate=False)
        desk.act(5, by="bob")
        every = desk.all_pages(100)
        assert [act.why for act in every] == [f"w{n}" for n in (*range(4, -1, -1), *range(19, -1, -1))]
        for most in (1, 3, 8, 24, 25):
            assert desk.all_pages(most) == every
        assert desk.all_pages(2, by="bob") == every[:5]
        assert desk.all_pages(2, by="ana") == every[5:]

    async def test_a_person_is_taken_out_of_both_and_each_act_keeps_its_place(self, desk: Desk) -> None:
        desk.listen()
        for n in range(6):
            desk.act(why=f"user-7 {n}" if n % 2 else f"user-77 {n}")
            if n == 3:
                await desk.move()
        before = desk.all_pages(9)
        assert desk.wooshq.forget("user-7").acts == 3
        wanted = [(act.id, act.why.replace("user-7 ", "(forgotten) ")) for act in before]
        assert [(act.id, act.why) for act in desk.all_pages(2)][1:] == wanted
        await desk.move()
        desk.redis.delete(KEYS.fixed("changes"))
        assert [(act.id, act.why) for act in desk.all_pages(2)][1:] == wanted, "the history alone"

    def test_a_question_that_cannot_be_one_is_refused(self, desk: Desk) -> None:
        now = datetime.now(UTC)
        for wrong in ({"what": "people"}, {"after": "x"}, {"most": 0}, {"since": now.replace(tzinfo=None)}):
            with pytest.raises(ValueError, match=next(iter(wrong))):
                desk.wooshq.audit(**wrong)  # type: ignore[arg-type]
        desk.act()
        assert len(desk.wooshq.audit(since=now - timedelta(hours=1), until=now + timedelta(hours=1)).found) == 1
        assert desk.wooshq.audit(until=now - timedelta(hours=1)).found == ()
