"""A claim becomes a request, or the reason why it cannot."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from tests.rig import some_settings
from wooshq.ledger.intents import Claim, Settlement
from wooshq.ledger.states import Event, Reason
from wooshq_schemas import MODEL_VERSION
from wooshq_worker.intents import render
from wooshq_worker.intents.render import NoToken, Ready, Rendered, Renderer, TakenAt

INTENT = {"to": {"users": ["u1"]}, "message": {"push": {"title": "Hi", "body": "Your order left"}}, "application": "AAAAA-BBBBB"}
CLAIM = Claim("i", "token", json.dumps(INTENT), MODEL_VERSION, "bulk", "AAAAA-BBBBB", 90_000, None, 1, 0, 0, 0)


def rendered(claim: Claim = CLAIM, **settings: Any) -> Rendered:
    """At 100 s of the ledger's clock, and 5 s of this process's."""
    given = some_settings(**{"api_token": "t" * 30, **settings})
    return Renderer(given).render(claim, TakenAt.of(100_000, 5.0))


class WhenAClaimIsValid:
    def test_it_becomes_a_request(self) -> None:
        ready = rendered()
        assert isinstance(ready, Ready)
        assert json.loads(ready.body) == ready.payload
        assert ready.payload["transactional"]["users"] == {"list": ["u1"]}
        assert ready.token == "t" * 30

    def test_its_moments_are_computed_from_the_ledgers_clock(self) -> None:
        ready = rendered(replace(CLAIM, expires_at_ms=103_000), lease_s=60, http_total_s=20, max_age_s=3600)
        assert isinstance(ready, Ready)
        assert (ready.lease_until, ready.expires_at, ready.too_old_at) == (45.0, 8.0, 3605.0)

    def test_time_that_it_waited_for_gates_and_slots_is_not_a_part_of_its_age(self) -> None:
        ready = rendered(replace(CLAIM, failed_at_ms=90_000, waited_ms=50_000), max_age_s=60)
        assert isinstance(ready, Ready)
        assert ready.too_old_at == 5.0 - 10.0 + 60.0 + 50.0

    def test_the_intents_own_on_unknown_comes_before_the_setting(self) -> None:
        own = rendered(replace(CLAIM, body=json.dumps({**INTENT, "on_unknown": "dead_letter"})))
        assert isinstance(own, Ready)
        assert own.on_unknown == "dead_letter"
        setting = rendered(on_unknown="dead_letter")
        assert isinstance(setting, Ready)
        assert setting.on_unknown == "dead_letter"

    @pytest.mark.parametrize(
        ("doubts", "resends", "then"), [(0, 1, "resend"), (1, 1, "dead_letter"), (2, 3, "resend"), (0, 0, "dead_letter")]
    )
    def test_an_intent_is_sent_again_after_lost_answers_as_often_as_the_setting_says(self, doubts: int, resends: int, then: str) -> None:
        for body in (INTENT, {**INTENT, "on_unknown": "resend"}):
            ready = rendered(replace(CLAIM, body=json.dumps(body), doubts=doubts), unknown_resends=resends)
            assert isinstance(ready, Ready)
            assert ready.on_unknown == then


class WhenItCannotBeSent:
    def test_without_a_token_there_is_no_request(self) -> None:
        assert isinstance(rendered(api_token=None), NoToken)

    def test_one_of_a_newer_wooshq_waits_for_a_newer_worker(self) -> None:
        answer = rendered(replace(CLAIM, version=MODEL_VERSION + 1))
        assert isinstance(answer, Settlement)
        assert (answer.event, answer.wait_ms) == (Event.FAILED, 5000)

    def test_one_that_is_not_valid_is_a_dead_letter_with_its_problems(self) -> None:
        answer = rendered(replace(CLAIM, body='{"to": {"users": []}}'))
        assert isinstance(answer, Settlement)
        assert (answer.event, answer.reason) == (Event.GIVEN_UP, Reason.INVALID)
        assert "to.users" in answer.detail

    def test_a_bug_ends_only_this_one_and_its_message_is_not_quoted(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def fails(*_: Any, **__: Any) -> None:
            raise KeyError("u1@example.com")

        monkeypatch.setattr(render, "render", fails)
        answer = rendered()
        assert isinstance(answer, Settlement)
        assert (answer.event, answer.reason, answer.detail) == (Event.GIVEN_UP, Reason.INVALID, "rendering failed (KeyError)")
