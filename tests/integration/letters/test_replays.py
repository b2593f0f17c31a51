"""A replay is a job with brakes: planned, run by the workers, judged, paused, cancelled; each letter is sent once or on record."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
from functools import partial
from pathlib import Path

import pytest
import redis

from tests.integration.letters.dead_letters import MANY, letters_of, of_a_wrong_preset, replay_ledger, users
from tests.rig import Rig, an_intent, wait_until
from tests.stand_in import Call, Reply, StandIn, refusal
from wooshq import Wooshq
from wooshq.errors import LedgerUnavailable, ReplayUnknown
from wooshq.intents.entry import new_id
from wooshq.ledger.states import LetterState, Reason
from wooshq.letters.replays.run import run_replay
from wooshq.letters.replays.show import Replay

PAGE = (Path(__file__).parents[3] / "docs" / "replay.md").read_text(encoding="utf-8")
RECIPE = {"message": {"preset": "RIGHT"}}


def preset_of(call: Call) -> str:
    return str(next(iter(call.body.values()))["payload"]["preset"])


def refuses_the_wrong_preset(call: Call, _: int) -> Reply | None:
    return refusal(400, 3, "the preset is not known") if preset_of(call) == "WRONG" else None


def letters_shared_by(wooshq: Wooshq, server: redis.Redis, job: str, n: int) -> list[str]:
    """Letters of one job, which share calls."""
    ids = letters_of(wooshq, users(n))
    for letter in ids:
        server.hset(wooshq.ledger.keys.letter(letter), "bulk", job)
    return ids


def ended(rig: Rig, replay_id: str) -> Replay:
    replay = rig.wooshq.replays.wait(replay_id, within_s=300)
    assert replay.is_at_rest, replay
    return replay


class WhenThousandsDiedOfOneWrongPreset:
    def test_four_commands_lead_from_the_groups_to_a_running_replay(self, rig: Rig, api: StandIn) -> None:
        api.answer = refuses_the_wrong_preset
        letters_of(rig.wooshq, users(MANY))
        select = ("--reason", "rejected", "--patch", json.dumps(RECIPE))

        (group,) = [json.loads(line) for line in rig.cli("dead", "groups", "--json").stdout.splitlines()]
        plan = rig.cli("dead", "replay", *select, "--dry-run")
        started = rig.cli("dead", "replay", *select, "--why", "INC-7", "--by", "ana")
        replay_id = started.stdout.decode().strip()
        shown = rig.cli("replays", "show", replay_id)

        assert group["count"] == MANY
        assert shown.returncode == 0, shown.stderr
        assert f"{MANY:,} letters match: {MANY:,} would be replayed in {MANY:,} calls".encode() in plan.stderr
        assert b'-    "preset": "WRONG"' in plan.stderr and b'+    "preset": "RIGHT"' in plan.stderr
        assert b"running" in shown.stdout
        rig.start_worker()
        replay = ended(rig, replay_id)
        assert (replay.state, replay.sent, replay.why, replay.by) == ("done", MANY, "INC-7", "ana")
        assert api.accepted == dict.fromkeys(users(MANY), 1)
        assert rig.wooshq.dead_letters.groups() == []

    def test_an_api_that_still_refuses_gets_the_first_slice_and_the_rest_is_spared(self, rig: Rig, api: StandIn) -> None:
        api.answer = refuses_the_wrong_preset
        ids = letters_of(rig.wooshq, users(MANY))
        rig.start_worker()

        done = rig.wooshq.dead_letters.replay(reason="rejected")

        assert done.id is not None
        replay = ended(rig, done.id)
        assert (replay.state, replay.dead, replay.waiting) == ("stopped", 100, MANY - 100)
        assert "100 of 100 letters failed again" in replay.note
        assert [call.recipients for call in api.calls] != []
        assert {person for call in api.calls for person in call.recipients} == set(users(100)), "the oldest first"
        assert len(rig.wooshq.dead_letters.list(state="open")) == MANY

        api.answer = lambda call, n: None
        rig.wooshq.replays.resume(done.id, "the preset is back")
        replay = ended(rig, done.id)
        assert (replay.state, replay.sent, replay.dead) == ("done", MANY - 100, 100)
        outcomes = {one.letter: one.outcome for one in rig.wooshq.replays.outcomes(done.id)}
        assert outcomes == {letter: "dead" if n < 100 else "sent" for n, letter in enumerate(ids)}

    @pytest.mark.stand_in(latency_s=0.02)
    def test_starters_and_workers_are_killed_and_each_letter_is_sent_once_or_on_record(self, rig: Rig, api: StandIn) -> None:
        ids = letters_of(rig.wooshq, users(MANY))
        for _ in range(3):  # before, while and after it starts
            starter = rig.start("dead", "replay", "--reason", "rejected")
            before = len(rig.wooshq.replays.list())
            wait_until(lambda before=before, starter=starter: len(rig.wooshq.replays.list()) > before or starter.poll() is not None)
            starter.send_signal(signal.SIGKILL)
            starter.wait()
        rig.cli("dead", "replay", "--reason", "rejected", "--first", "0")
        for _ in range(4):
            worker = rig.start_worker()
            reached = len(api.calls)
            wait_until(lambda reached=reached: len(api.calls) > reached + 50)
            os.kill(worker.pid, signal.SIGKILL)
            rig.kill(worker)
        rig.start_worker()

        wait_until(
            lambda: not rig.wooshq.dead_letters.list(most=1, state="open") and not rig.wooshq.dead_letters.list(most=1, state="replaying")
        )

        assert set(api.accepted) == set(users(MANY))
        unknown = rig.wooshq.counts().get("unknown", 0)
        assert sum(api.accepted.values()) - MANY <= unknown
        wait_until(lambda: all(one.ended_at for one in rig.wooshq.replays.list() if one.state != "planned"))
        live = [one for one in rig.wooshq.replays.list() if one.state != "planned"]
        assert sum(one.sent for one in live) == MANY == len(ids)


class WhenARecipeNamesAToken:
    def test_the_workers_use_it_and_the_token_itself_is_nowhere_in_the_ledger(self, rig: Rig, api: StandIn) -> None:
        letters_of(rig.wooshq, users(3))
        rig.env["PUSHWOOSH_API_TOKENS"] = '{"CCCCC-DDDDD": "the-other-token"}'
        rig.start_worker()
        done = rig.wooshq.dead_letters.replay(reason="rejected", to_token="CCCCC-DDDDD")
        assert ended(rig, done.id or "").sent == 3
        assert {call.authorization for call in api.calls} == {"Token the-other-token"}
        assert {next(iter(call.body.values()))["application"] for call in api.calls} == {"AAAAA-BBBBB"}
        assert rig.wooshq.replays.show(done.id or "").recipe == {"token": "CCCCC-DDDDD"}

    def test_one_that_is_not_set_stops_the_replay_and_holds_nothing_else(self, rig: Rig, api: StandIn) -> None:
        letters_of(rig.wooshq, users(30))
        rig.start_worker()
        replay = ended(rig, rig.wooshq.dead_letters.replay(reason="rejected", to_token="CCCCC-DDDDD", first=5).id or "")
        assert (replay.state, replay.dead, replay.waiting) == ("stopped", 5, 25)
        assert rig.wooshq.gates() == []
        assert "CCCCC-DDDDD" in {group.reason: group.detail for group in rig.wooshq.dead_letters.groups()}["invalid"]
        rig.ended([rig.wooshq.enqueue(an_intent())])
        with pytest.raises(ValueError, match="application"):
            rig.wooshq.dead_letters.replay(reason="rejected", to_token="not a code")


class WhenLettersShareCalls:
    @pytest.mark.stand_in(latency_s=0.05)
    @pytest.mark.settings(list_limit=10)
    def test_killed_workers_double_nobody_who_is_not_on_record(self, rig: Rig, api: StandIn) -> None:
        job, n = new_id(), 300
        letters_shared_by(rig.wooshq, rig.redis(), job, n)
        plan = rig.wooshq.dead_letters.replay(bulk=job, dry_run=True)
        assert (plan.replayed, plan.calls) == (n, 30)
        done = rig.wooshq.dead_letters.replay(bulk=job, first=20)
        for _ in range(3):
            worker = rig.start_worker()
            reached = len(api.calls)
            wait_until(lambda reached=reached: len(api.calls) > reached + 3)
            rig.kill(worker)
        rig.start_worker()

        replay = ended(rig, done.id or "")
        assert (replay.state, replay.sent, replay.dead) == ("done", n, 0)
        assert {one.state for one in rig.wooshq.dead_letters.list(bulk=job, state="any")} == {"closed"}
        assert set(api.accepted) == set(users(n))
        assert sum(api.accepted.values()) - n <= 10 * rig.wooshq.counts().get("unknown", 0)

    @pytest.mark.settings(list_limit=10)
    def test_a_pause_takes_them_back_and_they_share_calls_again(self, rig: Rig, api: StandIn) -> None:
        letters_shared_by(rig.wooshq, rig.redis(), job := new_id(), 40)
        rig.wooshq.pause()
        done = rig.wooshq.dead_letters.replay(bulk=job)
        paused = rig.wooshq.replays.pause(done.id or "")
        assert (paused.sending, paused.waiting) == (0, 40)
        rig.wooshq.resume()
        rig.wooshq.replays.resume(done.id or "")
        rig.start_worker()
        assert ended(rig, done.id or "").sent == 40
        assert sorted(len(call.recipients) for call in api.calls) == [10] * 4
        assert api.accepted == dict.fromkeys(users(40), 1)

    @pytest.mark.stand_in(latency_s=0.5)
    @pytest.mark.settings(list_limit=10)
    def test_a_call_that_is_refused_after_a_cancel_ends_with_the_replay(self, rig: Rig, api: StandIn) -> None:
        letters_shared_by(rig.wooshq, rig.redis(), job := new_id(), 4)
        api.answer = lambda call, n: refusal(400, 3, "users.list[1]: is not valid")
        done = rig.wooshq.dead_letters.replay(bulk=job)
        rig.start_worker()
        wait_until(lambda: api.under_way)
        assert rig.wooshq.replays.cancel(done.id or "").sending == 4, "the call is in progress"

        wait_until(lambda: rig.wooshq.replays.show(done.id or "").ended_at, saw=lambda: rig.wooshq.replays.show(done.id or ""))

        replay = rig.wooshq.replays.show(done.id or "")
        assert (replay.state, replay.cancelled, replay.waiting, replay.sending) == ("cancelled", 4, 0, 0)
        assert len(api.calls) == 1
        assert len(rig.wooshq.dead_letters.list(bulk=job, state="open")) == 4, "they can be replayed again"


class WhenAReplayIsHeldBack:
    def test_a_pause_takes_back_what_waits_behind_a_gate_and_a_cancel_spares_it(self, rig: Rig, api: StandIn) -> None:
        rig.wooshq.pause()
        letters_of(rig.wooshq, users(300))
        done = rig.wooshq.dead_letters.replay(reason="rejected", first=0)
        assert done.id is not None
        rig.start_worker()
        wait_until(lambda: rig.wooshq.replays.show(done.id or "").sending == 300)

        rig.wooshq.replays.pause(done.id, "noon", by="ana")
        wait_until(lambda: rig.wooshq.replays.show(done.id or "").sending == 0)
        assert rig.wooshq.replays.show(done.id).waiting == 300
        rig.wooshq.resume()
        rig.wooshq.replays.resume(done.id)
        assert ended(rig, done.id).sent == 300
        assert api.accepted == dict.fromkeys(users(300), 1)

        rig.wooshq.pause()
        letters_of(rig.wooshq, ["v1", "v2"])
        second = rig.wooshq.dead_letters.replay(reason="rejected")
        cancelled = rig.wooshq.replays.cancel(second.id or "")
        assert (cancelled.state, cancelled.cancelled, cancelled.sending) == ("cancelled", 2, 0)
        assert len(rig.wooshq.dead_letters.list(state="open")) == 2, "they can be replayed again"
        rig.wooshq.resume()
        assert ended(rig, rig.wooshq.dead_letters.replay(reason="rejected").id or "").sent == 2

    def test_a_rate_counts_calls_and_the_oldest_letter_goes_first(self, rig: Rig, api: StandIn) -> None:
        rig.start_worker()
        rig.ended([rig.wooshq.enqueue(an_intent("before"))])
        api.calls.clear()
        letters_of(rig.wooshq, users(6))
        done = rig.wooshq.dead_letters.replay(reason="rejected", rate=5)
        assert done.takes_s == 1.0
        assert ended(rig, done.id or "").sent == 6
        assert api.calls[0].recipients == ["u0"]
        assert api.calls[-1].at - api.calls[0].at > 0.9

    def test_it_stops_later_too_if_letters_begin_to_fail(self, rig: Rig, api: StandIn) -> None:
        api.answer = lambda call, n: refusal(400, 3, "no") if n > 150 else None
        letters_of(rig.wooshq, users(3000))
        rig.start_worker()
        replay = ended(rig, rig.wooshq.dead_letters.replay(reason="rejected", first=50, stop_at=0.1).id or "")
        assert replay.state == "stopped"
        assert replay.sent == 150
        assert replay.waiting > 0


class WhenAReplayIsPlanned:
    def test_each_letter_that_is_left_out_has_its_reason(self, wooshq: Wooshq) -> None:
        letters = wooshq.dead_letters
        good = letters_of(wooshq, ["u1", "u2"])
        invalid = letters_of(wooshq, ["u3"], lambda user: {"to": {"users": [user]}, "message": {"posh": {}}})
        expired = letters_of(wooshq, ["u4"], lambda user: an_intent(user, expires_at="2020-01-01T00:00:00Z"))
        doubtful = letters_of(wooshq, ["u5"], reason=Reason.UNKNOWN)
        discarded = letters_of(wooshq, ["u6"])
        letters.discard(discarded[0])
        replaying = letters_of(wooshq, ["u7"])
        other = letters.replay(replaying[0])
        ids = {"invalid": invalid, "expired": expired, "in_doubt": doubtful, "discarded": discarded, "replaying": replaying}

        plan = letters.replay(application="AAAAA-BBBBB", state="any", dry_run=True)

        assert (plan.selected, plan.replayed, plan.invalid, plan.skipped) == (7, 2, 1, 4)
        assert plan.left_out == dict.fromkeys(ids, 1)
        assert plan.why.keys() == {letter for (letter,) in ids.values()}
        assert "message.posh" in plan.why[invalid[0]]
        assert "twice" in plan.why[doubtful[0]]
        assert letters.replay(*doubtful, dry_run=True).replayed == 1, "it is asked for by name"
        assert letters.replay(reason="unknown", dry_run=True).replayed == 1
        assert wooshq.replays.show(other.id or "").state == "running"
        assert len(good) == 2
        assert [one.id for one in wooshq.replays.list()] == [other.id], "a dry run keeps nothing"

    def test_it_says_how_long_it_takes_at_the_rate_or_at_the_limit_of_the_application(self, wooshq: Wooshq) -> None:
        letters_of(wooshq, users(101))
        plan = partial(wooshq.dead_letters.replay, reason="rejected", dry_run=True)
        assert plan().takes_s == 0
        assert plan(rate=10).takes_s == 10
        wooshq.limits.set("rate", 5, by="ana")
        assert (plan().takes_s, plan(rate=10).takes_s, plan(rate=2).takes_s) == (20, 20, 50)
        wooshq.limits.set("rate", 50, "AAAAA-BBBBB", by="ana")
        assert plan().takes_s == 2

    def test_letters_filed_later_are_not_in_it_and_it_starts_when_somebody_starts_it(self, rig: Rig, api: StandIn) -> None:
        ids = letters_of(rig.wooshq, users(3))
        plan = rig.cli("dead", "replay", "--reason", "rejected", "--plan")
        replay_id = plan.stdout.decode().strip()
        letters_of(rig.wooshq, ["later"])
        rig.wooshq.dead_letters.discard(ids[1])
        rig.start_worker()
        assert rig.wooshq.replays.show(replay_id).state == "planned"
        assert rig.wooshq.dead_letters.replay(ids[0], dry_run=True).replayed == 1, "a plan holds nothing"

        assert rig.cli("replays", "start", replay_id).returncode == 0
        replay = ended(rig, replay_id)
        assert (replay.sent, replay.left_out, replay.total) == (2, 1, 3)
        assert set(api.accepted) == {"u0", "u2"}
        shown = rig.cli("replays", "show", replay_id, "--letters", "--outcome", "left_out").stdout.decode()
        assert shown == f"{ids[1]} left_out: it is discarded by now\n"
        assert rig.cli("replays", "start", replay_id).returncode == 2

    def test_a_recipe_shows_the_letters_that_differ_most_and_lists_those_that_it_spoils(self, wooshq: Wooshq) -> None:
        letters_of(wooshq, users(50))
        (push,) = letters_of(wooshq, ["push"], lambda user: an_intent(user, tags={"a": "b"}))
        (html,) = letters_of(wooshq, ["mail"], lambda user: {"to": {"users": [user]}, "message": {"email": {"subject": "S", "body": "B"}}})

        plan = wooshq.dead_letters.replay(reason="rejected", patch={"message": {"push": {"title": "New"}, "preset": None}}, dry_run=True)

        assert plan.left_out == {"invalid": 1}
        assert "message" in plan.why[html]
        shown = {example.id: example for example in plan.examples}
        assert push in shown
        assert len(shown) == 2
        assert shown[push].before["message"]["push"]["title"] == "Hi"
        assert shown[push].after["message"]["push"]["title"] == "New"
        (inner,) = shown[push].payload_after.values()
        assert inner["payload"]["content"]["localized_content"]["default"]["ios"]["title"] == "New"
        assert wooshq.dead_letters.show(push).intent["message"]["push"]["title"] == "Hi", "the original is kept"

    def test_a_letter_that_failed_again_and_again_is_left_out_unless_it_is_named(self, rig: Rig, api: StandIn) -> None:
        api.answer = lambda call, n: refusal(400, 3, "no")
        (letter,) = letters_of(rig.wooshq, ["u1"])
        rig.start_worker()
        for _ in range(3):
            ended(rig, rig.wooshq.dead_letters.replay(reason="rejected").id or "")
        assert rig.wooshq.dead_letters.replay(reason="rejected").left_out == {"in_vain": 1}
        assert rig.wooshq.dead_letters.replay(letter).replayed == 1

    def test_a_replay_that_nobody_knows_is_said_so(self, rig: Rig) -> None:
        with pytest.raises(ReplayUnknown):
            rig.wooshq.replays.show("nonsense")
        done = rig.cli("replays", "pause", "nonsense")
        assert (done.returncode, b"no replay has this id" in done.stderr) == (1, True)


class WhenGroupsAreShown:
    def test_each_says_which_act_fits(self, wooshq: Wooshq) -> None:
        letters_of(wooshq, ["u1", "u2"])
        letters_of(wooshq, ["u3"], detail="transactional.users.list[0]: is not valid")
        letters_of(wooshq, ["u4"], reason=Reason.EXHAUSTED, detail="UNAVAILABLE")
        (late,) = letters_of(wooshq, ["u5"], lambda user: an_intent(user, expires_at="2020-01-01T00:00:00Z"), detail="late")

        def acts() -> dict[str, str | None]:
            return {group.detail.partition(":")[0]: group.act for group in wooshq.dead_letters.groups()}

        named, wait = "transactional.users.list[n]", "wait for the gate, then replay"
        assert acts() == {"payload.preset": "fix and replay", named: "clean the list", "UNAVAILABLE": "replay", "late": "discard"}
        wooshq.pause()
        assert acts()["UNAVAILABLE"] == wait
        assert late in [group.example for group in wooshq.dead_letters.groups()]


class WhenTwoRunOneReplay:
    def test_no_letter_becomes_two_intents(self, wooshq: Wooshq) -> None:
        letters_of(wooshq, users(250))
        done = wooshq.dead_letters.replay(reason="rejected", first=0)
        ledger = replay_ledger(wooshq)
        slow, quick = (run_replay(ledger, wooshq.settings, done.id or "") for _ in range(2))
        answers = [None, None]
        flows = [slow, quick]
        running = [True, True]
        while any(running):
            for n, flow in enumerate(flows):  # each takes a step in turn
                if running[n]:
                    try:
                        asked = flow.send(answers[n])  # type: ignore[arg-type]
                        answers[n] = wooshq._ask(asked)
                    except StopIteration:
                        running[n] = False
        assert wooshq.counts()["replayed"] == 250
        assert wooshq.replays.show(done.id or "").sending == 250

    def test_two_replays_of_the_same_letters_share_them(self, rig: Rig, api: StandIn) -> None:
        letters_of(rig.wooshq, users(30))
        first = rig.wooshq.dead_letters.replay(reason="rejected", start=False)
        second = rig.wooshq.dead_letters.replay(reason="rejected")
        rig.wooshq.replays.start(first.id or "")
        rig.start_worker()
        outcomes = [ended(rig, one.id or "") for one in (first, second)]
        assert [(one.sent, one.left_out) for one in outcomes] == [(0, 30), (30, 0)]
        assert api.accepted == dict.fromkeys(users(30), 1)


class WhenTheLedgerGoesAwayWhileAReplayStarts:
    def test_the_error_says_what_was_started(self, wooshq: Wooshq, monkeypatch: pytest.MonkeyPatch) -> None:
        letters_of(wooshq, users(3))
        real = wooshq._ask

        def dies_after_the_start(wanted: object) -> object:
            if getattr(wanted, "script", "") == "replays/judge":
                raise LedgerUnavailable("Redis did not answer", maybe_done=True)
            return real(wanted)  # type: ignore[arg-type]

        monkeypatch.setattr(wooshq, "_ask", dies_after_the_start)
        with pytest.raises(LedgerUnavailable) as raised:
            wooshq.dead_letters.replay(reason="rejected")
        done = raised.value.done
        assert getattr(done, "state", None) == "running"
        assert len(wooshq.dead_letters.list(state=LetterState.OPEN)) == 3
        assert of_a_wrong_preset("u0")["message"] == {"preset": "WRONG"}


class WhenThePageIsFollowed:
    def test_its_commands_lead_from_the_groups_to_the_end_of_the_replay(self, rig: Rig, api: StandIn) -> None:
        api.answer = refuses_the_wrong_preset
        letters_of(rig.wooshq, users(20))
        rig.start_worker()
        block, second = re.findall(r"```console\n(.*?)```", PAGE, re.DOTALL)[:2]
        replay_id = ""
        for line in block.splitlines() + second.splitlines():
            if "--plan" in line:
                letters_of(rig.wooshq, ["later"])
            done = rig.cli(*shlex.split(line.removeprefix("$ wooshq ").replace("ID", replay_id or "ID")))
            assert done.returncode == 0, (line, done.stderr)
            if "replay " in line and "--dry-run" not in line:
                replay_id = done.stdout.decode().strip()
        assert api.accepted == dict.fromkeys(users(20), 1)
        assert rig.wooshq.replays.list()[-1].sent == 20

    def test_its_python_does_the_same(self, wooshq: Wooshq, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        letters_of(wooshq, users(3))
        for name in ("dead_letters", "replays"):
            monkeypatch.setattr(f"wooshq.{name}", getattr(wooshq, name))
        (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
        exec(compile(code, "replay.md", "exec"), {})
        said = capsys.readouterr().out.splitlines()
        assert said[0] == "3 3 {}"
        assert said[-1] == "running 0 0"


def test_whoever_makes_a_plan_can_say_how_far_it_is(rig: Rig) -> None:
    letters_of(rig.wooshq, users(450))
    looked: list[int] = []
    plan = rig.wooshq.dead_letters.replay(reason="rejected", patch=RECIPE, start=False, watch=looked.append)
    assert plan.replayed == 450
    assert looked == sorted(looked)
    assert len(looked) > 1
    assert looked[-1] == 450
