"""Each script makes exactly the moves of its header, and all of them together make the tables: a walk through every move, with real scripts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
import redis

from tests.integration.ledger import operators, replays
from tests.integration.ledger.walker import ATTEMPT, HOUR_MS, Walker, a_dead_recipient
from tests.integration.worker.events import walks as subscribers
from tests.rig import APPLICATION, change_moments
from tests.script_headers import header_of, table_moves
from tests.watched_ledger import WatchedLedger
from wooshq.intents.entry import new_id
from wooshq.intents.status import statuses_of
from wooshq.jobs.show import show_job
from wooshq.ledger import scripts
from wooshq.ledger.chunks import ChunkName, Doubt
from wooshq.ledger.gates import Heard, Shut
from wooshq.ledger.intents import CancelOutcome, Claim, Settlement
from wooshq.ledger.replies import as_row
from wooshq.ledger.states import FINAL, Event, Mark, Reason
from wooshq_worker.keeper.history.ledger import Ended, EventLedger, Kept

UNSAID = dict.fromkeys(("http_status", "code", "latency_ms", "error"))

# Intents and letters


def an_intent_is_sent(walk: Walker) -> None:
    walk.settled(walk.accepted(idempotency_key="k"), Event.ACCEPTED, unknown_identifiers=["u1"], doubt="an answer was lost")


def an_intent_is_sent_under_a_ceiling(walk: Walker) -> None:
    walk = Walker(walk.watched, rate_per_s=0.1)
    claims = [walk.taken_now(walk.accepted(lane="bulk")) for _ in range(4)]
    assert claims[0] is not None
    assert claims[-1] is None


def an_intent_fails_and_comes_due(walk: Walker) -> None:
    intent_id = walk.accepted()
    walk.settled(intent_id, Event.FAILED)
    walk.time_comes("due", intent_id)
    assert walk.do(walk.ledger.come_due("due", 10)) == [intent_id]
    assert len(walk.do(walk.ledger.due([intent_id]))) == 1


def a_gate_holds_an_intent_until_it_opens(walk: Walker) -> None:
    intent_id = walk.accepted(lane="bulk")
    walk.do(walk.ledger.gates.shut("hand", APPLICATION, "noon"))
    assert walk.taken_now(intent_id) is None
    assert walk.do(walk.ledger.gates.open("hand", APPLICATION))
    assert walk.taken_now(intent_id) is not None


def a_gate_lets_probes_through_and_opens(walk: Walker) -> None:
    gates = walk.ledger.gates
    intent_id = walk.accepted()
    assert walk.do(gates.report(APPLICATION, Heard(failed=1), [Shut("not_before", "slow down", 10.0)])) == ["shut not_before"]
    assert walk.do(gates.report(APPLICATION, Heard(failed=walk.settings.breaker_failures))) == ["shut circuit"]
    key = walk.keys.fixed("gates")
    for field, kept in walk.watched.redis.hgetall(key).items():
        walk.watched.redis.hset(key, field, kept.replace(b'"until_ms":1', b'"until_ms":0.1'))
    assert walk.claimed(intent_id).probe
    assert set(walk.do(gates.report(APPLICATION, Heard(well=1)))) == {"opened circuit", "opened not_before"}


def a_worker_settles_in_every_other_way(walk: Walker) -> None:
    for event in (Event.GIVEN_UP, Event.HANDED_BACK, Event.EXPIRE):
        walk.settled(walk.accepted(), event)


def a_worker_records_calls_before_an_attempt_has_ended(walk: Walker) -> None:
    claim = walk.claimed(walk.accepted())
    row = walk.keys.intent(claim.intent_id)
    for n in (1, 2):
        assert walk.do(walk.ledger.note(claim, [ATTEMPT] * n, waits=True))
        assert not walk.watched.redis.hexists(row, "begun")
        assert walk.do(walk.ledger.note(claim, [ATTEMPT] * n, waits=False))
        assert walk.watched.redis.hexists(row, "begun")
    assert walk.do(walk.ledger.settle([Settlement(claim, Event.ACCEPTED, [ATTEMPT] * 3, message_code="M-1")])) == [True]
    assert walk.do(statuses_of(walk.keys, [claim.intent_id]))[0].attempts == [{**UNSAID, **ATTEMPT, "probe": False}] * 3
    assert not walk.do(walk.ledger.note(claim, [ATTEMPT], waits=False)), "it is final"


def a_settlement_is_late(walk: Walker) -> None:
    claim = walk.settled(walk.accepted(), Event.HANDED_BACK)
    walk.claimed(claim.intent_id)
    slow = Settlement(
        Claim(claim.intent_id, "another", "{}", 1, "bulk", APPLICATION, 0, None, 1, 0, 0, 0), Event.ACCEPTED, message_code="M"
    )
    assert walk.do(walk.ledger.settle([slow])) == [False]


def an_intent_expires_before_it_is_taken(walk: Walker) -> None:
    for accepted in (lambda: walk.accepted(ttl_s=100), walk.replayed):
        intent_id = accepted()
        change_moments(walk.watched.redis, walk.keys.intent(intent_id), expires=1)
        assert walk.taken_now(intent_id) is None
        assert walk.do(walk.ledger.cancel(intent_id)) == "expired"


def a_worker_is_lost(walk: Walker) -> None:
    for intent_id in (walk.accepted(), walk.replayed()):
        for queued in (1, 0):
            walk.claimed(intent_id)
            walk.time_comes("leases", intent_id)
            assert len(walk.do(walk.ledger.take_over([intent_id], {}))) == queued


def what_waits_expires(walk: Walker) -> None:
    for intent_id in (*walk.waiting(), walk.replayed()):
        walk.time_comes("expiry", intent_id)
        assert walk.do(walk.ledger.expire([intent_id])) == [intent_id]


def what_was_sent_is_sent_again(walk: Walker) -> None:
    sent = walk.settled(walk.accepted(), Event.ACCEPTED).intent_id
    for by in ("ana", "bob"):
        assert walk.do(walk.ledger.resend(sent, walk.entry(), "she asked", by)) == "resent"
    assert walk.do(walk.ledger.resend(walk.accepted(), walk.entry(), "no", "ana")) == "queued"
    assert walk.do(walk.ledger.resend(new_id(), walk.entry(), "no", "ana")) == "gone"
    assert walk.do(walk.ledger.resend(new_id(), walk.entry(), "the history has it", "ana", was_sent=True)) == "resent"


def what_waits_is_cancelled(walk: Walker) -> None:
    assert walk.do(walk.ledger.cancel(walk.accepted(), "never mind", "ana")) == "cancelled"
    for intent_id in (*walk.waiting(), walk.replayed()):
        assert walk.do(walk.ledger.cancel(intent_id)) == "cancelled"


def the_api_is_asked_to_cancel_what_was_sent(walk: Walker) -> None:
    ledger, sent = walk.ledger, walk.settled(walk.accepted(), Event.ACCEPTED, held_ms=60_000).intent_id
    assert walk.do(ledger.ask_cancel(walk.accepted(), 1)) == "queued"
    assert walk.do(ledger.ask_cancel(new_id(), 1)) == "gone"
    assert walk.do(ledger.ask_cancel(sent, 10**12, "never mind", "ana")) == "asked"
    (first,) = walk.do(ledger.take_cancels([sent], new_id()))
    assert (first.message_code, first.lost, first.tries, first.until_ms) == ("M-1", 0, 1, 10**12)
    assert walk.do(ledger.take_cancels([sent], new_id())) == [], "another process holds it"
    assert walk.do(ledger.record_cancel(first, CancelOutcome("again", "no answer", was_answered=False))) == "recorded"
    (slow,) = walk.do(ledger.take_cancels([sent], new_id()))
    walk.time_comes("cancels", sent)
    (second,) = walk.do(ledger.take_cancels([sent], new_id()))
    assert (second.lost, second.tries) == (2, 3)
    assert walk.do(ledger.record_cancel(slow, CancelOutcome("refused", "late"))) == "lost"
    assert walk.do(ledger.record_cancel(second, CancelOutcome("again", "503"))) == "recorded"
    (third,) = walk.do(ledger.take_cancels([sent], new_id()))
    assert third.lost == 2, "an answered request does not count"
    assert walk.do(ledger.record_cancel(third, CancelOutcome("unknown", "cannot be cancelled any more"))) == "recorded"
    assert walk.do(ledger.record_cancel(slow, CancelOutcome("cancelled", "it was"))) == "recorded", "proof counts, however late"
    assert walk.do(ledger.ask_cancel(sent, 1)) == "cancelled"
    doubted = walk.settled(walk.accepted(), Event.ACCEPTED, held_ms=60_000).intent_id
    for outcome, lost in (("unknown", 0), ("unknown", 1), ("refused", 2)):
        assert walk.do(ledger.ask_cancel(doubted, 10**12)) == "asked"
        (cancel,) = walk.do(ledger.take_cancels([doubted], new_id()))
        assert cancel.lost == lost, "a request that may have cancelled the message counts, also when it is asked for again"
        walk.do(ledger.record_cancel(cancel, CancelOutcome(outcome, "no answer")))
    assert walk.do(ledger.ask_cancel(doubted, 10**12)) == "asked"
    (cancel,) = walk.do(ledger.take_cancels([doubted], new_id()))
    assert cancel.lost == 0, "no request before is in doubt"
    walk.do(ledger.record_cancel(cancel, CancelOutcome("refused", "too late")))
    walk.do(ledger.ask_cancel(forgotten := walk.settled(walk.accepted(), Event.ACCEPTED).intent_id, 10**12))
    walk.watched.redis.delete(walk.keys.intent(forgotten))
    assert walk.do(ledger.take_cancels([forgotten], new_id())) == []
    assert not walk.watched.redis.exists(walk.keys.fixed("cancels"))


def what_is_not_an_intent_is_filed_edited_and_discarded(walk: Walker) -> None:
    letters, letter = walk.ledger.letters, new_id()
    assert walk.do(letters.file(letter, "not JSON", Reason.INVALID, "is not JSON", lane="transactional"))
    assert walk.do(letters.edit(letter, "{}", seen="")) == "edited"
    assert walk.do(letters.discard([letter, new_id()], "a test", by="ana", selection="reason:invalid")) == ["discarded", "gone"]
    assert walk.do(letters.discard([letter], "")) == ["discarded"]


def what_has_ended_is_told_read_and_forgotten(walk: Walker) -> None:
    events = walk.events
    sent, held, dead = walk.settled(walk.accepted(), Event.ACCEPTED), walk.settled(walk.accepted(), Event.ACCEPTED), walk.dead()
    claim = walk.settled(walk.replayed(), Event.ACCEPTED)
    name, token = walk.sending(1)
    walk.recorded(name, token, [(Mark.SENT, 0, 0)])
    entries = walk.do(events.take("one", 100))
    told = [one for entry in entries for one in entry.told]
    assert {Ended("sent", sent.intent_id), Ended("dead", dead), Ended("sent", claim.intent_id), Ended("job", name.job_id)} <= {*told}
    assert walk.do(events.take("another", 100)) == [], "the first one has them"
    assert walk.do(events.take("another", 100, lost_after_ms=0)) == entries, "it may be lost"
    rows = walk.do(events.read(told))
    assert all(row for found in rows for row in found)
    first = [as_row([row]) if isinstance(row, str) else row for row, *_ in rows]
    kept = [Kept(one, row.get("changed") or row.get("ended") or row["filed"]) for one, row in zip(told, first, strict=True)]
    kept = [replace(one, until_ms=10**13) if one.ended.id == held.intent_id else one for one in kept]
    assert walk.do(events.forget([entry.name for entry in entries], [Kept(told[0], "1"), *kept], "one")) == 4, (
        "a message; a letter that is closed, its intent and its replay"
    )
    assert walk.do(events.take("one", 100, lost_after_ms=0)) == []
    gone = [one.id for one in told if one.kind in FINAL and not walk.watched.redis.exists(walk.keys.intent(one.id))]
    assert {sent.intent_id, claim.intent_id} < {*gone}, "and the intent that died first"
    assert len(gone) == 3
    assert walk.watched.redis.exists(walk.keys.letter(dead)), "it is open"
    (letter,) = {*gone} - {sent.intent_id, claim.intent_id}
    assert walk.do(walk.ledger.letters.edit(letter, "{}", seen="")) == "taken closed"
    assert walk.do(walk.ledger.letters.discard([letter], "")) == ["taken closed"]
    assert walk.do(walk.ledger.settle([Settlement(sent, Event.ACCEPTED, [ATTEMPT], message_code="M-1")])) == [True]
    assert not walk.do(walk.ledger.letters.file(sent.intent_id, "{}", Reason.INVALID, "no", lane="bulk"))
    walk.do(events.state())


def events_stay_until_every_group_has_done_them(walk: Walker) -> None:
    others = EventLedger(walk.settings, "others")
    walk.do(others.listen(10**9))
    sent = walk.settled(walk.accepted(), Event.ACCEPTED).intent_id
    told = [entry.name for entry in walk.do(walk.events.take("one", 100))]
    walk.do(walk.events.forget(told, []))
    stream = walk.keys.fixed("events")
    assert walk.watched.redis.xlen(stream) == len(told), "the others have not done them"
    theirs = walk.do(others.take("a", 100))
    assert Ended("sent", sent) in [one for entry in theirs for one in entry.told]
    assert walk.do(others.take("a", 100, own=True)) == theirs, "as after its death"
    walk.do(others.take("a", 100, alone=True))
    walk.do(others.leave("a"))
    walk.do(others.done([entry.name for entry in theirs]))
    assert walk.watched.redis.xlen(stream) == 0
    assert walk.do(others.stop(0.0, ["history"])) == ["others"]


def a_ledger_is_swept_for_what_was_not_told(walk: Walker) -> None:
    events = walk.events
    assert walk.do(events.listen(1)) == (1, 0), "what ended before was not told"
    sent = walk.settled(walk.accepted(), Event.ACCEPTED).intent_id
    walk.settled(walk.replayed(), Event.ACCEPTED)
    walk.move(walk.job(1), "cancel")
    assert walk.do(events.take("one", 100)) == []
    may, untold = walk.do(events.sweep("one", "begin"))
    assert (may, untold) == (True, 5)
    assert walk.do(events.sweep("another", "begin")) == (False, 5)
    assert walk.do(events.sweep("another", "go on")) == (False, 5)
    cursor, found = walk.do(events.page(0, 10_000))
    assert cursor == 0
    assert sorted(one.kind for one in found) == ["dead", "letter", "sent", "sent"]
    assert Ended("sent", sent) in found
    assert walk.do(events.sweep("one", "go on"))[0]
    assert walk.do(events.sweep("one", "end", untold)) == (True, 5)
    assert walk.do(events.sweep("one", "begin")) == (False, 0)
    assert walk.do(events.stop(60.0)) == [], "somebody listens"
    assert walk.do(events.stop(0.0, ["history"])) == [], "the caller reads them itself"
    assert walk.do(events.stop(0.0)) == ["history"]
    assert walk.do(events.take("one", 100)) is None


def the_keeper_rings_where_no_worker_has_answered(walk: Walker) -> None:
    bells = walk.keys.fixed("bells")
    walk.accepted()
    walk.accepted(lane="bulk")
    assert walk.do(walk.ledger.be_keeper("me", 3.0))
    assert not walk.do(walk.ledger.be_keeper("another", 3.0))
    assert walk.do(walk.ledger.ring()) == [], "the producers have rung"
    walk.watched.redis.hset(bells, "transactional:rung", 1)
    assert walk.do(walk.ledger.ring()) == ["transactional"], "the bell was lost"
    walk.do(walk.ledger.take("bulk", 0, token=new_id(), taker="a"))
    assert walk.do(walk.ledger.ring()) in ([], ["bulk"])


def a_ledger_of_the_version_before_is_taken_in(walk: Walker) -> None:
    for name in ("queued:bulk", f"held:{APPLICATION}"):
        intent_id = walk.accepted(lane="bulk")
        walk.watched.redis.zrem(walk.keys.queue("bulk", APPLICATION), intent_id)
        walk.watched.redis.zadd(walk.keys.before_queues(name), {intent_id: 1})
        assert walk.do(walk.ledger.take_in(name, 10)) == 1
        assert walk.taken_now(intent_id) is not None


# Jobs, chunks and marks


def every_recipient_ends_in_its_own_way(walk: Walker) -> None:
    name, token = walk.sending(7)
    ends = [Mark.SENT, Mark.UNKNOWN, Mark.EXPIRED, Mark.CANCELLED, Mark.AGAIN, Mark.WAITING]
    marks: list[tuple[str, int, int]] = [(mark, place, place) for place, mark in enumerate(ends)]
    doubts = [Doubt("an answer was lost", ["u6"])]
    fields = {"accepted": 1, "unknown": ["u1"], "letters": [a_dead_recipient()], "doubts": doubts, "dead_in_doubt": 1}
    assert walk.recorded(name, token, [*marks, (Mark.DEAD, 6, 6)], **fields) == "sending"
    assert walk.begun(name, token, "4-5") == "go"
    assert walk.recorded(name, token, [(Mark.SENT, 4, 5)]) == "done"


def a_redis_that_lost_its_last_second_receives_outcomes(walk: Walker) -> None:
    for before in (Mark.WAITING, Mark.AGAIN):
        for end in (Mark.SENT, Mark.DEAD, Mark.UNKNOWN, Mark.EXPIRED, Mark.CANCELLED):
            name, token = walk.sending()
            walk.recorded(name, token, [(before, 0, 3)])
            assert walk.recorded(name, token, [(end, 0, 3)]) == "done"


def a_worker_releases_a_chunk(walk: Walker) -> None:
    for end in ("back", "due"):
        name, token = walk.sending()
        at = walk.recorded(name, token, [(Mark.AGAIN, 0, 3)], end=end, wait_ms=HOUR_MS, log="[]")
        assert at == ("queued" if end == "back" else "retrying")
        if end == "due":
            walk.time_comes("chunk_due", str(name))
            assert walk.do(walk.jobs.chunks.due(name))
        assert walk.begun(name, token, "0-0") == "lost"
        assert walk.recorded(name, token, [(Mark.SENT, 0, 3)]) == at.replace("retrying", "queued")


def a_worker_releases_a_chunk_and_does_not_know_of_a_call(walk: Walker) -> None:
    name, token = walk.sending()
    assert walk.recorded(name, token, [(Mark.AGAIN, 0, 2)], end="back") == "sending"


def a_chunk_s_worker_is_lost(walk: Walker) -> None:
    name, token = walk.sending()
    assert walk.lease_ends(name, token, dead=(1,)) == "moved"
    assert walk.do(show_job(walk.keys, name.job_id)).workers_lost == 1
    assert walk.do(walk.jobs.chunks.set_aside(str(name), 60.0)) is False
    walk.taken(name)
    assert walk.do(walk.jobs.chunks.set_aside(str(name), 60.0)) is True


def a_job_ends_with_the_letters_of_a_lost_worker(walk: Walker) -> None:
    for held in (None, "pause", "stop"):
        name, token = walk.sending(2)
        hold(walk, name, token, held)
        assert walk.lease_ends(name, token, dead=(0, 1)) == "done"


def a_job_ends_with_a_record(walk: Walker) -> None:
    for held in (None, "pause", "stop"):
        name, token = walk.sending(2)
        hold(walk, name, token, held)
        assert walk.recorded(name, token, [(Mark.SENT, 0, 1)]) == "done"


def a_job_ends_when_no_more_recipients_come(walk: Walker) -> None:
    for held in (None, "pause", "stop"):
        name, token = walk.sending(2, fed=False)
        hold(walk, name, token, held)
        walk.recorded(name, token, [(Mark.SENT, 0, 1)])
        assert walk.end_feeding(name.job_id, 0) == "short"
        assert walk.end_feeding(name.job_id) == "done"


def hold(walk: Walker, name: ChunkName, token: str, how: str | None) -> None:
    """Hold a job of which calls are in progress."""
    if how == "pause":
        assert walk.move(name, "pause") == "paused"
    elif how == "stop":
        walk.recorded(name, token, stop="the API refuses the template")


def a_job_is_paused_stopped_and_resumed(walk: Walker) -> None:
    name, token = walk.sending(4)
    assert walk.move(name, "pause") == "paused"
    assert walk.begun(name, token, "0-0") == "paused"
    assert walk.move(name, "resume") == "running"
    walk.recorded(name, token, streak=walk.settings.bulk_stop_after, streak_of="no")
    assert walk.move(name, "resume") == "running"


def a_job_is_cancelled(walk: Walker) -> None:
    for held in (None, "pause", "stop"):
        name, token = walk.sending(4)
        hold(walk, name, token, held)
        end = "due" if held == "pause" else "back"
        walk.recorded(name, token, [(Mark.AGAIN, 0, 1), (Mark.WAITING, 2, 3)], end=end, wait_ms=HOUR_MS)
        assert walk.move(name, "cancel") == "cancelled"
        assert walk.do(walk.jobs.chunks.sweep(name)) == 4


def a_job_s_time_is_over(walk: Walker) -> None:
    for held in (None, "pause", "stop"):
        name, token = walk.sending(4, ttl_ms=100_000)
        walk.recorded(name, token, [(Mark.AGAIN, 0, 1), (Mark.WAITING, 2, 3)])
        hold(walk, name, token, held)
        walk.recorded(name, token, end="back")
        walk.watched.redis.hset(walk.keys.job(name.job_id), "expires", 1)
        assert walk.do(walk.jobs.chunks.sweep(name)) == 4


def a_job_s_calls_may_not_leave(walk: Walker) -> None:
    name = walk.job(ttl_ms=100_000, idempotency_key="k")
    token = walk.taken(name)
    walk.do(walk.ledger.gates.shut("hand", "*", "noon"))
    assert walk.begun(name, token, "0-3") == "held"
    walk.do(walk.ledger.gates.open("hand", "*"))
    walk.watched.redis.hset(walk.keys.job(name.job_id), "expires", 1)
    assert walk.begun(name, token, "0-3") == "expired"


def a_job_waits_for_its_slots(walk: Walker) -> None:
    walk = Walker(walk.watched, rate_per_s=0.1)
    name = walk.job(4, rate=0.1)
    token = walk.taken(name)
    assert walk.begun(name, token, "0-0") == "go"
    assert [walk.begun(name, token, f"{place}-{place}") for place in (1, 2)][-1] == "wait"


def a_roll_out_goes_from_step_to_step(walk: Walker) -> None:
    jobs = walk.jobs
    name = walk.job(4, rollout=(1, 2, 4), step_wait_ms=100_000)
    token = walk.taken(name)
    assert walk.do(jobs.end_rollout_step(name.job_id)) == "waits"
    assert walk.begun(name, token, "0-3") == "go"
    assert walk.begun(name, token, "1-3") == "step"
    walk.recorded(name, token, [(Mark.SENT, 0, 0)], accepted=1)
    assert walk.do(jobs.end_rollout_step(name.job_id)) == "paused"
    walk.watched.redis.hset(walk.keys.job(name.job_id), "goes_on", 1)
    assert walk.do(jobs.end_rollout_step(name.job_id)) == "running"
    assert walk.begun(name, token, "1-3") == "go"
    walk.recorded(name, token, [(Mark.SENT, 1, 1)], accepted=1)
    assert walk.do(jobs.end_rollout_step(name.job_id)) == "paused"
    assert walk.move(name, "resume") == "running"
    assert walk.begun(name, token, "2-3") == "go"
    walk.recorded(name, token, [(Mark.SENT, 2, 3)], accepted=1)
    assert walk.do(jobs.end_rollout_step(name.job_id)) == "last"


def a_roll_out_stops(walk: Walker) -> None:
    name = walk.job(4, rollout=(2, 4), stop_at=0.1)
    token = walk.taken(name)
    assert walk.begun(name, token, "0-3") == "go"
    walk.recorded(name, token, [(Mark.DEAD, 0, 1)], letters=[a_dead_recipient() for _ in range(2)])
    assert walk.do(walk.jobs.end_rollout_step(name.job_id)) == "stopped"
    assert walk.move(name, "resume") == "running"


WALKS: list[Callable[[Walker], None]] = [
    an_intent_is_sent,
    an_intent_is_sent_under_a_ceiling,
    an_intent_fails_and_comes_due,
    a_gate_holds_an_intent_until_it_opens,
    a_gate_lets_probes_through_and_opens,
    *operators.WALKS,
    a_worker_settles_in_every_other_way,
    a_worker_records_calls_before_an_attempt_has_ended,
    a_settlement_is_late,
    an_intent_expires_before_it_is_taken,
    a_worker_is_lost,
    what_waits_expires,
    what_was_sent_is_sent_again,
    what_waits_is_cancelled,
    the_api_is_asked_to_cancel_what_was_sent,
    what_is_not_an_intent_is_filed_edited_and_discarded,
    what_has_ended_is_told_read_and_forgotten,
    events_stay_until_every_group_has_done_them,
    a_ledger_is_swept_for_what_was_not_told,
    the_keeper_rings_where_no_worker_has_answered,
    a_ledger_of_the_version_before_is_taken_in,
    every_recipient_ends_in_its_own_way,
    a_redis_that_lost_its_last_second_receives_outcomes,
    a_worker_releases_a_chunk,
    a_worker_releases_a_chunk_and_does_not_know_of_a_call,
    a_chunk_s_worker_is_lost,
    a_job_ends_with_the_letters_of_a_lost_worker,
    a_job_ends_with_a_record,
    a_job_ends_when_no_more_recipients_come,
    a_job_is_paused_stopped_and_resumed,
    a_job_is_cancelled,
    a_job_s_time_is_over,
    a_job_s_calls_may_not_leave,
    a_job_waits_for_its_slots,
    a_roll_out_goes_from_step_to_step,
    a_roll_out_stops,
    *replays.WALKS,
    *subscribers.WALKS,
]


@pytest.fixture(scope="module")
def walked(redis_server: str) -> Iterator[WatchedLedger]:
    """A ledger in which every walk was made."""
    watched = WatchedLedger(redis_server.replace("{db}", "0"))
    for walk in WALKS:
        walk(Walker(watched))
    yield watched
    watched.close()


@pytest.mark.parametrize("name", scripts.names())
def test_a_script_makes_exactly_the_moves_of_its_header(walked: WatchedLedger, name: str) -> None:
    """And, at each run: no key that it does not declare, an answer as declared, nothing the second time, and a full Redis as declared."""
    assert walked.ran[name], "no walk runs it"
    assert sorted(map(str, walked.made.get(name, ()))) == sorted(map(str, header_of(name).moves))


def test_the_scripts_together_make_exactly_the_moves_of_the_tables(walked: WatchedLedger) -> None:
    made = {move for moves in walked.made.values() for move in moves}
    assert sorted(map(str, made)) == sorted(map(str, table_moves()))


def test_a_script_cannot_touch_a_key_that_it_does_not_declare(walked: WatchedLedger) -> None:
    """Otherwise the walks would prove nothing about keys."""
    walked.redis.execute_command("ACL", "SETUSER", "watched", "resetkeys", "~declared")
    with pytest.raises(redis.ResponseError, match="access"):
        walked.script_client.eval("return redis.call('SET', 'another', 1)", 1, "declared")
