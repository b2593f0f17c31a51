"""A shared call is refused because of some recipients: these become dead letters, the others get the message, with few calls."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import ceil, log2
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.worker.jobs.build import NOW, a_chunk, a_delivery, a_started_call
from wooshq.jobs.units import Unit
from wooshq.ledger.chunks import ChunkRecord, DeadRecipient
from wooshq_worker.api.judge import judge
from wooshq_worker.api.outcome import Answer
from wooshq_worker.api.verdict import Verdict
from wooshq_worker.jobs.call_ended import call_ended


@dataclass
class Outcome:
    sent: set[str] = field(default_factory=set)
    dead: set[str] = field(default_factory=set)
    unknown: set[str] = field(default_factory=set)
    letters: list[DeadRecipient] = field(default_factory=list)
    calls: int = 0
    stopped: str = ""
    doubts: int = 0
    times: Counter[str] = field(default_factory=Counter)


Api = Callable[[Sequence[str]], Answer]


def rejecting(bad: set[str], *, naming: bool = False) -> Api:
    """An API that refuses a call with a bad recipient. naming: it says which recipients are bad, by their index."""

    def answer(identifiers: Sequence[str]) -> Answer:
        guilty = [at for at, person in enumerate(identifiers) if person in bad]
        if not guilty:
            return an_answer({"message_code": "M-1"})
        fields = [{"field": f"transactional.users.list[{at}]", "description": "is not valid"} for at in guilty] if naming else []
        details = [{"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": fields}] if naming else []
        return an_answer({"code": 3, "message": "invalid request", "details": details}, 400)

    return answer


def an_answer(body: Any, status: int = 200) -> Answer:
    return Answer(status, {}, json.dumps(body).encode())


def send(identifiers: Sequence[str], api: Api, *, proved: bool = True, units: Sequence[Unit] | None = None, marks: str = "") -> Outcome:
    """Do what a worker does with a chunk, without network and ledger."""
    units = units or [Unit("users", None, (), tuple(identifiers))]
    chunk = a_chunk(units, marks=marks, proved=proved)
    outcome = Outcome()
    final: dict[int, str] = {}
    streak = 0

    def note(record: ChunkRecord) -> None:
        nonlocal streak
        outcome.letters += record.letters
        outcome.doubts += sum(len(doubt.identifiers) for doubt in record.doubts)
        outcome.unknown.update(record.unknown)
        streak = record.streak + (0 if record.accepted else streak) if record.streak or record.accepted else streak
        outcome.stopped = record.stop or outcome.stopped or ("streak" if streak >= 5 and not chunk.proved else "")
        for mark, first, last in record.marks:
            for place in range(first, last + 1):
                assert final.get(place) not in ("S", "D", "U"), "no recipient ends twice"
                final[place] = mark

    while len(chunk.plan) and not chunk.held and not outcome.stopped:
        started = a_started_call(chunk)
        outcome.calls += 1
        answer = api(started.identifiers)
        if answer.status == 200:
            outcome.times.update(started.identifiers)
        verdict: Verdict = judge(answer, now=NOW, retry_after_ceiling_s=60)
        call_ended(started, a_delivery(verdict, http_status=answer.status), at=0)
        for record in chunk.take_records():
            note(record)

    everybody = [identifier for unit in units for identifier in unit.identifiers]
    outcome.sent = {everybody[place] for place, mark in final.items() if mark == "S"}
    outcome.dead = {everybody[place] for place, mark in final.items() if mark == "D"}
    return outcome


@given(identifiers=st.sets(st.integers(0, 10**6).map("u{}".format), min_size=1, max_size=200), data=st.data(), proved=st.booleans())
@settings(max_examples=150, deadline=None)
def test_halving_blames_exactly_the_bad(identifiers: set[str], data: st.DataObject, proved: bool) -> None:
    bad = set(data.draw(st.lists(st.sampled_from(sorted(identifiers)), unique=True, max_size=4)))
    outcome = send(sorted(identifiers), rejecting(bad), proved=proved)
    assert (outcome.dead, outcome.sent) == (bad, identifiers - bad)
    assert set(outcome.times.values()) <= {1}
    probes = 0 if proved else 6
    assert outcome.calls <= 1 + probes + 2 * max(1, len(bad)) * ceil(log2(len(identifiers) + 1))
    assert {json.loads(letter.body)["to"]["users"][0] for letter in outcome.letters} == bad
    assert all(len(letter.attempts) >= 1 for letter in outcome.letters)


@given(identifiers=st.sets(st.integers(0, 10**6).map("u{}".format), min_size=1, max_size=300), data=st.data())
@settings(max_examples=100, deadline=None)
def test_two_calls_are_enough_if_the_api_names_the_bad_recipients(identifiers: set[str], data: st.DataObject) -> None:
    bad = set(data.draw(st.lists(st.sampled_from(sorted(identifiers)), unique=True)))
    outcome = send(sorted(identifiers), rejecting(bad, naming=True))
    assert (outcome.dead, outcome.sent) == (bad, identifiers - bad)
    assert outcome.calls <= 2
    assert all(len(letter.attempts) == 1 for letter in outcome.letters), "the call that named them is listed once"
    assert len({letter.detail for letter in outcome.letters}) <= 1, (
        "letters with the same cause form one group, at whatever index their recipients were"
    )


class WhenTheRefusalIsNotAboutRecipients:
    def test_a_template_that_the_api_refuses_stops_the_job_after_a_handful_of_calls(self) -> None:
        identifiers = [f"u{n}" for n in range(1000)]
        outcome = send(identifiers, lambda some: an_answer({"code": 3, "message": "title too rude"}, 400), proved=False)
        assert outcome.stopped
        assert outcome.calls <= 6
        assert len(outcome.dead) <= 5

    def test_a_field_of_the_message_that_the_api_names_stops_the_job_at_once_and_no_recipient_is_dead(self) -> None:
        violation = {
            "@type": "type.googleapis.com/google.rpc.BadRequest",
            "fieldViolations": [{"field": "payload.preset", "description": "?"}],
        }
        outcome = send([f"u{n}" for n in range(1000)], lambda some: an_answer({"code": 3, "message": "no", "details": [violation]}, 400))
        assert (outcome.calls, outcome.dead, outcome.sent) == (1, set(), set())
        assert "for every recipient" in outcome.stopped

    def test_a_refused_value_ends_all_recipients_that_share_it_without_halving(self) -> None:
        violation = {
            "@type": "x.BadRequest",
            "fieldViolations": [{"field": "transactional.dynamic_content_placeholders", "description": "?"}],
        }
        units = [
            Unit("users", None, (("city", "Bonn"),), ("a", "b", "c")),
            Unit("users", None, (("city", "?"),), ("d", "e")),
        ]
        refusal, success = an_answer({"code": 3, "message": "no", "details": [violation]}, 400), an_answer({"message_code": "M"})
        outcome = send([], lambda some: refusal if "d" in some else success, units=units)
        assert (outcome.calls, outcome.dead, outcome.sent) == (2, {"d", "e"}, {"a", "b", "c"})


class WhenTheApiDoesNotKnowSomeRecipients:
    def test_they_are_recorded_apart_from_the_others(self) -> None:
        outcome = send(
            ["a", "b", "c"], lambda some: an_answer({"result": {"message_code": "M", "unknown_identifiers": {"users": ["b", "z"]}}})
        )
        assert (outcome.sent, outcome.unknown, outcome.dead) == ({"a", "c"}, {"b"}, set())


class WhenAnotherWorkerLeftTheChunkUnfinished:
    def test_only_recipients_that_have_not_ended_are_called(self) -> None:
        called: list[str] = []

        def api(some: Sequence[str]) -> Answer:
            called.extend(some)
            return an_answer({"message_code": "M-1"})

        outcome = send(["a", "b", "c", "d", "e"], api, marks="S.rDU")
        assert called == ["b", "c"]
        assert outcome.calls == 1
