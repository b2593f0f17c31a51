"""A mistake on the command line is a sentence and an exit status, never a traceback."""

from __future__ import annotations

import json
import signal

import pytest

from tests.rig import GENEROUS_S, Rig, an_intent, wait_until


class WhenItIsUsedWrongly:
    @pytest.mark.parametrize(
        ("args", "code", "says"),
        [
            (["worker", "--bogus"], 2, "--bogus"),
            (["worker", "-Q", "nosuch"], 2, "transactional, bulk, celery"),
            (["worker", "extra"], 2, "extra"),
            (["send", "no-such-file"], 2, "no-such-file"),
            (["dead", "edit", "x", "--patch", "@no-such-file"], 2, "no-such-file"),
            (["dead", "list", "--reason", "bogus"], 2, "rejected"),
            (["dead", "list", "--since", "soon"], 2, "2026-05-01T09:00:00Z"),
            (["dead", "replay"], 2, "empty filter"),
            (["dead", "show", "0b8a4d2e-8f7e-4d5e-9a2e-1d2f3a4b5c6d"], 1, "no dead letter"),
            (["status", "0b8a4d2e-8f7e-4d5e-9a2e-1d2f3a4b5c6d"], 1, "no intent has this id"),
            (["gates", "shut", "nope"], 2, "circuit"),
        ],
    )
    def test_it_says_what_to_use_instead(self, rig: Rig, args: list[str], code: int, says: str) -> None:
        done = rig.cli(*args)
        assert (done.returncode, b"Traceback" in done.stderr) == (code, False), done.stderr
        assert says in done.stderr.decode().replace("\n", " ")

    @pytest.mark.parametrize(
        ("variable", "value", "says"),
        [
            ("WOOSHQ_LEASE_S", "1", "WOOSHQ_LEASE_S"),
            ("PUSHWOOSH_API_TOKENS", "{x", "PUSHWOOSH_API_TOKENS"),
            ("PUSHWOOSH_API_TOKEN", "se cret", "PUSHWOOSH_API_TOKEN"),
            ("PUSHWOOSH_BASE_URL", "http://169.254.169.254/", "PUSHWOOSH_BASE_URL"),
            ("WOOSHQ_PLATFORMS", '{"nope": {}}', "WOOSHQ_PLATFORMS"),
        ],
    )
    def test_an_invalid_setting_is_refused_at_start_without_its_value(self, rig: Rig, variable: str, value: str, says: str) -> None:
        rig.env[variable] = value
        done = rig.cli("worker")
        assert done.returncode == 2, done.stderr
        assert says in done.stderr.decode()
        assert b"se cret" not in done.stderr
        assert b"Traceback" not in done.stderr

    def test_redis_out_of_reach_is_a_sentence_and_exit_status_3(self, rig: Rig) -> None:
        rig.env["WOOSHQ_REDIS_URL"] = rig.env["WOOSHQ_BROKER_URL"] = "redis://127.0.0.1:1/0"
        done = rig.cli("send", stdin=json.dumps(an_intent()))
        assert done.returncode == 3
        assert b"127.0.0.1:1" in done.stderr


class WhenAWorkerIsGivenCelerysOptions:
    def test_they_are_passed_on_and_ctrl_c_ends_the_worker_with_status_0(self, rig: Rig) -> None:
        worker = rig.start_worker("-Q", "transactional", "-n", "w@here")
        sent = rig.wooshq.enqueue(an_intent())
        rig.ended([sent])
        worker.send_signal(signal.SIGINT)
        assert worker.wait(GENEROUS_S) == 0

    def test_an_option_without_effect_is_named_in_the_log(self, rig: Rig) -> None:
        worker = rig.start_worker("--pool", "prefork", "-c", "4", "--loglevel", "warning")
        rig.ended([rig.wooshq.enqueue(an_intent())])
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(GENEROUS_S) == 0
        events = [json.loads(line) for line in rig.logs().splitlines()]  # every line is an event: machines read this
        assert {event["option"] for event in events if event["event"] == "option_not_taken"} == {"--pool", "--concurrency"}
        assert {event["level"] for event in events} <= {"warning", "error"}


class WhenAGateIsShut:
    def test_the_totals_count_what_it_holds(self, rig: Rig) -> None:
        rig.start_worker()
        assert rig.cli("gates", "shut", "hand", "--why", "noon").returncode == 0
        rig.wooshq.enqueue(an_intent())
        wait_until(lambda: rig.wooshq.counts()["now_held"] == 1)
        assert json.loads(rig.cli("gates", "--json").stdout)["why"] == "noon"
        assert rig.cli("gates", "open", "hand").returncode == 0
        wait_until(lambda: rig.wooshq.counts().get("sent") == 1)
