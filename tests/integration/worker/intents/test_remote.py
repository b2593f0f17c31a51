"""`wooshq status --remote` asks Pushwoosh where its messages are, and says so if Pushwoosh does not."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.rig import APPLICATION, TOKEN, Rig, an_intent
from tests.stand_in import Call, Reply, StandIn, refusal
from wooshq_worker.intents.remote import MESSAGES_LIST, statuses_in

LATER = (datetime.now(UTC) + timedelta(hours=2)).isoformat().replace("+00:00", "Z")


class WhenAMessageIsLookedUpAtPushwoosh:
    @pytest.mark.parametrize("wrapped", [False, True])
    def test_its_status_there_is_shown_whichever_form_the_api_takes(self, rig: Rig, api: StandIn, wrapped: bool) -> None:
        def answer(call: Call, n: int) -> Reply | None:
            if call.path != MESSAGES_LIST:
                return None
            inner = call.body.get("request") if wrapped else call.body
            if inner is None or (not wrapped and "request" in call.body):
                return refusal(400, 3, "request is missing")
            assert (inner["application"], call.authorization) == (APPLICATION, f"Token {TOKEN}")
            return Reply(200, {"items": [{"message_code": code, "status": "pending"} for code in inner["messages_codes"]], "total": 1})

        api.answer = answer
        rig.start_worker()
        sent = rig.wooshq.enqueue(an_intent(schedule={"at": LATER}))
        rig.ended([sent])

        shown = rig.cli("status", sent, "--remote")
        assert b"at Pushwoosh" in shown.stdout
        assert b"pending" in shown.stdout
        machine = json.loads(rig.cli("status", sent, "--remote", "--json").stdout)
        (remote,) = machine["remote"].values()
        assert remote == {"status": "pending", "detail": ""}

    def test_what_pushwoosh_does_not_say_is_said(self, rig: Rig, api: StandIn) -> None:
        api.answer = lambda call, n: Reply(403, {"code": 7, "message": "not yours"}) if call.path == MESSAGES_LIST else None
        rig.start_worker()
        sent, waiting = rig.wooshq.enqueue(an_intent()), rig.wooshq.enqueue(an_intent("u2", schedule={"at": LATER}, expires_at=LATER))
        rig.ended([sent])
        shown = rig.cli("status", sent, "--remote").stdout.decode()
        assert "not yours" in shown
        api.answer = lambda call, n: Reply(200, {"items": []}) if call.path == MESSAGES_LIST else None
        assert "does not list it" in rig.cli("status", sent, "--remote").stdout.decode()
        assert rig.cli("status", waiting, "--remote").returncode == 0
        assert rig.cli("status", "--remote").returncode == 2, "of which intents?"


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        ({"items": [{"message_code": "A", "status": "done"}]}, {"A": "done"}),
        ({"response": {"messages": [{"code": "A", "status": "waiting", "extra": [1, {}]}]}}, {"A": "waiting"}),
        ([{"code": "A", "status": "sent"}, {"code": "B"}, {"status": "x"}, 3, None], {"A": "sent"}),
        ("nothing", {}),
        ({"code": 5, "status": "NOT_FOUND"}, {}),
    ],
)
def test_any_list_of_objects_with_a_code_and_a_status_is_understood(answer: Any, found: dict[str, str]) -> None:
    assert statuses_in(answer) == found
