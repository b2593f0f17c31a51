"""Nobody is left out: whom a job did not reach can be listed, and sent to, exactly once."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from tests.fan_outs import PERSONAL, TEMPLATE, people
from tests.rig import GENEROUS_S, Rig, wait_until
from tests.stand_in import Call, Reply, StandIn, refusal
from wooshq import Conflict, JobUnknown, Wooshq
from wooshq.ledger.steps import Ask

pytestmark = pytest.mark.stand_in(latency_s=0.02)


class WhenAJobIsCancelledInTheMiddle:
    def test_exactly_those_are_listed_who_were_neither_sent_to_nor_are_in_doubt_and_a_job_continues_with_them(
        self, rig: Rig, api: StandIn
    ) -> None:
        lost: set[str] = set()

        def answer(call: Call, n: int) -> Reply | None:
            (who,) = call.recipients
            if who in ("u3", "u8"):
                return refusal(400, 3, "a recipient is not valid")
            if who == "u5":
                lost.add(who)
                return Reply(cut=True)
            return None

        api.answer = answer
        everybody = {f"u{i}": f"N{i}" for i in range(400)}
        job = rig.wooshq.fan_out(
            {**PERSONAL, "on_unknown": "dead_letter"}, ({"user": user, "name": name} for user, name in everybody.items()), rate=100
        )
        rig.start_worker()
        wait_until(lambda: rig.wooshq.bulk.show(job.id).sent > 40)
        with pytest.raises(ValueError, match="pause or cancel it first"):
            list(rig.wooshq.bulk.unreached(job.id))
        job.cancel()
        wait_until(lambda: rig.wooshq.bulk.show(job.id).sending == 0 and rig.wooshq.bulk.show(job.id).ended_at)
        lost_now, reached = set(lost), set(api.accepted)

        found = list(rig.wooshq.bulk.unreached(job.id))
        assert {one.identifier for one in found} == everybody.keys() - reached - lost_now
        assert len(found) == len({one.identifier for one in found})
        assert all(one.placeholders == {"name": everybody[one.identifier]} for one in found)
        assert {one.identifier for one in found if one.why == "dead"} == {"u3", "u8"}

        file = rig.folder / "rest.csv"
        said = rig.cli("bulk", "unreached", job.id, str(file), "--no-dead")
        assert f"{len(found) - 2} recipients written to" in said.stderr.decode()
        rows = file.read_text().splitlines()
        assert rows[0] == "user,name"
        assert set(rows[1:]) == {f"{one.identifier},{one.placeholders['name']}" for one in found if one.why != "dead"}

        done = rig.cli("bulk", "continue", job.id, "--why", "never mind the cancel", "--by", "ana", "--json")
        again = rig.cli("bulk", "continue", job.id, "--json")
        new = json.loads(done.stdout)["id"]
        assert json.loads(again.stdout)["id"] == new, "it is one job, however often it is asked for"
        ended = rig.wooshq.bulk.wait(new, GENEROUS_S)
        assert (ended.state, ended.sent) == ("done", len(found) - 2)
        assert set(api.accepted) == everybody.keys() - {"u3", "u8"}, "u5 is in doubt, and the API had accepted it"
        assert max(api.accepted.values()) == 1
        assert b"bulk retry-failed" in done.stderr
        act = [one for one in rig.wooshq.audit().found if one.did == "continued"][-1]
        assert (act.did, act.by, act.why, act.count, act.result) == (
            "continued",
            "ana",
            "never mind the cancel",
            len(found) - 2,
            f"job {new}",
        )


class WhenAJobStandsStill:
    def test_a_job_whose_template_is_wrong_continues_with_another_text(self, rig: Rig, api: StandIn) -> None:
        def title_of(call: Call) -> str:
            (inner,) = call.body.values()
            return str(inner["payload"]["content"]["localized_content"]["default"]["ios"]["title"])

        api.answer = lambda call, n: refusal(400, 3, "title too rude") if title_of(call) != "Nice" else None
        rig.start_worker()
        job = rig.wooshq.fan_out(TEMPLATE, people(3000)).wait(GENEROUS_S)
        assert job.state == "stopped"
        listed = list(rig.wooshq.bulk.unreached(job.id))
        assert len(listed) == 3000

        went_on = rig.wooshq.bulk.continue_job(job.id, patch={"message": {"push": {"title": "Nice"}}}).wait(GENEROUS_S)
        assert (went_on.state, went_on.sent) == ("done", 3000 - job.dead)
        assert rig.wooshq.bulk.show(job.id).state == "cancelled", "nobody resumes it"
        calls = len(api.calls)
        assert rig.wooshq.bulk.continue_job(job.id, patch={"message": {"push": {"title": "Nice"}}}).id == went_on.id
        with pytest.raises(Conflict):  # a second job would send to the same people again
            rig.wooshq.bulk.continue_job(job.id, patch={"message": {"push": {"title": "Nicer"}}})
        assert len(api.calls) == calls
        done = rig.wooshq.bulk.retry_failed(job.id, dry_run=True)
        assert done.replayed == job.dead

    def test_a_job_that_has_expired_names_those_who_are_left(self, rig: Rig) -> None:
        rig.wooshq.pause()
        rig.start_worker()
        job = rig.wooshq.fan_out({**TEMPLATE, "ttl_s": 1}, [{"user": "u1", "locale": "de"}, {"user": "u2"}])
        wait_until(lambda: rig.wooshq.bulk.show(job.id).expired == 2)
        found = list(rig.wooshq.bulk.unreached(job.id))
        assert Counter((one.identifier, one.why) for one in found) == Counter({("u1", "expired"): 1, ("u2", "expired"): 1})
        lines = rig.cli("bulk", "unreached", job.id, "-").stdout.decode().splitlines()
        assert [json.loads(line)["user"] for line in lines] == ["u1", "u2"]

    def test_recipients_that_are_no_longer_kept_are_not_passed_over(self, wooshq: Wooshq) -> None:
        job = wooshq.fan_out(TEMPLATE, people(3))
        job.cancel()
        assert len(list(wooshq.bulk.unreached(job.id))) == 3

        def forget() -> object:
            yield Ask([("HDEL", wooshq.bulk.ledger.keys.chunk(job.id, 0), "data")])

        wooshq.do(forget())  # type: ignore[arg-type]
        with pytest.raises(JobUnknown, match="no longer kept"):
            list(wooshq.bulk.unreached(job.id))

    def test_a_job_that_reached_everybody_has_nobody_left(self, rig: Rig) -> None:
        rig.start_worker()
        job = rig.wooshq.fan_out(TEMPLATE, people(3)).wait(GENEROUS_S)
        assert list(rig.wooshq.bulk.unreached(job.id)) == []
        with pytest.raises(ValueError, match="nobody"):
            rig.wooshq.bulk.continue_job(job.id)
