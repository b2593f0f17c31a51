"""From the ledger to the history: killed anywhere, doubled, with SQL away or the stream full, nothing is lost and nothing is there twice."""

from __future__ import annotations

import asyncio

import pytest
from structlog.testing import capture_logs

from tests.integration.worker.history.desk import ATTEMPT, KEYS, Desk, until
from tests.rig import GENEROUS_S, an_intent
from wooshq.errors import Conflict, JobUnknown, LetterUnknown
from wooshq.history.record import Record
from wooshq.history.store import History, HistoryAway, HistoryNewer, open_history
from wooshq.intents.entry import new_id
from wooshq.jobs.calls import sweep
from wooshq.ledger.intents import Settlement
from wooshq.ledger.states import Event
from wooshq.search.tree import Field, Is
from wooshq_worker.keeper.history import ledger
from wooshq_worker.keeper.history.ledger import EventLedger


class WhenAnIntentHasEnded:
    async def test_the_history_has_it_and_the_ledger_has_only_its_id(self, desk: Desk) -> None:
        desk.listen()
        ids = desk.settled(n=3, doubt="an answer was lost")
        before = [desk.status(one) for one in ids]
        await desk.consumed(lambda: not desk.rows())
        assert [desk.status(one) for one in ids] == before
        assert sorted(desk.in_history()) == ids
        assert [one.id for one in desk.wooshq.intents(state="sent", most=2)] == ids[:0:-1]
        assert [one.id for one in desk.wooshq.intents(in_doubt=True)] == ids[::-1]
        assert desk.wooshq.cancel(ids[0]) == "sent"

    async def test_the_history_finds_it_by_what_was_accepted(self, desk: Desk) -> None:
        desk.listen()
        (sent,) = desk.settled(tags={"order": "77"}, idempotency_key="k")
        (body,) = desk.wooshq.do(desk.ledger.bodies([sent]))
        await desk.consumed(lambda: not desk.rows())
        history = open_history(desk.settings)
        assert history is not None
        try:
            for condition in (Is(Field.RECIPIENT, "u0"), Is(Field.TAG, "77", "order"), Is(Field.KEY, "k")):
                assert [(one.id, one.body) for one in history.find(condition, limit=9)] == [(sent, body)]
        finally:
            history.close()

    async def test_its_id_and_its_key_are_still_recognised(self, desk: Desk) -> None:
        desk.listen()
        mine = new_id()
        desk.settled(idempotency_key="k")
        (plain,) = desk.settled()
        desk.settled(id=mine)
        key = desk.status("k").id
        await desk.consumed(lambda: not desk.rows())
        assert desk.status("k").id == key
        assert desk.wooshq.enqueue(an_intent("u0", idempotency_key="k")) == key
        assert desk.wooshq.enqueue(an_intent("u0", id=mine)) == mine
        assert desk.wooshq.enqueue(an_intent("u0", id=plain)) == plain, "as after a lost answer"
        for other in (an_intent("another", idempotency_key="k"), an_intent("another", id=mine)):
            with pytest.raises(Conflict):
                desk.wooshq.enqueue(other)
        assert not desk.rows()

    async def test_thousands_of_ids_stay_as_numbers_and_each_is_recognised(self, desk: Desk) -> None:
        desk.listen()
        first = new_id()[:8]
        mine = [f"{first}{new_id()[8:]}" for _ in range(1200)]
        desk.wooshq.enqueue_many(an_intent(one, id=one) for one in mine)
        while claims := desk.wooshq.do(desk.ledger.take("transactional", 500, token=new_id(), taker="a")).claims:
            desk.wooshq.do(desk.ledger.settle([Settlement(one, Event.ACCEPTED, [ATTEMPT], message_code="M-1") for one in claims]))
        await desk.consumed(lambda: not desk.rows())
        sets = desk.redis.keys(f"{KEYS.prefix}gone:*")
        assert 3 < len(sets) < 20
        assert {desk.redis.object("encoding", one) for one in sets} == {b"intset"}
        assert all(desk.redis.pttl(one) > 0 for one in sets)
        assert [desk.wooshq.enqueue(an_intent(one, id=one)) for one in mine[::50]] == mine[::50]
        for one, other in zip(mine[::300], mine[1::300], strict=False):
            with pytest.raises(Conflict):
                desk.wooshq.enqueue(an_intent(other, id=one))
        assert not desk.rows()
        new = [new_id() for _ in range(20)]
        desk.wooshq.enqueue_many(an_intent(one, id=f"{first}{one[8:]}") for one in new)
        assert len(desk.rows()) == 20, "others are not taken for them"

    async def test_ids_that_the_version_before_kept_are_recognised(self, desk: Desk) -> None:
        """It split full sets by the last letters of ids, and not by their time."""
        desk.listen()
        gone = new_id()
        first = f"{KEYS.prefix}gone:{gone[:8]}"
        desk.redis.sadd(first, *range(500))
        desk.redis.sadd(first + gone[-1], *range(500))
        desk.redis.sadd(first + gone[-1] + gone[-2], int(gone.replace("-", ""), 16) % 2**62)
        desk.redis.hset(KEYS.fixed("telling"), mapping={"gone_till": 10**15, "gone_newest": gone})
        assert desk.wooshq.enqueue(an_intent("u0", id=gone)) == gone
        assert not desk.rows()

    async def test_a_large_body_is_not_read_to_forget_its_row(self, desk: Desk) -> None:
        desk.listen()
        desk.settled(message={"push": {"title": "Hi", "body": "long " * 10_000}})
        (key,) = desk.settled(idempotency_key="k", message={"push": {"title": "Hi", "body": "long " * 10_000}})
        await desk.consumed(lambda: not desk.rows())
        assert desk.status("k").id == key

    async def test_it_can_be_sent_again(self, desk: Desk) -> None:
        desk.listen()
        (sent,) = desk.settled()
        await desk.consumed(lambda: not desk.rows())
        again = desk.wooshq.resend(sent, "she asked", by="ana")
        assert again is not None
        assert (desk.status(again).state, desk.status(again).replay_of) == ("queued", sent)
        once_more = desk.wooshq.resend(sent, "she asked again", by="ana")
        assert desk.status(sent).replays == [again, once_more], "also for what the history has"

    async def test_what_somebody_may_still_need_stays(self, desk: Desk) -> None:
        """A dead letter, and a message that Pushwoosh keeps until its schedule."""
        desk.listen()
        (held,) = desk.settled(schedule={"at": "2099-01-01T00:00:00Z"}, held_ms=10**9)
        (dead,) = desk.settled(Event.GIVEN_UP)
        await desk.consumed(lambda: sorted(desk.in_history()) == sorted([held, dead]))
        assert sorted(desk.rows()) == sorted([held, dead])
        assert desk.wooshq.cancel(held) == "cancelling"
        assert desk.wooshq.dead_letters.discard(dead).discarded == 1
        history = open_history(desk.settings)
        assert history is not None
        await desk.consumed(lambda: history.read(dead, "letter") is not None)
        await desk.consumed(lambda: (history.read(held).shown["cancel"] or {}).get("outcome") == "asked")  # type: ignore[union-attr]
        history.close()


class WhenTheLedgerKeepsALetterOrAJobNoLonger:
    async def test_the_history_shows_it(self, desk: Desk) -> None:
        desk.listen()
        (dead,) = desk.settled(Event.GIVEN_UP)
        desk.wooshq.dead_letters.discard(dead, why="a test")
        job = desk.wooshq.fan_out({"message": {"push": {"title": "Hi"}}}, ["a", "b"])
        job.cancel()
        desk.wooshq.do(sweep(desk.wooshq.bulk.ledger, job.id))
        letter, before = desk.wooshq.dead_letters.show(dead), job.show()
        assert before.is_final
        await desk.consumed(lambda: not desk.redis.xlen(KEYS.fixed("events")))
        for key in desk.redis.keys("*"):
            if key.decode().partition("}:")[2].startswith(("intent:", "letter:", "job:")):
                desk.redis.delete(key)
        assert desk.wooshq.dead_letters.show(dead) == letter
        assert desk.wooshq.bulk.show(job.id).cancelled == before.cancelled == 2
        assert dict(desk.wooshq.bulk.show(job.id)) == {**before, "rate": 0.0}
        for unknown, call in ((LetterUnknown, desk.wooshq.dead_letters.show), (JobUnknown, desk.wooshq.bulk.show)):
            with pytest.raises(unknown):
                call(new_id())


class WhenAConsumerIsKilled:
    async def test_after_the_write_another_one_does_it_again_and_there_is_one_record(self, desk: Desk) -> None:
        desk.listen()
        ids = desk.settled(n=5)
        written, loop = asyncio.Event(), asyncio.get_running_loop()

        def write_and_die(history: History, records: list[Record]) -> None:
            history.write(records)
            loop.call_soon_threadsafe(written.set)
            raise asyncio.CancelledError

        desk.write = write_and_die
        async with desk.consumer():
            await asyncio.wait_for(written.wait(), GENEROUS_S)
        assert sorted(desk.rows()) == sorted(desk.in_history()) == ids
        desk.write = lambda history, records: history.write(records)
        await desk.consumed(lambda: not desk.rows())
        assert sorted(desk.in_history()) == ids

    async def test_two_at_once_and_doubled_events_do_no_harm(self, desk: Desk) -> None:
        desk.listen()
        ids = desk.settled(n=50)
        for one in ids:
            desk.redis.xadd(KEYS.fixed("events"), {"sent": f"{one} {one}"})
        async with desk.consumer(), desk.consumer():
            await until(lambda: not desk.rows() and not desk.redis.xlen(KEYS.fixed("events")))
        assert sorted(desk.in_history()) == ids
        assert int(desk.redis.hget(KEYS.fixed("telling"), "bytes") or 0) == 0


class WhenARowChangesBeforeItIsForgotten:
    async def test_it_stays_until_the_history_has_the_change(self, desk: Desk) -> None:
        desk.listen()
        (sent,) = desk.settled()
        changed: list[str | None] = []

        def write(history: History, records: list[Record]) -> None:
            if not changed:
                changed.append(desk.wooshq.resend(sent, "she asked", by="ana"))
                history.write(records)
                assert sent in desk.rows()
            else:
                history.write(records)

        desk.write = write
        await desk.consumed(lambda: sent not in desk.rows())
        assert desk.status(sent).replays == changed


class WhenTheDatabaseIsAway:
    async def test_it_waits_says_so_once_and_loses_nothing(self, desk: Desk) -> None:
        desk.listen()
        ids = desk.settled(n=5)
        tries: list[int] = []

        def write(history: History, records: list[Record]) -> None:
            tries.append(len(records))
            if len(tries) < 5:
                raise (HistoryNewer if len(tries) % 2 else HistoryAway)("the database is away")
            history.write(records)

        desk.write = write
        with capture_logs() as logs:
            await desk.consumed(lambda: not desk.rows())
        assert [entry["event"] for entry in logs if entry["event"] != "history_swept"] == ["history_away", "history_back"]
        assert sorted(desk.in_history()) == ids

    async def test_a_worker_that_ends_meanwhile_leaves_the_events_to_another_one(self, desk: Desk) -> None:
        desk.listen()
        ids = desk.settled(n=5)
        tried, loop = asyncio.Event(), asyncio.get_running_loop()

        def write(history: History, records: list[Record]) -> None:
            loop.call_soon_threadsafe(tried.set)
            raise HistoryAway("the database is away")

        desk.write = write
        async with desk.consumer():
            await asyncio.wait_for(tried.wait(), GENEROUS_S)
        assert desk.redis.xlen(KEYS.fixed("events")) == 1
        desk.write = lambda history, records: history.write(records)
        await desk.consumed(lambda: not desk.rows())
        assert sorted(desk.in_history()) == ids

    async def test_a_record_that_it_never_takes_does_not_stop_the_others(self, desk: Desk) -> None:
        desk.listen()
        ids = desk.settled(n=5)

        def write(history: History, records: list[Record]) -> None:
            if any(record.id == ids[2] for record in records):
                raise ValueError("a bug")
            history.write(records)

        desk.write = write
        with capture_logs() as logs:
            await desk.consumed(lambda: desk.rows() == [ids[2]])
        assert {entry["id"] for entry in logs if entry["event"] == "history_record_failed"} == {ids[2]}
        assert sorted(desk.in_history()) == sorted({*ids} - {ids[2]})
        desk.write = lambda history, records: history.write(records)
        desk.redis.hdel(KEYS.fixed("telling"), "swept_at")
        await desk.consumed(lambda: not desk.rows())


class WhenEndsWereNotTold:
    async def test_a_full_stream_is_swept_when_there_is_room_again(self, desk: Desk) -> None:
        desk.settings = desk.settings.model_copy(update={"events_max_bytes": 200})
        desk.listen(200)
        ids = sorted(one for _ in range(20) for one in desk.settled())
        assert desk.redis.xlen(KEYS.fixed("events")) < 5
        assert int(desk.redis.hget(KEYS.fixed("telling"), "untold") or 0) > 10
        with capture_logs() as logs:
            await desk.consumed(lambda: not desk.rows() and "history_swept" in [entry["event"] for entry in logs])
        assert not desk.redis.hexists(KEYS.fixed("telling"), "untold")
        assert sorted(desk.in_history()) == ids

    async def test_a_history_that_is_turned_on_later_takes_what_has_ended_before(self, desk: Desk) -> None:
        ids = desk.settled(n=5)
        waiting = desk.accepted()
        assert not desk.redis.exists(KEYS.fixed("events"))
        await desk.consumed(lambda: desk.rows() == waiting)
        assert sorted(desk.in_history()) == ids

    async def test_after_redis_was_emptied_it_listens_again(self, desk: Desk) -> None:
        async with desk.consumer():
            await until(lambda: bool(desk.redis.exists(KEYS.fixed("events"))))
            desk.redis.flushdb()
            await until(lambda: bool(desk.redis.exists(KEYS.fixed("events"))))


class WhenTheEventsHaveAnotherReader:
    async def test_they_stay_until_it_has_done_them_but_do_not_fill_redis(self, desk: Desk) -> None:
        most = 1500
        desk.settings = desk.settings.model_copy(update={"events_max_bytes": most})
        others = EventLedger(desk.settings, "others")
        desk.wooshq.do(others.listen(most))
        ids = desk.settled()
        await desk.consumed(lambda: not desk.rows() and not desk.redis.hexists(KEYS.fixed("telling"), "untold"))
        stream = KEYS.fixed("events")
        assert desk.redis.xlen(stream) == 1, "the other one has not done it"
        async with desk.consumer():
            while not desk.wooshq.do(others.state()).missed:
                ids += desk.settled()
                await until(lambda: not desk.rows())
        telling = desk.wooshq.do(others.state())
        assert telling.untold == 0
        assert telling.missed >= 1, "the oldest ones have left without it"
        assert telling.now_bytes <= most
        assert sorted(desk.in_history()) == sorted(ids)
        entries = desk.wooshq.do(others.take("a", 1000)) or []
        assert [one.id for entry in entries for one in entry.told] == ids[telling.missed :]
        desk.wooshq.do(others.done([entry.name for entry in entries]))
        assert desk.redis.xlen(stream) == 0


class WhenThereAreManyConsumers:
    async def test_one_works_until_it_leaves_or_is_silent_or_much_waits(self, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
        desk.listen()

        def taken(reader: str, *, own: bool = False) -> int:
            return len(desk.wooshq.do(desk.events.take(reader, 1, own=own, alone=True)) or [])

        for _ in range(8):
            desk.settled()
        assert (taken("a"), taken("b"), taken("a"), taken("b")) == (1, 0, 1, 0)
        assert taken("a", own=True) == 1, "what it has taken and not done"
        desk.wooshq.do(desk.events.leave("b"))
        assert taken("b") == 0, "another one cannot leave for it"
        desk.wooshq.do(desk.events.leave("a"))
        assert (taken("b"), taken("a")) == (1, 0)
        desk.redis.hset(KEYS.fixed("telling"), "lead|history", "b 1")
        assert (taken("a"), taken("b")) == (1, 0), "b was silent"
        monkeypatch.setattr(ledger, "HELP_BYTES", 10)
        assert taken("b") == 1, "a does not keep up"
