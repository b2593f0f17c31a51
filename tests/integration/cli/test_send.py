"""`wooshq send`: each line gets an id or a reason, even if Redis or the reader goes away."""

from __future__ import annotations

import json
import re
import signal
import subprocess
from typing import Any

import pytest
import redis

from tests.rig import GENEROUS_S, Rig, an_intent, wait_until


def ndjson(*intents: Any) -> str:
    return "".join(json.dumps(intent) + "\n" for intent in intents)


def objects(raw: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in raw.splitlines()]


def named(rig: Rig) -> redis.Redis:
    """The rig's Redis. The command line gets its URL, so that it sends no command before the intents."""
    rig.env["WOOSHQ_REDIS_URL"] = rig.wooshq.installation.places.redis_url
    rig.env["WOOSHQ_BROKER_URL"] = rig.wooshq.installation.places.broker_url
    rig.env["WOOSHQ_ACCEPT_WITHIN_S"] = "3"
    return redis.Redis.from_url(rig.wooshq.installation.places.redis_url)


def paused(server: redis.Redis, for_ms: int = 60_000) -> None:
    """Let Redis delay writes: the command is sent, and no answer comes in time."""
    server.execute_command("CLIENT", "PAUSE", for_ms, "WRITE")


class WhenTheAnswerIsLost:
    def test_each_line_in_doubt_is_named_with_the_id_to_retry_with(self, rig: Rig) -> None:
        with named(rig) as server:
            paused(server)
            lines = [an_intent("u1"), {"to": {}}, an_intent("u3")]
            done = rig.cli("send", "--json", stdin=ndjson(*lines))
            assert done.returncode == 3, done.stderr
            doubts = objects(done.stdout)
            assert [(one["line"], one["errors"][0]["field"]) for one in doubts] == [(1, "id"), (3, "id")]
            ids = [re.search(r'"id": "([0-9a-f-]{36})"', one["errors"][0]["hint"])[1] for one in doubts]  # type: ignore[index]
            assert all(i in done.stderr.decode() for i in ids)
            assert "Nothing after line 3 was accepted." in done.stderr.decode()

            server.execute_command("CLIENT", "UNPAUSE")
            again = rig.cli("send", stdin=ndjson({**lines[0], "id": ids[0]}, {**lines[2], "id": ids[1]}))
            assert again.stdout.decode().split() == ids
            assert rig.wooshq.counts()["accepted"] == 2

    def test_lines_accepted_before_are_told_apart(self, rig: Rig) -> None:
        rig.env["WOOSHQ_ACCEPT_BATCH"] = "1"
        with named(rig) as server:
            process = rig.start("send", "--wait", "--json")
            assert process.stdin is not None
            process.stdin.write(ndjson(an_intent("u1")).encode())
            process.stdin.flush()
            wait_until(lambda: rig.wooshq.counts().get("accepted") == 1)
            paused(server)
            out, _ = process.communicate(ndjson(an_intent("u2")).encode(), timeout=GENEROUS_S)
            server.execute_command("CLIENT", "UNPAUSE")  # a row is read by a script, and scripts wait as writes do
        assert process.returncode == 1
        doubt, accepted = objects(out)
        assert (doubt["line"], doubt["errors"][0]["field"]) == (2, "id")
        assert accepted["line"] == 1
        assert rig.wooshq.status(accepted["id"]) is not None

    def test_if_no_line_can_have_been_accepted_it_says_so(self, rig: Rig) -> None:
        rig.env["WOOSHQ_REDIS_URL"] = rig.env["WOOSHQ_BROKER_URL"] = "redis://127.0.0.1:1/0"
        done = rig.cli("send", "--json", stdin=ndjson(an_intent()))
        assert (done.returncode, done.stdout) == (3, b"")
        assert "Nothing was accepted. It is safe to send everything again." in done.stderr.decode()
        assert "may have been" not in done.stderr.decode()


class WhenTheWaitEndsEarly:
    def test_ctrl_c_prints_the_intents_that_have_not_ended(self, rig: Rig) -> None:
        process = rig.start("send", "--wait", "--json")
        assert process.stdin is not None
        process.stdin.write(ndjson(an_intent("u1"), an_intent("u2")).encode())
        process.stdin.close()
        process.stdin = None
        wait_until(lambda: rig.wooshq.counts().get("accepted") == 2)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=GENEROUS_S)
        assert process.returncode == 130
        assert [one["state"] for one in objects(out)] == ["queued", "queued"]
        assert "2 intents have not ended. They stay accepted. See: wooshq status ID" in err.decode()
        assert all(rig.wooshq.status(one["id"]) is not None for one in objects(out))

    def test_a_timeout_prints_the_same(self, rig: Rig) -> None:
        done = rig.cli("send", "--wait", "--json", "--timeout", "0.2", stdin=ndjson(an_intent()))
        assert (done.returncode, objects(done.stdout)[0]["state"]) == (1, "queued")
        assert "1 intent has not ended in 0.2 s. It stays accepted. See: wooshq status 0" in done.stderr.decode()


class WhenTheInputIsUnusual:
    @pytest.mark.parametrize("command", ["send", "lint"])
    @pytest.mark.parametrize(
        ("text", "hint"),
        [(json.dumps(an_intent(), indent=2), "jq -c . FILE"), (json.dumps([an_intent(), an_intent()], indent=2), "jq -c .[] FILE")],
    )
    def test_json_on_several_lines_gets_one_hint(self, rig: Rig, command: str, text: str, hint: str) -> None:
        done = rig.cli(command, "--json", stdin=text)
        assert done.returncode == 1
        (one,) = objects(done.stdout)
        assert hint in one["errors"][0]["hint"]
        assert "accepted" not in rig.wooshq.counts()

    def test_a_broken_first_line_stops_no_other(self, rig: Rig) -> None:
        done = rig.cli("send", "--json", stdin='{"to": {\n' + ndjson(an_intent()))
        assert ["errors" in one for one in objects(done.stdout)] == [True, False]

    def test_a_line_that_is_too_long_is_named_with_its_size_and_stops_no_other(self, rig: Rig) -> None:
        rig.env["WOOSHQ_MAX_INTENT_BYTES"] = "2000"
        done = rig.cli("send", "--json", stdin=ndjson(an_intent()) + "x" * 12345 + "\r\n" + ndjson(an_intent()))
        first, long, last = objects(done.stdout)
        assert "12345 bytes" in long["errors"][0]["problem"]
        assert (first["line"], long["line"], last["line"], "id" in last) == (1, 2, 3, True)

    def test_input_without_an_intent_is_named(self, rig: Rig) -> None:
        done = rig.cli("send", stdin="\n\n")
        assert (done.returncode, done.stdout) == (0, b"")
        assert "no intent in standard input" in done.stderr.decode()

    def test_a_negative_timeout_is_refused(self, rig: Rig) -> None:
        done = rig.cli("send", "--wait", "--timeout", "-5", stdin=ndjson(an_intent()))
        assert done.returncode == 2
        assert "--timeout" in done.stderr.decode()
        assert "accepted" not in rig.wooshq.counts()


class WhenATerminalWaits:
    def test_an_id_is_shown_once_with_its_end(self, rig: Rig) -> None:
        rig.start_worker()
        (rig.folder / "in.ndjson").write_text(ndjson(an_intent("u1"), an_intent("bad")))
        seen = rig.terminal("send", "--wait", "in.ndjson", columns=120)
        ids = re.findall(r"[0-9a-f]{8}-[0-9a-f-]{27}", seen)
        assert len(ids) == len(set(ids)) == 2
        assert re.search(r"^[0-9a-f-]{36} sent$", seen, re.MULTILINE)

    def test_redirected_data_is_complete_while_a_bar_is_drawn(self, rig: Rig) -> None:
        rig.start_worker()
        (rig.folder / "in.ndjson").write_text(ndjson(an_intent("u1")))
        with (rig.folder / "out.ndjson").open("wb") as out:
            seen = rig.terminal("send", "--wait", "--json", "in.ndjson", stdout=out)
        assert objects((rig.folder / "out.ndjson").read_bytes())[0]["state"] == "sent"
        assert "message_codes" not in seen


class WhenTheReaderOfTheIdsLeaves:
    def test_every_line_is_still_accepted(self, rig: Rig) -> None:
        rig.env["WOOSHQ_ACCEPT_BATCH"] = "1"
        process = rig.start("send", stdin=subprocess.PIPE)
        assert process.stdout is not None
        process.stdout.close()
        process.stdout = None
        process.communicate(ndjson(*(an_intent(f"u{n}") for n in range(20))).encode(), timeout=GENEROUS_S)
        assert process.returncode == 0
        assert rig.wooshq.counts()["accepted"] == 20
