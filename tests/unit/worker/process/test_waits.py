"""The line about what waits: there only if something waits for more than a worker."""

from __future__ import annotations

from wooshq.gates.waiting import Backlog, Waiting, Why
from wooshq_worker.process.health.waits import in_fields

NOW = 1_000_000


def waiting(why: Why = Why.WORKER, *, lane: str = "bulk", n: int = 3, for_ms: int = 500) -> Waiting:
    return Waiting(lane, "AAAAA-BBBBB", why, n, NOW - for_ms)


def fields(*found: Waiting, retrying: int = 0, overdue_ms: dict[str, int] | None = None) -> dict[str, object]:
    return in_fields(Backlog(NOW, found, retrying, 0, 0, overdue_ms or {}))


def test_nothing_is_said_if_nothing_waits_or_only_for_a_moment() -> None:
    assert fields() == {}
    assert fields(waiting(), retrying=7) == {}


def test_what_a_gate_holds_back_is_said_with_its_age() -> None:
    said = fields(waiting(Why.CIRCUIT, for_ms=60_000), waiting(Why.CIRCUIT, n=2), waiting(Why.PAUSED, lane="transactional"), retrying=1)
    assert said == {"bulk_circuit": 5, "transactional_paused": 3, "oldest_s": 60, "retrying": 1}


def test_what_no_worker_takes_is_said_as_overdue() -> None:
    assert fields(waiting(for_ms=5_000)) == {"bulk_worker": 3, "bulk_overdue_s": 5.0, "oldest_s": 5, "retrying": 0}
    assert fields(overdue_ms={"bulk": NOW - 2_500}, retrying=1) == {"bulk_overdue_s": 2.5, "retrying": 1}
