"""What people changed is on record: who, when, why."""

from __future__ import annotations

from tests.fan_outs import PERSONAL, personal
from tests.rig import APPLICATION
from wooshq import Wooshq
from wooshq.gates.who import who

ANA = "ana@ops-1"


def test_each_change_is_there_with_who_and_why_the_newest_first(wooshq: Wooshq) -> None:
    job = wooshq.fan_out(PERSONAL, personal(2), rate=5)
    wooshq.pause(lane="bulk", why="codes first", by=ANA)
    wooshq.resume(lane="bulk")
    wooshq.shut_gate("circuit", APPLICATION, "the API is down", by=ANA)
    wooshq.open_gate("circuit", APPLICATION, "it is back", by=ANA)
    wooshq.limits.set("rate", 50, why="slow today", by=ANA)
    wooshq.limits.set("rate", None, why="fast again", by=ANA)
    wooshq.limits.set("share", 0.5, APPLICATION, by=ANA)
    wooshq.limits.unset("rate", why="as before", by=ANA)
    wooshq.bulk.set_rate(job.id, 9, why="faster", by=ANA)
    job.pause("wrong text", by=ANA)
    job.resume()
    job.cancel("never mind", by=ANA)
    told = [(one.did, one.what, one.before, one.value, one.why, one.by) for one in reversed(wooshq.changes())]
    assert told == [
        ("paused", "the bulk lane of every application", None, None, "codes first", ANA),
        ("resumed", "the bulk lane of every application", None, None, "", who()),
        ("shut", f"the gate circuit of {APPLICATION}", None, None, "the API is down", ANA),
        ("opened", f"the gate circuit of {APPLICATION}", None, None, "it is back", ANA),
        ("set", "the rate of every application", None, 50.0, "slow today", ANA),
        ("set", "the rate of every application", 50.0, None, "fast again", ANA),
        ("set", f"the share of {APPLICATION}", None, 0.5, "", ANA),
        ("unset", "the rate of every application", None, None, "as before", ANA),
        ("set", f"the rate of job {job.id}", 5.0, 9.0, "faster", ANA),
        ("paused", f"job {job.id}", None, None, "wrong text", ANA),
        ("resumed", f"job {job.id}", None, None, "", who()),
        ("cancelled", f"job {job.id}", None, None, "never mind", ANA),
    ]
    newest = wooshq.changes(most=1)[0]
    assert (newest.job, newest.application, newest.gate, newest.limit) == (job.id, None, None, None)


def test_what_changes_nothing_is_not_on_record(wooshq: Wooshq) -> None:
    job = wooshq.fan_out(PERSONAL, personal(2))
    assert not wooshq.resume()
    assert not wooshq.open_gate("circuit")
    assert not wooshq.limits.unset("rate")
    job.resume()
    assert wooshq.changes() == []


def test_more_than_a_page_of_them_is_kept(wooshq: Wooshq) -> None:
    for n in range(505):
        wooshq.pause(why=str(n))
    assert [change.why for change in wooshq.changes()] == [str(n) for n in range(504, -1, -1)]
    assert [change.why for change in wooshq.changes(most=2)] == ["504", "503"]


def test_a_job_that_is_continued_is_told_in_words(wooshq: Wooshq) -> None:
    job = wooshq.fan_out(PERSONAL, personal(2))
    job.cancel("wrong text", by=ANA)
    wooshq.bulk.continue_job(job.id, why="right text", by=ANA)
    assert {"cancelled", "continued"} <= {one.did for one in wooshq.changes()}
