"""An intent is sent: the API gets exactly the right call, and nothing that may not leave."""

from __future__ import annotations

import json
from pathlib import Path

from tests.rig import APPLICATION, TOKEN, Rig, an_intent, wait_until
from tests.stand_in import StandIn, refusal

EXAMPLES = sorted((Path(__file__).parents[3] / "data" / "examples").glob("[!a]*.json"))


class WhenIntentsAreSentFromTheCommandLine:
    def test_every_example_arrives_unchanged_and_every_channel_as_the_reference_says(self, rig: Rig, api: StandIn) -> None:
        exact = [json.loads(path.read_text()) for path in EXAMPLES]
        kinds = {
            "push": {"title": "Hi"}, "sms": {"body": "4711"}, "telegram": {"body": "x"}, "line": {"body": "x"}, "kakao": {"body": "x"},
            "whatsapp": {"template": {"name": "code", "language": "en", "parameters": ["4711"]}}, "email": {"subject": "S", "body": "<p>"},
        }  # fmt: skip
        plain = [{"to": {"users": [kind]}, "message": {kind: fields}} for kind, fields in kinds.items()]
        lines = [json.dumps({"request": body}) for body in exact] + [json.dumps(intent) for intent in plain]
        rig.start_worker()

        done = rig.cli("send", "--wait", "--json", stdin="\n".join(lines))

        assert done.returncode == 0, done.stderr
        statuses = [json.loads(line) for line in done.stdout.splitlines()]
        assert [s["state"] for s in statuses] == ["sent"] * len(lines)
        arrived = [call.body for call in api.calls]
        assert all(body in arrived for body in exact)
        assert {call.authorization for call in api.calls} == {f"Token {TOKEN}"}
        assert {(call.path, call.content_type) for call in api.calls} == {("/messaging/v2/notify", "application/json")}
        for kind in kinds:
            inner = next(body["transactional"] for body in arrived if body.get("transactional", {}).get("users") == {"list": [kind]})
            assert inner["platforms"] == (["IOS", "ANDROID"] if kind == "push" else [kind.upper()])
            assert inner["application"] == APPLICATION
            assert ("email_payload" in inner) is (kind == "email")

    def test_a_bad_line_is_reported_and_does_not_stop_the_others(self, rig: Rig) -> None:
        lines = [json.dumps(an_intent("good")), '{"to": {"users": []}, "expire_at": 1', "", json.dumps(an_intent(expire_at="x"))]

        done = rig.cli("send", "--json", stdin="\n".join(lines))

        said = [json.loads(line) for line in done.stdout.splitlines()]
        assert done.returncode == 1
        assert ["id" in line for line in said] == [True, False, False]
        assert [line["line"] for line in said] == [1, 2, 4]
        assert {"field": "expire_at", "problem": "no such field", "hint": "Did you mean expires_at?"} in said[2]["errors"]
        assert b"Traceback" not in done.stderr


class WhenAnIntentMayNotLeave:
    def test_it_expires_and_nothing_is_sent(self, rig: Rig, api: StandIn) -> None:
        past = rig.wooshq.enqueue(an_intent(expires_at="2020-01-01T00:00:00Z"))
        rig.wooshq.shut_gate("hand", why="maintenance")
        soon = rig.wooshq.enqueue(an_intent(ttl_s=1))
        rig.start_worker()

        assert [s.state for s in rig.ended([past, soon])] == ["expired", "expired"]
        assert api.calls == []

    def test_a_gate_shut_by_hand_holds_it_without_an_attempt_until_the_gate_is_opened(self, rig: Rig, api: StandIn) -> None:
        rig.wooshq.shut_gate("hand", APPLICATION, why="maintenance")
        rig.start_worker()
        intent_id = rig.wooshq.enqueue(an_intent())
        wait_until(lambda: rig.status(intent_id).state == "held")
        assert "maintenance" in (rig.status(intent_id).waiting_for or "")

        rig.wooshq.open_gate("hand", APPLICATION)

        assert len(rig.ended([intent_id])[0].attempts) == 1

    def test_a_gate_that_the_api_shut_releases_intents_at_once_when_a_person_opens_it(self, rig: Rig, api: StandIn) -> None:
        """Although the worker itself remembers the answer that shut the gate."""
        api.answer = lambda call, n: refusal(429, 8, "slow down", Retry_After="3600") if n <= 3 else None
        rig.start_worker()
        rig.wooshq.enqueue_many(an_intent(f"u{n}") for n in range(20))
        wait_until(rig.wooshq.gates, saw=rig.wooshq.counts)
        late = rig.wooshq.enqueue(an_intent("late"))
        wait_until(lambda: rig.status(late).state == "held")
        wait_until(lambda: rig.wooshq.counts()["now_sending"] == 0)  # no further answer shuts it again

        assert rig.wooshq.open_gate("not_before", APPLICATION)

        assert rig.ended([late])[0].state == "sent"

    def test_an_intent_that_was_cancelled_is_not_sent(self, rig: Rig, api: StandIn) -> None:
        intent_id = rig.wooshq.enqueue(an_intent())
        assert rig.wooshq.cancel(intent_id) == "cancelled"
        rig.start_worker()
        sent = rig.wooshq.enqueue(an_intent("other"))
        rig.ended([sent])
        assert [call.recipients for call in api.calls] == [["other"]]
