"""`wooshq status`, `cancel`, `gates` and `sandbox`."""

from __future__ import annotations

import json
import re
import signal
import urllib.request

import pytest

from tests.rig import GENEROUS_S, Rig, an_intent

NOBODY = "0b8a4d2e-8f7e-4d5e-9a2e-1d2f3a4b5c6d"


class WhenNoIntentIsNamed:
    def test_status_lists_the_present_and_the_past_in_words(self, rig: Rig) -> None:
        for n in range(11):
            rig.wooshq.enqueue(an_intent(f"u{n}", lane="bulk"))
        said = rig.cli("status").stdout.decode()
        now, _, so_far = said.partition("Since the ledger (the record of every intent, in Redis) was created\n")
        assert now.startswith("Now\n")
        assert "  11  waiting for a worker, bulk lane\n   0  being sent\n" in now
        assert so_far.startswith("  11  intents accepted\n   0  sent\n")
        assert "_" not in said
        assert json.loads(rig.cli("status", "--json").stdout) == rig.wooshq.counts()


class WhenAnIntentIsNamed:
    def test_its_times_are_short_for_people_and_whole_for_machines(self, rig: Rig) -> None:
        intent_id = rig.wooshq.enqueue(an_intent())
        assert re.search(r"accepted at +\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC$", rig.cli("status", intent_id).stdout.decode(), re.MULTILINE)
        assert re.fullmatch(r"[0-9-]{10}T[0-9:.]{12}Z", json.loads(rig.cli("status", intent_id, "--json").stdout)["accepted_at"])


class WhenAnIntentIsCancelled:
    def test_an_intent_that_was_sent_or_is_unknown_is_named(self, rig: Rig) -> None:
        rig.start_worker()
        sent = rig.wooshq.enqueue(an_intent())
        rig.ended([sent])
        done = rig.cli("cancel", sent, NOBODY)
        assert done.returncode == 1
        assert done.stdout.decode() == f"{sent} sent\n{NOBODY} unknown\n"
        assert f"{sent}: too late, it was sent" in done.stderr.decode()
        assert f"{NOBODY}: no intent has this id" in done.stderr.decode()

    def test_in_time_only_the_new_state_is_printed(self, rig: Rig) -> None:
        intent_id = rig.wooshq.enqueue(an_intent())
        done = rig.cli("cancel", intent_id)
        assert (done.returncode, done.stdout.decode(), done.stderr) == (0, f"{intent_id} cancelled\n", b"")


class WhenGatesAreOpenedAndShut:
    def test_opening_an_open_gate_succeeds(self, rig: Rig) -> None:
        done = rig.cli("gates", "open", "hand")
        assert done.returncode == 0
        assert b"was already open" in done.stderr

    def test_manual_is_another_name_for_hand(self, rig: Rig) -> None:
        assert json.loads(rig.cli("gates", "shut", "manual", "--json").stdout)["gate"] == "hand"
        assert json.loads(rig.cli("gates", "open", "manual", "--json").stdout) == {"gate": "hand", "application": "*", "opened": True}
        assert rig.wooshq.gates() == []

    @pytest.mark.parametrize("code", ["nonsense", "AAAAA-BBBBB "])
    def test_a_wrong_application_code_is_refused(self, rig: Rig, code: str) -> None:
        done = rig.cli("gates", "shut", "hand", "--application", code)
        assert done.returncode == 2
        assert b"XXXXX-XXXXX" in done.stderr
        assert rig.wooshq.gates() == []

    def test_the_table_names_every_application_in_words_and_has_short_times(self, rig: Rig) -> None:
        assert b"is shut for every application" in rig.cli("gates", "shut", "hand").stderr
        seen = rig.terminal("gates")
        assert re.search(r"^hand +every application +\d{4}-\d\d-\d\d \d\d:\d\d:\d\d +(\S+ +)?shut manually$", seen, re.MULTILINE)


class WhenTheSandboxIsStarted:
    @pytest.mark.parametrize(
        ("args", "says"), [(["--host", "0.0.0.0"], "--host"), (["--latency-ms", "-5"], "--latency-ms"), (["--port", "70000"], "--port")]
    )
    def test_a_mistake_is_named_by_its_option(self, rig: Rig, args: list[str], says: str) -> None:
        done = rig.cli("sandbox", *args)
        assert done.returncode == 2
        assert says in done.stderr.decode()
        assert not any(inner in done.stderr.decode() for inner in ("allow_other_hosts", "latency_s", "Traceback"))

    def test_it_prints_its_url_and_says_how_to_use_it(self, rig: Rig) -> None:
        process = rig.start("sandbox", "--port", "0", "--token", "t0")
        assert process.stdout is not None
        url = process.stdout.readline().decode().strip()
        with urllib.request.urlopen(f"{url}/sandbox", timeout=GENEROUS_S) as answer:
            examples = json.load(answer)["examples"]
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=GENEROUS_S)
        assert process.returncode == 0
        assert f"PUSHWOOSH_BASE_URL={url} PUSHWOOSH_API_TOKEN=t0" in err.decode()
        assert examples["POST /sandbox/unknown"] == {"identifiers": ["user-7"]}
