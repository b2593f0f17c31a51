"""Which settlement follows from a delivery."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wooshq.ledger.intents import Claim, Settlement
from wooshq.ledger.states import Event, Reason
from wooshq_worker.api.attempt import Attempt
from wooshq_worker.api.backoff import Backoff
from wooshq_worker.api.deliver import Delivery, Withheld
from wooshq_worker.api.verdict import Dead, Hold, Retry, Sent, Unknown, Verdict
from wooshq_worker.intents.render import Ready
from wooshq_worker.intents.settlement import settlement_of

CLAIM = Claim("i", "token", "{}", 1, "bulk", "AAAAA-BBBBB", 0, None, 1, 0, 0, rounds=0)
BACKOFF = Backoff(base_s=2, ceiling_s=600)


def a_ready(*, on_unknown: str = "resend", too_old_at: float = 1000) -> Ready:
    return Ready(CLAIM, {}, b'{"a": 1}', "t", on_unknown, lease_until=60, too_old_at=too_old_at, expires_at=None)


def an_attempt(verdict: Verdict | Withheld) -> Attempt:
    return Attempt(datetime(2026, 5, 1, tzinfo=UTC), verdict.outcome, 500, None, 1.0, None)  # type: ignore[arg-type]


def settled(verdict: Verdict | Withheld, *, now: float = 10, jitter: float = 0.5, **ready: Any) -> Settlement:
    delivery = Delivery(verdict, () if isinstance(verdict, Withheld) else (an_attempt(verdict),))
    return settlement_of(a_ready(**ready), delivery, backoff=BACKOFF, now=now, jitter=jitter)


class WhenACallHasEnded:
    @pytest.mark.parametrize(
        ("verdict", "event"),
        [
            (Sent("C-1"), Event.ACCEPTED),
            (Dead("rejected", "HTTP_400", "no"), Event.GIVEN_UP),
            (Hold("token", "HTTP_401", "no"), Event.HANDED_BACK),
            (Retry("HTTP_503", "no"), Event.FAILED),
            (Retry("HTTP_429", "no", 60.0, application_waits=True), Event.FAILED),
            (Unknown("SILENT", "no"), Event.FAILED),
            (Withheld("expired"), Event.EXPIRE),
            (Withheld("gate circuit"), Event.HANDED_BACK),
            (Withheld("lease"), Event.HANDED_BACK),
            (Withheld("stopping"), Event.HANDED_BACK),
        ],
    )
    def test_each_verdict_is_one_move(self, verdict: Verdict | Withheld, event: Event) -> None:
        settlement = settled(verdict)
        assert settlement.event is event
        assert [attempt["outcome"] for attempt in settlement.attempts] == ([] if isinstance(verdict, Withheld) else [verdict.outcome])

    def test_the_message_code_and_the_unknown_identifiers_are_kept(self) -> None:
        settlement = settled(Sent("C-1", ("u2",)))
        assert (settlement.message_code, tuple(settlement.unknown_identifiers)) == ("C-1", ("u2",))

    def test_a_dead_letter_has_its_reason_its_detail_its_code_and_its_payload(self) -> None:
        settlement = settled(Dead("too_large", "HTTP_413", "larger than the API accepts"))
        assert (settlement.reason, settlement.detail, settlement.code) == (Reason.TOO_LARGE, "larger than the API accepts", "HTTP_413")
        assert settlement.payload == '{"a": 1}'


class WhenNoAnswerSaysWhetherItWasAccepted:
    def test_it_is_in_doubt_and_sent_again(self) -> None:
        settlement = settled(Unknown("SILENT", "no answer"))
        assert settlement.doubt == "SILENT: the request was sent, but no answer says whether it was accepted"
        assert settlement.wait_ms > 0

    def test_it_is_a_dead_letter_if_the_intent_asks_for_one(self) -> None:
        settlement = settled(Unknown("SILENT", "no answer"), on_unknown="dead_letter")
        assert (settlement.event, settlement.reason) == (Event.GIVEN_UP, Reason.UNKNOWN)
        assert settlement.doubt is not None

    def test_no_other_verdict_is_in_doubt(self) -> None:
        for verdict in (Sent("C-1"), Dead("rejected", "x", "x"), Hold("token", "x", "x"), Retry("x", "x"), Withheld("lease")):
            assert settled(verdict).doubt is None


class WhenItMustBeRetried:
    def test_it_is_a_dead_letter_once_it_is_too_old(self) -> None:
        for verdict in (Retry("HTTP_503", "no"), Unknown("SILENT", "no")):
            settlement = settled(verdict, now=1000, too_old_at=1000)
            assert (settlement.event, settlement.reason) == (Event.GIVEN_UP, Reason.EXHAUSTED)
            assert (settlement.doubt is not None) == isinstance(verdict, Unknown)

    def test_without_a_retry_after_it_waits_for_the_backoff(self) -> None:
        assert settled(Retry("HTTP_503", "no"), jitter=0.5).wait_ms == 1001

    @given(not_before_s=st.floats(0.001, 3600), jitter=st.floats(0, 1, exclude_max=True))
    def test_it_never_comes_back_before_retry_after_and_soon_after_it(self, not_before_s: float, jitter: float) -> None:
        wait_s = settled(Retry("HTTP_429", "no", not_before_s, application_waits=True), jitter=jitter).wait_ms / 1000
        assert not_before_s < wait_s <= max(not_before_s + 5.1, BACKOFF.base_s + 0.1)
