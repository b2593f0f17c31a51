"""Workers are killed while messages and a job are sent: whoever got a message twice is in `wooshq doubles`, with cause and attempts, and in its export."""

from __future__ import annotations

import csv
import json
from collections import Counter
from typing import Any

import pytest

from tests.fan_outs import PERSONAL
from tests.rig import GENEROUS_S, Rig, an_intent, wait_until
from tests.stand_in import StandIn
from wooshq.finding.double import Double

pytestmark = pytest.mark.stand_in(latency_s=0.05)

INTENTS, RECIPIENTS, KILLS = 1500, 2000, 6


def found(rig: Rig) -> list[Double]:
    """All doubles, in pages of a few; the pages have each case once."""
    cases: list[Double] = []
    after: str | None = None
    while True:
        page = rig.wooshq.doubles(most=17, after=after)
        cases += page.found
        after = page.after
        if after is None:
            whole = rig.wooshq.doubles().found  # rows may have gone to the history meanwhile
            assert [(one.kind, one.id, one.at, one.cause) for one in whole] == [(one.kind, one.id, one.at, one.cause) for one in cases]
            return list(whole)


@pytest.mark.parametrize(
    "_", [pytest.param(0, id="with a history"), pytest.param(1, id="without", marks=pytest.mark.settings(history_url="off"))]
)
def test_every_message_that_came_twice_is_a_double_with_cause_and_attempts(rig: Rig, api: StandIn, _: int) -> None:
    report = rig.wooshq.enqueue_many(an_intent(f"i{n}") for n in range(INTENTS))
    people: Any = ({"user": f"j{n}", "name": n // 10} for n in range(RECIPIENTS))
    job = rig.wooshq.fan_out(PERSONAL, people)
    for _ in range(KILLS):
        worker = rig.start_worker()
        reached = len(api.calls)
        wait_until(lambda reached=reached: len(api.calls) > reached + 150)
        rig.kill(worker)
    api.latency_s = 0
    rig.start_worker()
    job.wait(GENEROUS_S)
    wait_until(lambda: rig.wooshq.counts().get("sent", 0) == INTENTS, saw=rig.wooshq.counts)

    twice = {person for person, times in api.accepted.items() if times > 1}
    assert any(person.startswith("i") for person in twice), "the kills hit nobody"
    ids = dict(zip((f"i{n}" for n in range(INTENTS)), report.ids, strict=True))
    cases = found(rig)

    of_intents = {case.id: case for case in cases if case.kind == "intent"}
    for person in (person for person in twice if person in ids):
        case = of_intents[ids[person] or ""]
        assert case.recipients == (person,)
        assert "worker lost while sending" in case.cause
        outcomes = Counter(attempt["outcome"] for attempt in case.attempts)
        assert outcomes["unknown"] + outcomes["sent"] >= api.accepted[person], (person, case.attempts)
        assert case.reached == outcomes["unknown"] + outcomes["sent"]
    of_jobs = Counter(who for case in cases if case.kind == "job" for who in case.recipients)
    missing = {person for person in twice if person.startswith("j") and of_jobs[person] < api.accepted[person] - 1}
    assert not missing, f"{len(missing)} recipients of the job got it twice, and are not on record"
    assert all(case.cause for case in cases)
    assert len(of_intents) == len([case for case in cases if case.kind == "intent"]), "a case a message"

    assert rig.cli("doubles", "--export", "doubles.csv", "--why", "the incident", "--by", "ana").returncode == 0
    with (rig.folder / "doubles.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert twice <= {row["recipient"] for row in rows}
    assert {(row["kind"], row["id"], row["recipient"]) for row in rows} == {
        (case.kind, case.id, who) for case in cases for who in case.recipients
    }
    shown = [json.loads(line) for line in rig.cli("doubles", "--json").stdout.splitlines()]
    assert [(one["kind"], one["id"], one["at"]) for one in shown] == [(case.kind, case.id, case.at) for case in cases]
    (act,) = rig.wooshq.audit(by="ana").found
    assert (act.did, act.what, act.count, act.why) == ("exported", "doubles", len(cases), "the incident")
