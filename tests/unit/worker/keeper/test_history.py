"""What the doctor says of the events that wait for the history."""

from __future__ import annotations

import pytest

from wooshq_worker.doctor.history import of_acts, of_events, of_refused
from wooshq_worker.keeper.history.ledger import Telling

NOW = 1_795_000_000.0


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
        (telling(untold=1, untold_at_ms=int(NOW * 1000)), "warn", "1 end to be swept"),
        (telling(untold=7, untold_at_ms=int(NOW * 1000)), "warn", "7 ends to be swept"),
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


@pytest.mark.parametrize(
    ("found", "level"),
    [
        (telling(acts_bytes=9_000_000), None),
        (telling(acts_bytes=11_000_000, most_bytes=4 * 20_000_000), None),
        (telling(acts_bytes=17_000_000, most_bytes=4 * 20_000_000), "warn"),
        (telling(acts_lost=1), "bad"),
    ],
)
def test_the_doctor_says_if_acts_are_lost_or_will_be(found: Telling, level: str | None) -> None:
    finding = of_acts(found)
    assert (finding and finding.level) == level


def test_the_doctor_says_how_many_records_the_database_refuses() -> None:
    assert of_refused(telling()) is None
    finding = of_refused(telling(aside=3))
    assert finding is not None
    assert (finding.level, "refuses 3 records" in finding.says, "wooshq history retry" in finding.mend) == ("bad", True, True)
