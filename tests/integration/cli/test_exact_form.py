"""From the command line to the API: an exact form as clients write it goes out as the reference has it."""

from __future__ import annotations

import json
from typing import Any

from tests.rig import APPLICATION, TOKEN, Rig
from wooshq_worker.sandbox import SandboxThread

CAMEL: dict[str, Any] = {
    "transactional": {
        "application": APPLICATION,
        "platforms": ["IOS"],
        "pushTokens": {"list": ["t1"]},
        "messageType": "MESSAGE_TYPE_TRANSACTIONAL",
        "schedule": {"after": "1s"},
        "payload": {"customData": {"orderId": 7}, "content": {"localizedContent": {"default": {"ios": {"title": "Hi", "threadId": "a"}}}}},
    }
}
SNAKE: dict[str, Any] = {
    "transactional": {
        "application": APPLICATION,
        "platforms": ["IOS"],
        "push_tokens": {"list": ["t1"]},
        "message_type": "MESSAGE_TYPE_TRANSACTIONAL",
        "schedule": {"after": "1s"},
        "payload": {
            "custom_data": {"orderId": 7},
            "content": {"localized_content": {"default": {"ios": {"title": "Hi", "thread_id": "a"}}}},
        },
    }
}
SILENT: dict[str, Any] = {
    "transactional": {
        "application": APPLICATION,
        "users": {"list": ["u1"]},
        "schedule": {"after": "1s"},
        "payload": {"silent": True, "content": {"localizedContent": None}, "customData": {"a": 1}},
    }
}


class WhenAnExactFormIsAsAClientWritesIt:
    def test_it_is_sent_in_the_words_of_the_reference(self, rig: Rig) -> None:
        """The sandbox takes nothing else."""
        with SandboxThread(token=TOKEN) as sandbox:
            rig.env["PUSHWOOSH_BASE_URL"] = sandbox.url
            rig.start_worker()
            done = rig.cli("send", "--wait", "--json", stdin="\n".join(json.dumps({"request": body}) for body in (CAMEL, SILENT)))
            assert done.returncode == 0, done.stderr.decode()
            silent, shown = sorted(
                (call.body for call in sandbox.accepted), key=lambda body: "silent" not in body["transactional"]["payload"]
            )
        assert shown == SNAKE
        assert silent["transactional"]["payload"] == {"silent": True, "custom_data": {"a": 1}}

    def test_lint_shows_what_is_sent_and_warns(self, rig: Rig) -> None:
        done = rig.cli("lint", "--json", stdin=json.dumps({"request": CAMEL}))
        (line,) = map(json.loads, done.stdout.splitlines())
        assert line["request"] == SNAKE
        assert {warning["field"].rpartition(".")[2] for warning in line["warnings"]} == {
            "pushTokens", "messageType", "customData", "localizedContent", "threadId",
        }  # fmt: skip
