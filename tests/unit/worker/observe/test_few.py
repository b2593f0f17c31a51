"""An incident does not flood the log: a few lines of each kind, then how many more there were."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from wooshq_worker.observe.few import Few


class Log:
    """Keeps what is logged. now: the clock."""

    def __init__(self) -> None:
        self.lines: list[dict[str, Any]] = []
        self.now = 100.0

    def warning(self, event: str, **fields: Any) -> None:
        self.lines.append({"event": event, **fields})


def a_few() -> tuple[Log, Few]:
    log = Log()
    return log, Few(lambda: log.now)


class WhenMuchGetsWorseAtOnce:
    def test_the_first_five_have_a_line_and_the_others_are_counted(self) -> None:
        log, few = a_few()
        for n in range(17):
            few(log.warning, "intent_dead", {"reason": "rejected"}, intent_id=n)
        assert [line["intent_id"] for line in log.lines] == [0, 1, 2, 3, 4]
        log.now += 10
        few.flush()
        assert log.lines[5:] == [{"event": "intent_dead", "reason": "rejected", "more": 12, "over_s": 10.0}]

    def test_nothing_is_said_before_the_window_is_over_unless_the_process_ends(self) -> None:
        log, few = a_few()
        for _ in range(6):
            few(log.warning, "intent_dead")
        few.flush()
        assert len(log.lines) == 5
        log.now += 2
        few.flush(ends=True)
        assert log.lines[5:] == [{"event": "intent_dead", "more": 1, "over_s": 2.0}]

    def test_while_it_goes_on_a_window_has_one_line(self) -> None:
        log, few = a_few()
        for _ in range(60):
            for _ in range(100):
                few(log.warning, "intent_dead")
            log.now += 10
            few.flush()
        assert len(log.lines) == 5 + 60
        assert sum(line.get("more", 1) for line in log.lines) == 6000

    def test_after_a_quiet_window_single_lines_come_again(self) -> None:
        log, few = a_few()
        for _ in range(2):
            for n in range(6):
                few(log.warning, "intent_dead", intent_id=n)
            for _ in range(2):
                log.now += 10
                few.flush()
        assert [line.get("intent_id", "more") for line in log.lines] == [0, 1, 2, 3, 4, "more"] * 2

    def test_each_kind_has_its_own_lines(self) -> None:
        log, few = a_few()
        for reason in ("rejected", "exhausted"):
            for _ in range(6):
                few(log.warning, "intent_dead", {"reason": reason})
        assert [line["reason"] for line in log.lines] == ["rejected"] * 5 + ["exhausted"] * 5

    def test_many_kinds_at_once_become_one(self) -> None:
        log, few = a_few()
        for n in range(1000):
            few(log.warning, "intent_dead", {"application": n})
        assert len(log.lines) == 50 + 5
        few.flush(ends=True)
        assert log.lines[55:] == [{"event": "intent_dead", "more": 1000 - 55, "over_s": 0.0}]

    @given(st.lists(st.tuples(st.sampled_from(["a", "b"]), st.integers(0, 60), st.floats(0, 30))))
    def test_none_is_forgotten_and_none_is_counted_twice(self, steps: list[tuple[str, int, float]]) -> None:
        log, few = a_few()
        for kind, n, seconds in steps:
            for _ in range(n):
                few(log.warning, kind)
            log.now += seconds
            few.flush()
        few.flush(ends=True)
        for kind in ("a", "b"):
            assert sum(line.get("more", 1) for line in log.lines if line["event"] == kind) == sum(n for k, n, _ in steps if k == kind)
