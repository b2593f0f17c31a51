"""What operators do beside the moves of a message: limits, pauses, retries that are hastened, tokens of the HTTP API, people who are forgotten."""

from __future__ import annotations

import pytest

from tests.integration.ledger.walker import HOUR_MS, Walker
from tests.rig import APPLICATION
from wooshq.history.aside import AsideLedger, NoHistory
from wooshq.history.person import Person
from wooshq.intents.entry import new_id
from wooshq.ledger.chunks import Doubt
from wooshq.ledger.gates import Heard, Shut, note_act
from wooshq.ledger.states import Event, Mark, Reason
from wooshq.letters.filter import cause_of
from wooshq.overview.ledger import PulseLedger
from wooshq.overview.rates import Ends
from wooshq.people.find import Finder, Round
from wooshq.tokens.calls import make_token, revoke_token
from wooshq_worker.keeper.history.ledger import EventLedger


def a_person_sets_limits_and_pauses_a_lane(walk: Walker) -> None:
    gates, name = walk.ledger.gates, walk.job(rate=2.0)
    walk.do(gates.set_limit("rate", APPLICATION, "5.0", why="slow", by="ana"))
    walk.do(gates.set_limit("share", "*", "0.5", why="", by="ana"))
    assert walk.taken_now(walk.accepted(lane="bulk")) is not None
    assert walk.watched.redis.hexists(walk.keys.pace(APPLICATION), "tat"), "the limit counts"
    walk.do(gates.set_limit("rate", APPLICATION, "", why="", by="ana"))
    walk.do(gates.report(APPLICATION, Heard(), [Shut("not_before", "slow down")]))
    assert set(walk.do(gates.learned([APPLICATION, "NEVER-MADE1"]))) == {APPLICATION}
    walk.do(gates.open("not_before", APPLICATION))
    walk.do(gates.shut("hand", "*", "noon", by="ana", lane="bulk"))
    assert walk.taken_now(walk.accepted(lane="bulk")) is None
    token = walk.taken(name)
    assert walk.begun(name, token, "0-3") == "held"
    assert walk.taken_now(walk.accepted()) is not None
    assert walk.do(gates.open_all("hand", by="ana")), "of a lane, too"
    walk.do(gates.set_limit("share", "*", "0.5", why="zoe asked", by="ana"))
    assert (forgotten(walk, "zoe").acts, forgotten(walk, "zoe").busy) == (1, 0)
    assert b"(forgotten) asked" in walk.watched.redis.hget(walk.keys.fixed("limits"), "share|*")
    assert [walk.do(walk.jobs.set_rate(i, 5.0, "", "ana")) for i in (name.job_id, "nobody")] == ["set", "gone"]
    walk.move(name, "cancel")
    walk.recorded(name, token, [(Mark.CANCELLED, 0, 3)], end="back")
    assert walk.do(walk.jobs.set_rate(name.job_id, None, "", "ana")) == "ended"


def tokens_are_made_and_revoked(walk: Walker) -> None:
    made = walk.do(make_token(walk.keys, "shop", ["send"], "", "ana"))
    assert made.secret
    assert [walk.do(revoke_token(walk.keys, "shop", "", "ana")) for _ in range(2)] == [True, False]


def forgotten(walk: Walker, who: str) -> Round:
    """What one round does."""
    found = walk.do(Finder(walk.settings, Person(who), 1 << 62).round())
    assert isinstance(found, Round)
    return found


def a_person_is_taken_out_of_messages(walk: Walker) -> None:
    to = {"users": ["ann", "bob"]}
    waiting = list(walk.waiting())
    shared, sent, held = walk.accepted(to=to), walk.accepted(), walk.accepted()
    walk.settled(sent, Event.ACCEPTED)
    walk.claimed(held)
    found = forgotten(walk, "u1")
    assert (found.cancelled, found.removed, found.busy) == (len(waiting), len(waiting) + 1, 1)
    assert (forgotten(walk, "ann").changed, forgotten(walk, "ann").found) == (1, 0)
    walk.settled(shared, Event.ACCEPTED)
    assert forgotten(walk, "bob").removed == 1


def a_person_is_taken_out_of_letters(walk: Walker) -> None:
    walk.dead()
    busy = walk.replayed()
    shared = walk.accepted(to={"users": ["ann", "bob"]})
    walk.settled(shared, Event.GIVEN_UP, payload='{"transactional":{"users":{"list":["ann","bob"]}}}', detail="ann is unknown")
    assert (forgotten(walk, "ann").changed, forgotten(walk, "ann").found) == (2, 0)
    assert b"ann" not in walk.watched.redis.hget(walk.keys.letter(shared), "payload")
    assert walk.watched.redis.hget(walk.keys.letter(shared), "detail") == b"(forgotten) is unknown"
    _, together = walk.replayed_together()
    found = forgotten(walk, "u1")
    assert found.busy > 0
    assert walk.row(together)["share"]
    assert not walk.watched.redis.exists(walk.keys.intent(busy)), "its replay was cancelled first"


def a_person_is_taken_out_of_jobs(walk: Walker) -> None:
    for held in (None, "pause", "stop"):
        name, token = walk.sending(1)
        assert forgotten(walk, "u0").busy == 1, "a worker holds it"
        if held == "pause":
            assert walk.move(name, "pause") == "paused"
        elif held == "stop":
            walk.recorded(name, token, stop="the API refuses the template")
        doubts = [Doubt("an answer was lost", ["u0"]), Doubt("an answer was lost", ["u0", "u1"])]
        marks, end = [(Mark.AGAIN, 0, 0)], "due" if held == "pause" else "back"
        walk.recorded(name, token, marks, end=end, wait_ms=HOUR_MS, doubts=doubts, unknown=["u0"])
        found = forgotten(walk, "u0")
        assert (found.recipients, found.busy) == (4, 0)
        assert walk.watched.redis.hget(walk.keys.job(name.job_id), "state") == b"done"
        assert forgotten(walk, "u0").found == 0
    name = walk.job(3)
    assert forgotten(walk, "u1").recipients >= 1
    assert walk.watched.redis.get(walk.keys.marks(name.job_id, 0)) == b".C."
    token = walk.taken(name)
    assert walk.recorded(name, token, [(Mark.SENT, 0, 0), (Mark.SENT, 2, 2)]) == "done"


def a_retry_does_not_wait_for_its_time(walk: Walker) -> None:
    waits = walk.settled(walk.accepted(), Event.FAILED).intent_id
    assert walk.do(walk.ledger.try_now(waits, "it is well again", "ana")) == "retrying"
    assert walk.do(walk.ledger.come_due("due", 10)) == [waits]
    assert walk.do(walk.ledger.try_now(walk.accepted(), "", "ana")) == "queued"
    assert walk.do(walk.ledger.try_now(new_id(), "", "ana")) == "gone"


def a_worker_tells_how_it_is(walk: Walker) -> None:
    pulse = PulseLedger(walk.keys)
    for n in (1, 2):
        walk.do(pulse.tell("w1", n, {"host": "web-1"}, {"bulk": Ends(sent=2, job_sent=1), "transactional": Ends()}))
    minutes = walk.watched.redis.hgetall(walk.keys.fixed("minutes"))
    assert {name.split()[0] for name in minutes} == {b"bulk"}
    kept = [[int(n) for n in text.split()] for name, text in minutes.items() if name != b"bulk sent_at"]  # a minute may end in between
    assert (sum(one[1] for one in kept), sum(one[5] for one in kept)) == (4, 2), "each telling counts once"
    walk.do(pulse.tell("w1", 3, None, {}))
    assert not walk.watched.redis.exists(walk.keys.fixed("workers"))


def letters_are_counted_by_their_cause(walk: Walker) -> None:
    letters, keys, client = walk.ledger.letters, walk.keys, walk.watched.redis
    ids = [walk.dead(), walk.dead()]
    cause = cause_of(Reason.REJECTED, "no", APPLICATION)
    assert walk.do(letters.ignore(cause, 10**13, until="later", why="known", by="ana")) == "ignored"
    assert walk.do(letters.ignore(cause, None, until="", why="", by="ana")) == "open"
    assert walk.do(letters.ignore("0" * 12, None, until="", why="", by="ana")) == "gone"
    client.delete(keys.fixed("causes"), keys.cause_part(cause, "letters"))  # as the version before left it
    assert walk.do(letters.count(1)) > 0
    while walk.do(letters.count(1)):
        pass
    assert client.zcard(keys.cause_part(cause, "letters")) == 2
    client.delete(keys.letter(ids[0]))  # its time is over
    assert sum(walk.do(letters.tidy([cause, "0" * 12], 1)) for _ in range(3)) == 1
    assert client.zscore(keys.fixed("causes"), cause) == 1


def acts_are_noted_kept_and_cleaned_of_a_person(walk: Walker) -> None:
    events = EventLedger(walk.settings)
    for why in ("ann asked", "noon"):
        walk.do(note_act(walk.keys, "discard", "letters", why=why, by="ana", count=2))
    entry = walk.do(events.acts(100))[-1][0]
    assert walk.do(events.acts_are_kept(entry, 2)) >= 2
    assert walk.do(events.acts(100)) == []
    acts = walk.watched.redis.xlen(walk.keys.fixed("changes"))
    assert forgotten(walk, "ann").acts == 1
    assert forgotten(walk, "ann").acts == 0
    assert walk.watched.redis.xlen(walk.keys.fixed("changes")) == acts
    ((_, again),) = walk.do(events.acts(100))
    assert again.row["why"] == "(forgotten) asked"


def what_was_tried_again_is_a_doubt(walk: Walker) -> None:
    waits, gone = walk.accepted(), new_id()
    for _ in range(2):
        walk.do(walk.ledger.tried_again({waits: "tried again by ana", gone: "tried again by ana"}))
    row = walk.watched.redis.hget(walk.keys.intent(waits), "causes")
    assert row == b"tried again by ana", "once"
    assert not walk.watched.redis.exists(walk.keys.intent(gone))


def what_the_history_refuses_is_set_aside_and_tried_again(walk: Walker) -> None:
    aside, client = AsideLedger(walk.keys), walk.watched.redis
    sent, gone = walk.accepted(), new_id()
    walk.settled(sent, Event.ACCEPTED)
    assert [walk.do(aside.put("sent", one, "too large")) for one in (sent, gone, sent)] == [True] * 3
    assert [(one.kind, one.id, one.why) for one in walk.do(aside.list())] == [("intent", sent, "too large")], "the other one has no row"
    listed = walk.do(aside.list())
    assert walk.do(aside.retry(listed, "the disk has room", "ana")) == 1
    assert walk.do(aside.list()) == []
    client.hset(walk.keys.fixed("history_aside"), mapping={f"intent {n}": "1 full" for n in range(1000)})
    assert not walk.do(aside.put("sent", sent, "too large")), "too many are listed"
    assert walk.do(aside.retry(listed, "", "ana")) == 0
    assert int(client.hget(walk.keys.fixed("telling"), "untold") or 0) > 0, "so all of the ledger is looked through"
    client.hdel(walk.keys.fixed("telling"), "heard|history")
    with pytest.raises(NoHistory):
        walk.do(aside.retry(listed, "", "ana"))


def a_letter_is_forgotten(walk: Walker) -> None:
    letter = walk.dead()
    walk.watched.redis.delete(walk.keys.letter(letter))
    walk.time_comes("letters", letter)
    assert walk.do(walk.ledger.letters.trim(10)) == 1


WALKS = [
    a_letter_is_forgotten,
    what_was_tried_again_is_a_doubt,
    letters_are_counted_by_their_cause,
    a_retry_does_not_wait_for_its_time,
    a_worker_tells_how_it_is,
    acts_are_noted_kept_and_cleaned_of_a_person,
    a_person_sets_limits_and_pauses_a_lane,
    tokens_are_made_and_revoked,
    what_the_history_refuses_is_set_aside_and_tried_again,
    a_person_is_taken_out_of_messages,
    a_person_is_taken_out_of_letters,
    a_person_is_taken_out_of_jobs,
]
