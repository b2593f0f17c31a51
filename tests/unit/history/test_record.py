"""A record is made from the ledger's rows alone, and has everything that the command line shows."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given

from tests.rig import Rig
from tests.strategies import json_values
from tests.unit.history.records import AT, a_record, a_row, an_id
from wooshq import Wooshq
from wooshq.history.record import Record, intent_record, job_record, letter_record
from wooshq.ledger.intents import read_rows
from wooshq.ledger.keys import Keys
from wooshq.ledger.replies import as_row
from wooshq.ledger.steps import Ask, Steps


def row_at(key: str) -> Steps[dict[str, str]]:
    """Of an intent, a letter or a job."""
    intent = key.partition(":intent:")[2]
    if intent:
        return (yield from read_rows(Keys(key.partition(":")[0]), [intent])).rows[0]
    return as_row((yield Ask([("HGETALL", key)]))[0])


class WhenAnIntentHasEnded:
    def test_it_says_what_status_says(self, wooshq: Wooshq) -> None:
        intent_id = wooshq.enqueue({"to": {"users": ["u2", "u1"]}, "message": {"push": {"title": "Hi"}}, "application": "AAAAA-BBBBB"})
        wooshq.cancel(intent_id)
        shown = wooshq.status(intent_id)
        row = wooshq.do(row_at(wooshq.ledger.keys.intent(intent_id)))
        record = intent_record(intent_id, row)
        assert record.shown == dict(shown or {})
        assert (record.kind, record.id, record.state, record.app, record.recipients) == (
            "intent",
            intent_id,
            "cancelled",
            "AAAAA-BBBBB",
            ("u1", "u2"),
        )

    def test_it_has_what_a_search_asks_for(self) -> None:
        body = {
            "tags": {"order": "77"},
            "idempotency_key": "k",
            "campaign": "May",
            "message": {"push": {"title": {"en": "A", "de": "B"}, "data": {"x": ["C"]}}},
        }
        record = a_record(
            1, body=body, state="dead", reason="rejected", detail="no", doubts="2", bulk=an_id(9), **{"a:1": '["","dead",400,"BAD",9,"no"]'}
        )
        assert (record.tags, record.key, record.campaign, record.job) == ((("order", "77"),), "k", "May", an_id(9))
        assert (record.reason, record.status, record.code, record.letter) == ("rejected", 400, "BAD", an_id(1))
        assert (record.sent_texts, record.said, record.doubts) == ("A\nB\nC", "no", ("unknown",))
        assert (record.accepted_ms, record.ended_ms, record.changed_ms) == (AT - 800, AT, AT)

    def test_the_exact_form_is_read_too(self) -> None:
        request = {"transactional": {"users": {"list": ["u7"]}, "campaign": "C", "payload": {"preset": "P"}}}
        record = intent_record(an_id(1), a_row() | {"body": json.dumps({"request": request})})
        assert (record.recipients, record.campaign, record.sent_texts) == (("u7",), "C", "C\nP")

    @given(json_values)
    def test_a_body_can_be_anything(self, body: Any) -> None:
        record = intent_record(an_id(1), a_row() | {"body": json.dumps(body)})
        assert isinstance(record.sent_texts, str)


class WhenALetterHasEnded:
    def test_it_has_the_attempts_of_its_intent_and_of_its_replays(self) -> None:
        letter = {
            "id": an_id(1),
            "intent": an_id(1),
            "reason": "rejected",
            "detail": "no",
            "filed": str(AT),
            "lane": "bulk",
            "app": "A",
            "state": "closed",
        }
        first, replay = a_row(state="dead", body={"idempotency_key": "order-7"}), a_row(letter=an_id(1))
        record = letter_record(
            {**letter, "replays": an_id(2), "message_code": "M", "payload": '{"x":1}'}, [first, {}, replay], changed_ms=AT + 9
        )
        assert (record.kind, record.id, record.state, record.ended_ms, record.changed_ms) == ("letter", an_id(1), "closed", AT + 9, AT + 9)
        assert [attempt["outcome"] for attempt in record.shown["attempts"]] == ["sent", "sent"]
        assert (record.shown["message_code"], record.shown["replays"], record.payload) == ("M", [an_id(2)], '{"x":1}')
        assert (record.recipients, record.key) == (("u1",), "order-7"), "a replay has no key of its own"


class WhenAJobHasEnded:
    def test_it_says_what_bulk_show_says(self, rig: Rig) -> None:
        wooshq = rig.wooshq
        job = wooshq.fan_out(
            {"message": {"push": {"title": "Sale"}}, "campaign": "May", "application": "AAAAA-BBBBB"}, ({"user": f"u{n}"} for n in range(9))
        )
        wooshq.bulk.cancel(job.id)
        shown = wooshq.bulk.show(job.id)
        row = wooshq.do(row_at(wooshq.ledger.keys.job(job.id)))
        record = job_record(job.id, row)
        assert {name: record.shown[name] for name in shown} == dict(shown)
        assert (record.kind, record.lane, record.campaign, record.sent_texts) == ("job", "bulk", "May", "Sale")


def test_a_record_can_be_compared() -> None:
    assert a_record(1) == a_record(1) != a_record(2)
    with pytest.raises(TypeError):
        Record()  # type: ignore[call-arg]
