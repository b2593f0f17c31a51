"""The API refuses recipients or the whole template: everybody else is reached, and a template that is refused stops the job early."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.fan_outs import PERSONAL, TEMPLATE, adds_up, people, personal
from tests.rig import GENEROUS_S, Rig, wait_until
from tests.stand_in import Call, Reply, StandIn, refusal

pytestmark = pytest.mark.stand_in(latency_s=0.02)

BAD_REQUEST = "type.googleapis.com/google.rpc.BadRequest"


class WhenTheApiRefusesSome:
    @staticmethod
    def refuse(api: StandIn, bad: set[str]) -> None:
        api.answer = lambda call, n: refusal(400, 3, "a recipient is not valid") if bad & set(call.recipients) else None

    def test_bad_recipients_become_dead_letters_and_everyone_else_is_reached(self, rig: Rig, api: StandIn) -> None:
        bad = {f"u{i}" for i in range(0, 3000, 700)}
        self.refuse(api, bad)
        rig.start_worker()
        made = rig.wooshq.fan_out(TEMPLATE, people(3000))
        job = made.wait(GENEROUS_S)
        assert (job.state, job.sent, job.dead) == ("done", 3000 - len(bad), len(bad))
        assert set(api.accepted.values()) == {1}
        assert job.calls <= 3 + 6 + 2 * len(bad) * 10
        letters = rig.wooshq.dead_letters.list(bulk=job.id)
        assert {rig.wooshq.dead_letters.show(letter.id).intent["to"]["users"][0] for letter in letters} == bad
        whole = rig.wooshq.dead_letters.show(letters[0].id)
        assert (whole.reason, whole.bulk_id, whole.lane) == ("rejected", job.id, "bulk")
        assert whole.payload["transactional"]["users"]["list"] == whole.intent["to"]["users"]
        assert len(whole.attempts) >= 2, "the shared calls that it was in, and the one of its own"
        assert adds_up(rig, job)

        def told(name: str) -> int:
            return sum(event.get(name, 0) for event in rig.events("fanned_out"))

        wait_until(lambda: (told("sent"), told("dead"), told("calls")) == (job.sent, job.dead, job.calls), saw=rig.logs)
        assert not any(f'"{person}"' in rig.logs() for person in bad)

        # once the API accepts them they are sent, and nobody who was reached gets it again
        self.refuse(api, set())
        done = rig.wooshq.bulk.retry_failed(job.id)
        assert done.replayed == len(bad)
        rig.ended(done.ids.values())
        assert api.accepted == Counter(people(3000))
        assert rig.wooshq.bulk.retry_failed(job.id).selected == 0

    def test_a_template_that_the_api_refuses_stops_the_job_after_a_handful_of_calls(self, rig: Rig, api: StandIn) -> None:
        api.answer = lambda call, n: refusal(400, 3, "title too rude")
        rig.start_worker()
        rig.start_worker()
        for template, stream in ((TEMPLATE, people(20_000)), (PERSONAL, personal(3000))):
            called = len(api.calls)
            job = rig.wooshq.fan_out(template, stream).wait(GENEROUS_S)
            assert (job.state, job.sent) == ("stopped", 0)
            assert "title too rude" in job.why
            assert len(api.calls) - called <= 12
            assert job.dead <= 8
            assert adds_up(rig, job)
            wait_until(lambda job=job: any(e["job_id"] == job.id for e in rig.events("job_stopped")), saw=rig.logs)

    @pytest.mark.parametrize("words", ["title too rude", "title too rude, request id {n}"])
    def test_a_template_that_is_refused_later_stops_the_job_before_every_call_is_halved(self, rig: Rig, api: StandIn, words: str) -> None:
        api.answer = lambda call, n: refusal(400, 3, words.format(n=n)) if n > 1 else None
        rig.start_worker()
        job = rig.wooshq.fan_out(TEMPLATE, people(20_000)).wait(GENEROUS_S)
        assert (job.state, job.sent) == ("stopped", 1000)
        assert job.calls <= 20 + 2 * 30, "the shared calls, and in each chunk one after the other"
        assert job.dead <= 25
        assert adds_up(rig, job)

    def test_a_letter_that_fails_again_in_a_replay_still_belongs_to_the_job(self, rig: Rig, api: StandIn) -> None:
        self.refuse(api, {"u3"})
        rig.start_worker()
        job = rig.wooshq.fan_out(TEMPLATE, people(10)).wait(GENEROUS_S)
        for _ in range(2):
            done = rig.wooshq.bulk.retry_failed(job.id)
            assert done.replayed == 1
            rig.ended(done.ids.values())
            (letter,) = rig.wooshq.dead_letters.list(bulk=job.id)
            assert (letter.state, letter.bulk_id) == ("open", job.id)

    def test_their_letters_share_calls_again_and_the_counters_of_the_job_follow(self, rig: Rig, api: StandIn) -> None:
        bad = {f"u{i}" for i in range(0, 180, 15)}
        self.refuse(api, bad)
        rig.start_worker()
        job = rig.wooshq.fan_out(TEMPLATE, people(200)).wait(GENEROUS_S)
        assert (job.sent, job.dead) == (188, 12)

        still_bad, unknown = "u15", "u30"
        called = len(api.calls)

        def answer(call: Call, n: int) -> Reply | None:
            if still_bad in call.recipients:
                return refusal(400, 3, "a recipient is not valid")
            found = [unknown] if unknown in call.recipients else []
            return Reply(200, {"result": {"message_code": f"M-{n}", "unknown_identifiers": found}})

        api.answer = answer
        plan = rig.wooshq.bulk.retry_failed(job.id, dry_run=True)
        assert (plan.replayed, plan.calls) == (12, 1)
        replay = rig.wooshq.replays.wait(rig.wooshq.bulk.retry_failed(job.id).id or "", GENEROUS_S)

        assert (replay.state, replay.sent, replay.dead) == ("done", 11, 1)
        assert len(api.calls) - called <= 9, "halves, until the bad one is alone"
        after = rig.wooshq.bulk.show(job.id)
        assert (after.sent, after.dead, after.unknown_identifiers) == (198, 1, 1)
        assert adds_up(rig, after)
        (letter,) = rig.wooshq.dead_letters.list(bulk=job.id, state="open")
        assert rig.wooshq.dead_letters.show(letter.id).intent["to"]["users"] == [still_bad]
        assert {one.state for one in rig.wooshq.dead_letters.list(bulk=job.id) if one.id != letter.id} == {"closed"}
        assert max(api.accepted.values()) == 1

    def test_letters_with_one_cause_form_one_group_that_its_detail_finds(self, rig: Rig, api: StandIn) -> None:
        def named(call: Call, n: int) -> Reply | None:
            bad = [at for at, person in enumerate(call.recipients) if person in ("u3", "u700")]
            fields = [{"field": f"transactional.users.list[{at}]", "description": "is not valid"} for at in bad]
            details = [{"@type": BAD_REQUEST, "fieldViolations": fields}]
            return Reply(400, {"code": 3, "message": "no", "details": details}) if bad else None

        api.answer = named
        rig.start_worker()
        job = rig.wooshq.fan_out(TEMPLATE, people(1000)).wait(GENEROUS_S)
        (group,) = rig.wooshq.dead_letters.groups(bulk=job.id)
        assert (group.count, group.detail) == (2, "transactional.users.list[n]: is not valid")
        assert len(rig.wooshq.dead_letters.list(bulk=job.id, detail=group.detail)) == 2

    def test_a_refusal_that_names_the_wrong_field_stops_the_job_at_once_and_resume_goes_on_when_it_is_fixed(
        self, rig: Rig, api: StandIn
    ) -> None:
        broken = [True]
        details = [{"@type": "x/google.rpc.BadRequest", "fieldViolations": [{"field": "segment.preset", "description": "unknown preset"}]}]
        api.answer = lambda call, n: Reply(400, {"code": 3, "message": "no", "details": details}) if broken[0] else None
        rig.start_worker()
        made = rig.wooshq.fan_out({"message": {"preset": "AAAAA-BBBBB"}}, people(2000))
        job = made.wait(GENEROUS_S)
        assert (job.state, job.dead, len(api.calls)) == ("stopped", 0, 1)
        broken[0] = False
        made.resume()
        job = made.wait(GENEROUS_S)
        assert (job.state, job.sent) == ("done", 2000)
        assert set(api.accepted.values()) == {1}

    def test_recipients_that_the_api_does_not_know_are_collected_and_do_not_count_as_failures(self, rig: Rig, api: StandIn) -> None:
        def some_unknown(call: Call, n: int) -> Reply:
            unknown = [person for person in call.recipients if int(person[1:]) % 250 == 0]
            return Reply(200, {"result": {"message_code": f"M-{n}", "unknown_identifiers": {"users": unknown}}})

        api.answer = some_unknown
        rig.start_worker()
        job = rig.wooshq.fan_out(TEMPLATE, people(2000)).wait(GENEROUS_S)
        assert (job.sent, job.unknown_identifiers, job.dead) == (1992, 8, 0)
        assert set(rig.wooshq.bulk.unknown_identifiers(job.id)) == {f"u{i}" for i in range(0, 2000, 250)}
        assert adds_up(rig, job)
