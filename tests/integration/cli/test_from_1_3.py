"""`wooshq from-1.3`: from a createMessage body to messages that the API takes."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.rig import APPLICATION, TOKEN, Rig
from wooshq_worker.sandbox import SandboxThread

BODY: dict[str, Any] = {
    "request": {
        "application": APPLICATION,
        "auth": "a-secret-token",
        "notifications": [
            {
                "send_date": "now",
                "content": {"en": "Hello"},
                "platforms": [1, 3],
                "users": ["u1"],
                "ios_badges": 3,
                "android_led": "#ff0000",
            },
            {"send_date": "now", "content": "Hi", "platforms": [1, 18], "devices": ["hw-1"], "minimize_link": 0},
        ],
    }
}


class WhenABodyIsGiven:
    def test_its_intents_are_sent_by_the_next_command(self, rig: Rig) -> None:
        done = rig.cli("from-1.3", stdin=json.dumps(BODY))
        assert done.returncode == 0
        said = done.stderr.decode()
        assert "notifications.0.android_led: has no name that is known in v2" in said
        assert "notifications.1.minimize_link: has no known equivalent" in said
        assert "auth: is not part of an intent" in said
        assert b"a-secret-token" not in done.stderr + done.stdout
        with SandboxThread(token=TOKEN) as sandbox:
            rig.env["PUSHWOOSH_BASE_URL"] = sandbox.url
            rig.start_worker()
            sent = rig.cli("send", "--wait", "--json", stdin=done.stdout)
            assert sent.returncode == 0, sent.stderr.decode()
            assert sorted(tuple(call.body["transactional"]["platforms"]) for call in sandbox.accepted) == [
                ("IOS",),
                ("IOS", "ANDROID"),
                ("SMS",),
            ]

    def test_a_file_is_read_and_machines_get_one_object_a_line(self, rig: Rig) -> None:
        (rig.folder / "body.json").write_text(json.dumps(BODY, indent=2))
        done = rig.cli("from-1.3", "body.json", "--json")
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        assert [line["notification"] for line in lines if "intent" in line] == [0, 1, 1]
        assert {note["field"] for line in lines for note in line.get("notes", [])} >= {"auth", "notifications.0.android_led"}
        assert done.returncode == 0

    def test_an_entry_that_would_reach_others_is_refused_and_the_rest_is_printed(self, rig: Rig) -> None:
        body = {"application": APPLICATION, "notifications": [{"content": "x", "geozone": {"lat": 1}}, BODY["request"]["notifications"][0]]}
        done = rig.cli("from-1.3", "-", stdin=json.dumps(body))
        assert done.returncode == 1
        assert len(done.stdout.splitlines()) == 1
        assert "No intent: notifications.0.geozone" in done.stderr.decode()

    @pytest.mark.parametrize(
        "text, said", [("", "is not JSON"), ("{", "is not JSON"), ("[]", "createMessage"), ('{"to": {"users": ["u"]}}', "createMessage")]
    )
    def test_what_is_not_a_body_is_refused(self, rig: Rig, text: str, said: str) -> None:
        done = rig.cli("from-1.3", stdin=text)
        assert (done.returncode, done.stdout) == (1, b"")
        assert said in done.stderr.decode()

    def test_a_file_that_is_not_there_is_a_wrong_use(self, rig: Rig) -> None:
        assert rig.cli("from-1.3", "missing.json").returncode == 2
