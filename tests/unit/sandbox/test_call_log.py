"""Which calls are kept, and how doubles are found."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.unit.sandbox.bodies import a_body, changed, example
from wooshq_worker.sandbox.body.address import address_of, content_key
from wooshq_worker.sandbox.call_log import Call, CallLog, Recording

A_CALL = Call(1, 0.0, "A", ("u",), True, True, 200, "", "C", 1, b"x" * 100)


def a_log(mode: Recording = "all", keep_calls: int = 100, keep_pairs: int = 100) -> CallLog:
    return CallLog(mode=mode, keep_calls=keep_calls, keep_pairs=keep_pairs)


def accept(log: CallLog, body: dict[str, Any]) -> None:
    application, recipients, kind = address_of(body)
    order = log.count(status=200, accepted=True, token_ok=True, fault="")
    log.remember(order, application, recipients, content_key(body, kind), f"C-{order}")


class WhenAMessageIsAcceptedTwice:
    def test_the_same_content_for_the_same_recipient_is_a_double(self) -> None:
        log = a_log()
        accept(log, a_body("u1"))
        accept(log, a_body("u1"))
        (double,) = log.doubles
        assert (double.recipient, double.first_order, double.order, double.message_code) == ("u1", 1, 2, "C-2")
        assert log.doubled == 1

    def test_it_is_a_double_even_with_another_schedule(self) -> None:
        log = a_log()
        accept(log, a_body("u1"))
        accept(log, changed(a_body("u1"), "transactional.schedule.at", "2027-01-01T00:00:00Z"))
        assert log.doubled == 1

    def test_it_is_a_double_even_with_another_order_of_fields(self) -> None:
        log = a_log()
        body = a_body("u1")
        accept(log, body)
        accept(log, {"transactional": dict(reversed(body["transactional"].items()))})
        assert log.doubled == 1

    def test_only_the_recipients_in_both_lists_are_doubles(self) -> None:
        log = a_log()
        accept(log, a_body("u1", "u2", "u3"))
        accept(log, a_body("u3", "u4"))
        assert [double.recipient for double in log.doubles] == ["u3"]
        assert log.reached == 4

    def test_other_content_is_not_a_double(self) -> None:
        log = a_log()
        accept(log, a_body("u1", text="one"))
        accept(log, a_body("u1", text="two"))
        accept(log, a_body("u1", text="one", application="BBBBB-22222"))
        assert log.doubled == 0

    def test_a_user_and_a_device_with_the_same_name_are_two_recipients(self) -> None:
        log = a_log()
        accept(log, a_body("u1"))
        other = a_body("u1")
        other["transactional"]["hwids"] = other["transactional"].pop("users")
        accept(log, other)
        assert log.doubled == 0

    def test_the_same_recipient_twice_in_one_list_is_a_double(self) -> None:
        log = a_log()
        accept(log, a_body("u1", "u1"))
        assert [(double.first_order, double.order) for double in log.doubles] == [(1, 1)]

    def test_a_segment_sent_twice_is_a_double(self) -> None:
        log = a_log()
        accept(log, example("segment-quick-start"))
        accept(log, example("segment-quick-start"))
        assert [double.recipient for double in log.doubles] == ["code:active_users"]

    def test_the_log_says_when_doubles_may_be_missed(self) -> None:
        log = a_log(keep_pairs=2)
        accept(log, a_body("u1"))
        assert log.doubles_exact
        accept(log, a_body("u2", "u3"))
        assert not log.doubles_exact


class WhenManyCallsArrive:
    def test_the_log_keeps_the_last_calls_and_counts_all(self) -> None:
        log = a_log(keep_calls=3)
        for number in range(1, 11):
            log.count(status=200, accepted=True, token_ok=True, fault="")
            log.keep(replace(A_CALL, order=number))
        assert [call.order for call in log.calls] == [8, 9, 10]
        assert log.summary()["calls"] == 10
        assert log.summary()["calls_forgotten"] == 7

    def test_the_bytes_of_all_bodies_are_limited(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("wooshq_worker.sandbox.call_log.BODIES_LIMIT", 250)
        log = a_log()
        for number in range(1, 6):
            log.keep(replace(A_CALL, order=number))
        assert [call.order for call in log.calls] == [4, 5]

    def test_a_reset_clears_everything(self) -> None:
        log = a_log()
        accept(log, a_body("u1"))
        log.keep(A_CALL)
        log.reset()
        assert log.calls == []
        assert log.summary() == a_log().summary()
