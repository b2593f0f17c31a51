"""A roll-out in steps: each step ends before the next begins, is judged by its failures, and a person or the time lets the job go on."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.fan_outs import PERSONAL, TEMPLATE, adds_up, people, personal
from tests.rig import GENEROUS_S, Rig, wait_until
from tests.stand_in import Call, Reply, StandIn, refusal
from wooshq_worker.cli.terminal.job import sentence


class WhenAJobIsRolledOutInSteps:
    def test_each_step_waits_for_a_person_and_the_last_is_for_everybody(self, rig: Rig, api: StandIn) -> None:
        rig.start_worker()
        made = rig.wooshq.fan_out(TEMPLATE, people(1000), steps="1%,10%,100%", total=1000)
        for reached, step in ((10, "step 1 of 3"), (100, "step 2 of 3")):
            job = made.wait(GENEROUS_S)
            assert (job.state, job.sent) == ("paused", reached)
            assert step in job.why
            assert f"{1000 - reached} wait" in job.why
            made.resume()
        job = made.wait(GENEROUS_S)
        assert (job.state, job.sent) == ("done", 1000)
        assert set(api.accepted.values()) == {1}

    def test_it_stops_if_too_many_are_refused_and_says_how_many_are_left(self, rig: Rig, api: StandIn) -> None:
        api.answer = lambda call, n: refusal(400, 3, f"refused {n}") if any(int(p[1:]) % 4 == 0 for p in call.recipients) else None
        rig.start_worker()
        made = rig.wooshq.fan_out(PERSONAL, personal(4000), steps=[100, 1000], stop_at=0.1)
        job = made.wait(GENEROUS_S)
        assert job.state == "stopped"
        assert job.sent + job.dead <= 100
        assert f"; {job.left:,} are left" in job.why
        assert adds_up(rig, job)

    def test_it_counts_recipients_that_were_read_after_the_step_ended(self, rig: Rig) -> None:
        rig.start_worker()
        ids: list[str] = []

        def waits_for_the_step() -> Iterator[str]:
            yield from people(20_000)
            wait_until(lambda: rig.wooshq.bulk.show(ids[0]).state == "paused")
            yield from (f"v{i}" for i in range(30_000))

        job = rig.wooshq.fan_out(TEMPLATE, waits_for_the_step(), steps=[10], opened=ids.append).show()
        assert (job.state, job.total, job.left) == ("paused", 50_000, 49_990)
        assert "49,990 wait for the next step" in job.why
        assert "49,990 wait for the next step" in rig.cli("bulk", "show", job.id).stdout.decode()
        assert "49,990 left" in sentence(job)

    def test_it_goes_on_by_itself_if_it_was_told_to(self, rig: Rig, api: StandIn) -> None:
        rig.start_worker()
        made = rig.wooshq.fan_out(TEMPLATE, people(500), steps=[50], step_wait_s=2)
        wait_until(lambda: made.show().goes_on_at is not None, saw=made.show)
        assert made.show().state == "paused"
        assert made.wait(GENEROUS_S).sent == 500

    def test_invalid_steps_are_refused_in_words(self, rig: Rig) -> None:
        for wrong, says in (
            ({"steps": "1%,10%"}, "total"),
            ({"steps": "ten"}, "1%,10%,100%"),
            ({"steps": [10, 5]}, "larger"),
            ({"stop_at": 0.1}, "need steps"),
            ({"rate": 0}, "rate"),
        ):
            with pytest.raises(ValueError, match=says):
                rig.wooshq.fan_out(TEMPLATE, people(3), **wrong)  # type: ignore[arg-type]
        assert rig.wooshq.bulk.list() == []

    def test_invalid_percentages_are_refused_in_words(self, rig: Rig) -> None:
        for wrong in ("0%", "110%", "10%,5%", "10%,10%"):
            with pytest.raises(ValueError, match="a percentage must be"):
                rig.wooshq.fan_out(TEMPLATE, people(3), steps=wrong, total=3)


class WhenARecipientInAStepNeedsASecondCall:
    """A recipient that was called already takes no room in the step. The step waits for them, and they must not wait for the step."""

    def test_because_the_api_was_away(self, rig: Rig, api: StandIn) -> None:
        refused: list[int] = []

        def away_at_first(call: Call, n: int) -> Reply | None:
            if call.recipients == ["u9"] and len(refused) < 4:  # more than one claim tries
                refused.append(n)
                return refusal(503, 14, "away")
            return None

        api.answer = away_at_first
        rig.start_worker()
        made = rig.wooshq.fan_out(PERSONAL, personal(100), steps=[10, 50])
        for reached in (10, 50):
            job = made.wait(GENEROUS_S)
            assert (job.state, job.sent) == ("paused", reached), job.why
            made.resume()
        assert made.wait(GENEROUS_S).sent == 100
        assert set(api.accepted.values()) == {1}

    @pytest.mark.parametrize("shared", [True, False])
    def test_because_the_answer_was_lost(self, rig: Rig, api: StandIn, shared: bool) -> None:
        api.answer = lambda call, n: Reply(cut=True) if n == 1 else None
        rig.start_worker()
        made = rig.wooshq.fan_out(*((TEMPLATE, people(2000)) if shared else (PERSONAL, personal(2000))), steps="1%,10%,100%", total=2000)
        for reached in (20, 200):
            job = made.wait(GENEROUS_S)
            assert (job.state, job.sent) == ("paused", reached), job.why
            made.resume()
        job = made.wait(GENEROUS_S)
        assert (job.state, job.sent) == ("done", 2000)
        assert adds_up(rig, job)

    def test_because_a_shared_call_held_a_bad_recipient(self, rig: Rig, api: StandIn) -> None:
        bad = {"u3", "u17"}
        api.answer = lambda call, n: refusal(400, 3, "a recipient is not valid") if bad & set(call.recipients) else None
        rig.start_worker()
        made = rig.wooshq.fan_out(TEMPLATE, people(1000), steps=[20, 200])
        job = made.wait(GENEROUS_S)
        assert (job.state, job.sent, job.dead) == ("paused", 18, 2), job.why
        assert len({person for call in api.calls for person in call.recipients}) == 20, "no recipient of the next step"
        made.resume()
        assert made.wait(GENEROUS_S).sent == 198
        made.resume()
        assert made.wait(GENEROUS_S).sent == 998
        assert set(api.accepted.values()) == {1}


class WhenAPersonResumesARollout:
    def test_a_pause_in_the_middle_of_a_step_does_not_skip_the_judgement_of_the_step(self, rig: Rig, api: StandIn) -> None:
        away = {f"u{i}" for i in range(1, 10)}
        api.answer = lambda call, n: refusal(503, 14, "away") if away & set(call.recipients) else None
        rig.start_worker()
        made = rig.wooshq.fan_out(PERSONAL, personal(500), steps=[10], stop_at=0.1)
        wait_until(lambda: made.show().retrying + made.show().sending == 9, saw=made.show)
        made.pause()
        made.resume()
        other = rig.wooshq.fan_out({**TEMPLATE, "application": "CCCCC-DDDDD"}, ({"user": f"v{i}"} for i in range(20)), steps=[10])
        assert other.wait(GENEROUS_S).state == "paused"  # by now the keeper has looked at this job's step as well
        assert made.show().step == "1 of 2"
        assert {person for call in api.calls for person in call.recipients if person.startswith("u")} <= {f"u{i}" for i in range(10)}
        away.clear()
        assert made.wait(GENEROUS_S).sent == 10
        made.cancel()

    def test_a_rollout_that_stopped_early_goes_on_to_the_end_of_its_step(self, rig: Rig, api: StandIn) -> None:
        def answer(call: Call, n: int) -> Reply | None:
            return refusal(400, 3, f"no {call.recipients[0]}") if int(call.recipients[0][1:]) in range(0, 36, 3) else None

        api.answer = answer
        rig.start_worker()
        made = rig.wooshq.fan_out(PERSONAL, personal(300), steps=[100], stop_at=0.1, rate=40)
        job = made.wait(GENEROUS_S)
        assert (job.state, job.sent + job.dead < 100) == ("stopped", True), job
        made.resume()
        job = made.wait(GENEROUS_S)
        assert (job.state, job.sent + job.dead) == ("paused", 100), job
        made.cancel()

    def test_a_recipient_whose_answer_was_lost_counts_once_however_it_ended(self, rig: Rig, api: StandIn) -> None:
        lost = {"u3", "u7", "u8"}
        api.answer = lambda call, n: Reply(cut=True) if lost & set(call.recipients) else None
        rig.start_worker()
        made = rig.wooshq.fan_out({**PERSONAL, "on_unknown": "dead_letter"}, personal(200), steps=[100], stop_at=0.05)
        job = made.wait(GENEROUS_S)
        assert (job.state, job.dead, job.unknown) == ("paused", 3, 3), job.why
        assert "3 of 100" in job.why
