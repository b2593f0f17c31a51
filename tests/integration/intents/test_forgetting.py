"""A person who is forgotten is nowhere any more: not in messages, letters, jobs and the history. Everybody else stays."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator

import pytest

from tests.rig import Rig, an_intent, wait_until
from tests.unit.history.records import a_record, act_row, an_id
from wooshq import Wooshq
from wooshq.history.acts import ActPlace, KeptAct
from wooshq.history.contract import History
from wooshq.history.store import open_history
from wooshq.intents.entry import new_id
from wooshq.ledger.intents import Claim, Settlement
from wooshq.ledger.states import Event, Reason
from wooshq.people.calls import forget_person
from wooshq.search.tree import Field, Is

ANN = "ann-4711"
TEMPLATE = {"message": {"push": {"title": "Sale for {{name}}"}}, "application": "AAAAA-BBBBB"}


@pytest.fixture
def history(rig: Rig) -> Iterator[History]:
    opened = open_history(rig.wooshq.settings)
    assert opened is not None
    yield opened
    opened.close()


def taken(rig: Rig) -> list[Claim]:
    ledger = rig.wooshq.ledger
    return list(rig.wooshq.do(ledger.take("transactional", 64, token=new_id(), taker="a")).claims)


def everything_in(rig: Rig) -> bytes:
    """Every key and value of the ledger, with what is packed in it."""
    found = b""
    with rig.redis() as server:
        for key in server.scan_iter("wq:*"):
            read = {b"hash": server.hgetall, b"string": server.get, b"set": server.smembers, b"stream": server.xrange}
            kind = server.type(key)
            content = read[kind](key) if kind in read else server.lrange(key, 0, -1) if kind == b"list" else server.zrange(key, 0, -1)
            found += key + repr(content).encode()
            if kind == b"hash" and b":chunk:" in key and b"data" in content:
                found += zlib.decompress(content[b"data"])
    return found


def test_a_person_is_forgotten_everywhere_and_nobody_else_is(rig: Rig, history: History) -> None:
    wooshq = rig.wooshq
    dead, shared = (wooshq.enqueue(an_intent(to={"users": users})) for users in ([ANN], [ANN, "bob"]))
    refused = {"reason": Reason.REJECTED, "detail": f"user {ANN} is unknown"}
    attempt = {"at": "2026-05-01T09:00:00.000Z", "outcome": "dead", "error": f"user {ANN} is unknown"}
    for claim in taken(rig):
        payload = json.dumps({"transactional": {"users": {"list": json.loads(claim.body)["to"]["users"]}}})
        assert wooshq.do(wooshq.ledger.settle([Settlement(claim, Event.GIVEN_UP, [attempt], payload=payload, **refused)])) == [True]
    waiting = wooshq.enqueue(an_intent(ANN, idempotency_key=f"order-of-{ANN}"))
    other = wooshq.enqueue(an_intent(f"{ANN}-2"))
    job = wooshq.fan_out(TEMPLATE, [{"user": who, "name": f"name of {who}"} for who in ("bob", ANN, "cid")])
    history.write([a_record(1, body={"to": {"users": [ANN]}}), a_record(2, body={"to": {"users": [ANN, "bob"]}})])
    wooshq.limits.set("rate", 5, why=f"{ANN} complains", by="bob")
    wooshq.limits.set("rate", 6, why="cid complains", by="bob")
    before = [(act.id, act.why.replace(ANN, "(forgotten)")) for act in wooshq.audit(by="bob").found]
    history.write_acts([KeptAct(ActPlace(1, 0), act_row(selection=f"tag.customer:{ANN}")), KeptAct(ActPlace(2, 0), act_row())])

    dry = json.loads(rig.cli("forget", "--recipient", ANN, "--dry-run", "--json").stdout)
    in_ledger = {"removed": 3, "changed": 2, "job_recipients": 1, "acts": 1}
    assert dry == {"cancelled": 1, **in_ledger, "history_removed": 1, "history_changed": 2, "left": 10}
    done = rig.cli("forget", "--recipient", ANN, "--why", "asked for it", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"cancelled": 1, **in_ledger, "history_removed": 1, "history_changed": 2, "left": 0}

    assert [wooshq.status(one) for one in (dead, waiting)] == [None, None]
    assert [letter.id for letter in wooshq.dead_letters.list()] == [shared]
    assert wooshq.dead_letters.show(shared).intent["to"] == {"users": ["bob"]}
    assert ANN not in json.dumps(dict(wooshq.dead_letters.show(shared)))
    assert rig.status(other).state == "queued"
    assert (wooshq.bulk.show(job.id).cancelled, wooshq.bulk.show(job.id).left) == (1, 2)
    assert history.find(Is(Field.RECIPIENT, ANN), limit=9) == []
    assert history.read(an_id(2)) is not None
    assert ANN.encode() not in everything_in(rig).replace(f"{ANN}-2".encode(), b"")
    act, *earlier = wooshq.audit().found
    earlier, kept = earlier[:-2], earlier[-2:]
    assert (act.did, act.what, act.why, act.count) == ("forgotten", "recipient", "asked for it", 10)
    assert [(one.id, one.why) for one in earlier] == before, "each in its place"
    assert [(one.id, one.selection) for one in kept] == [("2-0", ""), ("1-0", "tag.customer:(forgotten)")]


def test_a_job_that_continues_leaves_the_person_out(rig: Rig) -> None:
    wooshq = rig.wooshq
    job = wooshq.fan_out(TEMPLATE, [{"user": who, "name": "x"} for who in ("bob", ANN)])
    wooshq.bulk.cancel(job.id)
    assert wooshq.forget(ANN).left == 0
    assert [one.identifier for one in wooshq.bulk.unreached(job.id)] == ["bob"]


def test_what_operators_said_of_the_person_is_forgotten(rig: Rig) -> None:
    wooshq = rig.wooshq
    dead = wooshq.enqueue(an_intent("bob"))
    (claim,) = taken(rig)
    assert wooshq.do(wooshq.ledger.settle([Settlement(claim, Event.GIVEN_UP, reason=Reason.REJECTED, detail="no")])) == [True]
    patch = {"to": {"users": ["bob", ANN]}}
    planned = wooshq.dead_letters.replay(where=f"reason:rejected NOT recipient:{ANN}", patch=patch, why=f"for {ANN}", start=False)
    assert planned.id is not None
    wooshq.dead_letters.replay(dead, dry_run=True, why=f"{ANN} asked")
    wooshq.pause("CCCCC-DDDDD", why=f"{ANN} asked for it")
    wooshq.limits.set("rate", 5, application="CCCCC-DDDDD", why=f"{ANN} again")
    job = wooshq.fan_out(TEMPLATE, [{"user": "bob", "name": "x"}])
    wooshq.bulk.pause(job.id, why=f"until {ANN} is back")
    held = wooshq.do(forget_person(wooshq.settings, ANN, why="", by="ana", dry_run=False, within_s=0))
    assert held.left == 1, "the recipe of a replay that may be started names the person"
    wooshq.replays.cancel(planned.id)
    assert wooshq.forget(ANN).left == 0
    assert ANN.encode() not in everything_in(rig)
    assert wooshq.replays.show(planned.id).why == "for (forgotten)"
    assert next(gate for gate in wooshq.gates() if gate.application == "CCCCC-DDDDD").why == "(forgotten) asked for it"
    assert next(one for one in wooshq.limits.list() if one.application == "CCCCC-DDDDD").value == 5


def test_what_a_worker_sends_just_now_is_counted_as_left(rig: Rig) -> None:
    wooshq = rig.wooshq
    wooshq.enqueue(an_intent(ANN))
    (claim,) = taken(rig)
    assert wooshq.do(forget_person(wooshq.settings, ANN, why="", by="ana", dry_run=False, within_s=0)).left == 1
    assert rig.cli("forget", "--recipient", "", "--json").returncode == 2
    assert wooshq.do(wooshq.ledger.settle([Settlement(claim, Event.ACCEPTED, message_code="M")])) == [True]
    assert wooshq.forget(ANN).left == 0
    assert wooshq.forget(ANN).removed == 0


def test_what_workers_sent_and_brought_to_the_history_is_forgotten(rig: Rig, history: History) -> None:
    wooshq = rig.wooshq
    ids = [wooshq.enqueue(an_intent(to={"users": users})) for users in ([ANN], [ANN, "bob"], ["bob"])]
    rig.start_worker()
    wait_until(lambda: len(history.read_many(ids)) == 3, saw=lambda: [rig.status(one).state for one in ids])
    done = wooshq.forget(ANN)
    assert done.left == 0
    assert done.history_removed + done.removed >= 1
    assert wooshq.status(ids[0]) is None
    assert [rig.status(one).state for one in ids[1:]] == ["sent", "sent"]
    assert ANN.encode() not in everything_in(rig)
    assert [record.id for record in history.find(Is(Field.RECIPIENT, "bob"), limit=9)] == [ids[2], ids[1]]
    assert ANN not in repr(history.find(None, limit=9))


def test_a_dry_run_counts_as_the_call_does_also_where_the_letter_says_nothing_and_a_list_names_the_person_twice(
    rig: Rig, history: History
) -> None:
    wooshq = rig.wooshq
    wooshq.enqueue_many([an_intent(ANN), an_intent(to={"users": [ANN, "bob"]})])
    mine, _ = taken(rig)
    assert wooshq.do(wooshq.ledger.settle([Settlement(mine, Event.GIVEN_UP, [], reason=Reason.INVALID, detail="no payload was made")])) == [
        True
    ]
    wooshq.enqueue(an_intent(ANN))
    job = wooshq.fan_out(TEMPLATE, [{"user": who, "name": "x"} for who in ("bob", ANN)])
    with rig.redis() as server:
        server.rpush(wooshq.ledger.keys.job_part(job.id, "unknown"), ANN, "bob", ANN)
    dry = wooshq.forget(ANN, dry_run=True)
    assert (dry.cancelled, dry.job_recipients) == (1, 3)
    assert ANN.encode() in everything_in(rig), "nothing was changed"
    done = wooshq.do(forget_person(wooshq.settings, ANN, why="", by="ana", dry_run=False, within_s=0))
    assert done.left == 1, "the other call is in progress"
    assert {**dict(done), "changed": done.changed + 1, "left": 0} == {**dict(dry), "left": 0}


def test_an_identifier_that_is_a_part_of_numbers_is_forgotten_once(wooshq: Wooshq) -> None:
    wooshq.enqueue(an_intent("0"))
    wooshq.pause("CCCCC-DDDDD", why="0 asked for it", by="ana")
    assert wooshq.forget("0").acts == 1
    assert wooshq.forget("0").acts == 0
