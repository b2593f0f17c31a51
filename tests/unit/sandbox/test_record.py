"""What is kept of the calls, and how somebody who got a message twice is found."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.unit.sandbox.bodies import a_body, bent, example
from wooshq_worker.sandbox.record import Call, Record, Recording, addressed, content_key

A_CALL = Call(1, 0.0, "A", ("u",), True, True, 200, "", "C", 1, b"x" * 100)


def a_record(mode: Recording = "all", keep_calls: int = 100, keep_pairs: int = 100) -> Record:
    return Record(mode=mode, keep_calls=keep_calls, keep_pairs=keep_pairs)


def accept(record: Record, body: dict[str, Any]) -> None:
    application, recipients, kind = addressed(body)
    order = record.count(status=200, accepted=True, token_ok=True, fault="")
    record.remember(order, application, recipients, content_key(body, kind), f"C-{order}")


class WhenABodyIsReadForItsAddress:
    @pytest.mark.parametrize(
        "body, found",
        [
            (example("transactional-users"), ("XXXXX-XXXXX", ("user-1", "user-2"), "users")),
            (example("transactional-hwids"), ("XXXXX-XXXXX", ("8f65b16df378e7a6",), "hwids")),
            (example("segment-quick-start"), ("XXXXX-XXXXX", ("code:active_users",), "code")),
            (example("segment-live-update"), ("XXXXX-XXXXX", ('expression:A("XXXXX-XXXXX")',), "expression")),
            ({"segment": {"filter_expression": {"b": 1, "a": 2}}}, (None, ('filter_expression:{"a": 2, "b": 1}',), "filter_expression")),
            ({"transactional": {"application": 5, "users": {"list": ["a", None, 7]}}}, (None, ("a",), "users")),
            ({"transactional": {"users": "all"}}, (None, (), None)),
            ({"transactional": []}, (None, (), None)),
            ([], (None, (), None)),
            (None, (None, (), None)),
        ],
    )
    def test_it_finds_what_is_there_and_never_fails(self, body: Any, found: object) -> None:
        assert addressed(body) == found


class WhenAMessageIsAcceptedAgain:
    def test_the_same_words_to_the_same_person_are_a_double(self) -> None:
        record = a_record()
        accept(record, a_body("u1"))
        accept(record, a_body("u1"))
        (double,) = record.doubles
        assert (double.recipient, double.first_order, double.order, double.message_code) == ("u1", 1, 2, "C-2")
        assert record.doubled == 1

    def test_another_time_does_not_make_it_another_message(self) -> None:
        record = a_record()
        accept(record, a_body("u1"))
        accept(record, bent(a_body("u1"), "transactional.schedule.at", "2027-01-01T00:00:00Z"))
        assert record.doubled == 1

    def test_another_order_of_fields_does_not_either(self) -> None:
        record = a_record()
        body = a_body("u1")
        accept(record, body)
        accept(record, {"transactional": dict(reversed(body["transactional"].items()))})
        assert record.doubled == 1

    def test_only_those_who_were_in_both_lists_are_doubled(self) -> None:
        record = a_record()
        accept(record, a_body("u1", "u2", "u3"))
        accept(record, a_body("u3", "u4"))
        assert [double.recipient for double in record.doubles] == ["u3"]
        assert record.reached == 4

    def test_other_words_are_no_double(self) -> None:
        record = a_record()
        accept(record, a_body("u1", text="one"))
        accept(record, a_body("u1", text="two"))
        accept(record, a_body("u1", text="one", application="BBBBB-22222"))
        assert record.doubled == 0

    def test_a_user_and_a_device_of_the_same_name_are_two(self) -> None:
        record = a_record()
        accept(record, a_body("u1"))
        other = a_body("u1")
        other["transactional"]["hwids"] = other["transactional"].pop("users")
        accept(record, other)
        assert record.doubled == 0

    def test_the_same_person_twice_in_one_list_is_a_double(self) -> None:
        record = a_record()
        accept(record, a_body("u1", "u1"))
        assert [(double.first_order, double.order) for double in record.doubles] == [(1, 1)]

    def test_a_segment_sent_twice_is_a_double(self) -> None:
        record = a_record()
        accept(record, example("segment-quick-start"))
        accept(record, example("segment-quick-start"))
        assert [double.recipient for double in record.doubles] == ["code:active_users"]

    def test_it_says_when_it_can_no_longer_know(self) -> None:
        record = a_record(keep_pairs=2)
        accept(record, a_body("u1"))
        assert record.doubles_exact
        accept(record, a_body("u2", "u3"))
        assert not record.doubles_exact


class WhenManyCallsCome:
    def test_the_ring_keeps_the_last_and_counts_all(self) -> None:
        record = a_record(keep_calls=3)
        for number in range(1, 11):
            record.count(status=200, accepted=True, token_ok=True, fault="")
            record.keep(replace(A_CALL, order=number))
        assert [call.order for call in record.calls] == [8, 9, 10]
        assert record.summary()["calls"] == 10
        assert record.summary()["calls_forgotten"] == 7

    def test_large_bodies_are_bounded_by_their_bytes(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("wooshq_worker.sandbox.record.BODIES_LIMIT", 250)
        record = a_record()
        for number in range(1, 6):
            record.keep(replace(A_CALL, order=number))
        assert [call.order for call in record.calls] == [4, 5]

    def test_a_reset_forgets_everything(self) -> None:
        record = a_record()
        accept(record, a_body("u1"))
        record.keep(A_CALL)
        record.reset()
        assert record.calls == []
        assert record.summary() == a_record().summary()
