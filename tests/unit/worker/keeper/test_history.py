"""How much of a worker's time the history takes, and what the doctor says of the events that wait for it."""

from __future__ import annotations

import pytest

from wooshq_worker.doctor.history import of_events
from wooshq_worker.keeper.history.ledger import Telling
from wooshq_worker.keeper.history.pace import rest_s

NOW = 1_795_000_000.0


def share(full: float, *, others: float = 1.0, is_busy: bool = True) -> float:
    """Of the time, with the stream so full. Reading and forgetting are not measured, and count half as much again."""
    return 1 / (1 + rest_s(1.0, is_busy=is_busy, others=others, full=full) / 1.5)


class WhenAWorkerSends:
    def test_the_history_takes_two_percent_of_a_full_worker_until_the_stream_is_half_full(self) -> None:
        assert share(0.0) == share(0.5) == pytest.approx(0.02)

    def test_then_it_takes_more_up_to_half(self) -> None:
        shares = [share(full) for full in (0.5, 0.6, 0.7, 0.8, 1.0, 2.0)]
        assert shares == sorted(shares)
        assert shares[-3:] == pytest.approx([0.5] * 3)

    def test_it_takes_up_to_half_of_a_worker_that_sends_little(self) -> None:
        assert [share(0.0, others=others) for others in (0.9, 0.3, 0.175, 0.05, 0.0)] == pytest.approx([0.02, 0.02, 0.26, 0.5, 0.5])


def test_a_worker_without_work_does_not_rest() -> None:
    assert share(0.0, is_busy=False) == 1.0


def telling(**changes: int | bool) -> Telling:
    known = {
        "most_bytes": 1000,
        "now_bytes": 10,
        "untold": 0,
        "untold_at_ms": 0,
        "heard_at_ms": int(NOW * 1000),
        "swept_at_ms": 1,
        **changes,
    }
    return Telling(**{"is_on": True, **known})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("found", "level", "says"),
    [
        (telling(), "ok", "10 of 1,000 bytes wait for the history"),
        (telling(now_bytes=801), "warn", "nearly full"),
        (telling(now_bytes=990, untold=7, untold_at_ms=int(NOW * 1000)), "bad", "7 ends were not told since"),
        (telling(untold=7, untold_at_ms=int(NOW * 1000)), "warn", "7 ends are being swept"),
        (telling(heard_at_ms=int(NOW * 1000) - 61_000), "warn", "no worker has read them since"),
        (telling(is_on=False), "warn", "no worker has begun"),
    ],
)
def test_the_doctor_says_how_the_events_are(found: Telling, level: str, says: str) -> None:
    finding = of_events(found, NOW, is_running=True)
    assert (finding.level, says in finding.says) == (level, True), finding
    assert finding.level == "ok" or finding.mend or "swept" in finding.says


def test_without_a_worker_nobody_need_have_read_them() -> None:
    assert of_events(telling(heard_at_ms=1), NOW, is_running=False).level == "ok"
