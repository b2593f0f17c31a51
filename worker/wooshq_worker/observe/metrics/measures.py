"""What a worker counts while it sends, for the overview and for metrics: a few additions for a group of messages, and nothing that waits."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, Protocol, TypeAlias

from prometheus_client.core import Metric as Family

from wooshq.ledger.intents import Settlement
from wooshq.ledger.keys import LANES
from wooshq.ledger.states import Event
from wooshq.overview.rates import Ends
from wooshq.tracing import trace_id_of
from wooshq_worker.observe.metrics import names
from wooshq_worker.observe.metrics.families import Histogram, histogram, one, values

_CODE: Final = re.compile(r"[A-Z0-9_]{1,40}")
_NO_CODE: Final = "OK"
"""In place of the code that a call which was sent does not have."""
_MOST_KEYS: Final = 5_000
"""Different calls (lane, application, verdict, code) that are counted apart. An installation with more has its others in one."""
_EVENTS: Final = (Event.FAILED, Event.HANDED_BACK, Event.GIVEN_UP, Event.EXPIRE)

_Key: TypeAlias = tuple[str, str, str, str | None]
"""Lane, application, verdict, code."""


class Call(Protocol):
    """One call of the API, as `wooshq_worker.api.attempt` has it."""

    @property
    def outcome(self) -> str: ...
    @property
    def code(self) -> str | None: ...
    @property
    def latency_ms(self) -> float: ...


class Measures(Protocol):
    """What the parts of a worker tell it. Called in the engine's thread."""

    def taken(self, lane: str, n: int, took_s: float, now_ms: int) -> None:
        """A take gave so many intents. now_ms: the ledger's clock."""

    def settled(self, group: Sequence[Settlement], written: Sequence[bool], took_s: float) -> None:
        """A group of intents was settled. written: False where another worker has the intent."""

    def called(self, lane: str, application: str, calls: Sequence[Call], trace: str = "") -> None:
        """Calls of a job. trace: the context of their chunk's span; '' for none."""

    def recorded(self, outcomes: Mapping[str, int]) -> None:
        """So many recipients of a job ended."""


class _Off:
    """Nobody counts: in a test, and in the test kit."""

    def taken(self, lane: str, n: int, took_s: float, now_ms: int) -> None:
        return None

    def settled(self, group: Sequence[Settlement], written: Sequence[bool], took_s: float) -> None:
        return None

    def called(self, lane: str, application: str, calls: Sequence[Call], trace: str = "") -> None:
        return None

    def recorded(self, outcomes: Mapping[str, int]) -> None:
        return None


off: Final = _Off()


class _Slowest:
    """The slowest of a group. It becomes an exemplar: people look for that one, and for its trace if it is recorded."""

    __slots__ = ("settlement", "value")

    def __init__(self) -> None:
        self.value = -1.0
        self.settlement: Settlement | None = None

    def show(self, histograms: Mapping[str, Histogram]) -> None:
        if self.settlement is not None:
            claim = self.settlement.claim
            labels = {"intent_id": claim.intent_id, "trace_id": trace_id_of(self.settlement.trace)}
            histograms[claim.lane].show(labels, self.value, time.time())


class Recorder:
    """
    Counts. `families` and `ends` may be called in any thread.

    Without `of_calls` it counts only what the overview needs: what ended, and how long the way to it was.
    """

    def __init__(self, *, of_calls: bool = True) -> None:
        self._of_calls = of_calls
        self.taken_at: float | None = None  #: monotonic: when something was last taken
        self._calls: dict[_Key, int] = {}
        self._accepted: Counter[str] = Counter()
        self._settled: Counter[tuple[str, str]] = Counter()  # lane, event: all but accepted
        self._taken: Counter[str] = Counter()
        self._recorded: Counter[str] = Counter()
        self._late = 0
        self._call_s = {lane: Histogram(names.CALL_SECONDS) for lane in LANES}
        self._way_s = {lane: Histogram(names.ACCEPT_TO_SENT) for lane in LANES}
        self._take_s = Histogram(names.TAKE_SECONDS)
        self._settle_s = Histogram(names.SETTLE_SECONDS)
        self._ledger_ahead_ms = time.time() * 1000 - time.monotonic() * 1000  #: of the monotonic clock; each take corrects it

    def taken(self, lane: str, n: int, took_s: float, now_ms: int) -> None:
        """See `Measures`."""
        self._take_s.add(took_s)
        self._taken[lane] += n
        if n:
            self.taken_at = time.monotonic()
        self._ledger_ahead_ms = now_ms - time.monotonic() * 1000

    def settled(self, group: Sequence[Settlement], written: Sequence[bool], took_s: float) -> None:
        """See `Measures`."""
        self._settle_s.add(took_s)
        now_ms = time.monotonic() * 1000 + self._ledger_ahead_ms
        slowest_call, slowest_way = _Slowest(), _Slowest()
        for settlement, is_written in zip(group, written, strict=True):
            claim = settlement.claim
            for call in settlement.attempts if self._of_calls else ():
                self._count(claim.lane, claim.application, call["outcome"], call["code"])
                latency_s = call["latency_ms"] / 1000
                self._call_s[claim.lane].add(latency_s)
                if latency_s > slowest_call.value:
                    slowest_call.value, slowest_call.settlement = latency_s, settlement
            if not is_written:
                self._late += 1
            elif settlement.event is Event.ACCEPTED:
                self._accepted[claim.lane] += 1
                way_s = max(0.0, (now_ms - claim.accepted_at_ms) / 1000)
                self._way_s[claim.lane].add(way_s)
                if way_s > slowest_way.value:
                    slowest_way.value, slowest_way.settlement = way_s, settlement
            else:
                self._settled[claim.lane, settlement.event] += 1
        slowest_call.show(self._call_s)
        slowest_way.show(self._way_s)

    def called(self, lane: str, application: str, calls: Sequence[Call], trace: str = "") -> None:
        """See `Measures`."""
        self.taken_at = time.monotonic()
        for call in calls if self._of_calls else ():
            self._count(lane, application, call.outcome, call.code)
            self._call_s[lane].add(call.latency_ms / 1000)
            if trace:
                self._call_s[lane].show({"trace_id": trace_id_of(trace)}, call.latency_ms / 1000, time.time())

    def recorded(self, outcomes: Mapping[str, int]) -> None:
        """See `Measures`."""
        self._recorded.update(outcomes)

    def _count(self, lane: str, application: str, verdict: str, code: str | None) -> None:
        key: _Key = (lane, application, verdict, code)
        if key not in self._calls and len(self._calls) >= _MOST_KEYS:
            key = (lane, names.OTHER, verdict, names.OTHER)
        self._calls[key] = self._calls.get(key, 0) + 1

    def ends(self) -> dict[str, Ends]:
        """What has ended so far, by lane. Jobs are in the bulk lane."""
        jobs = dict(self._recorded)
        of_jobs = {"bulk": (jobs.get("sent", 0), jobs.get("dead", 0))}
        return {
            lane: Ends(
                self._accepted[lane],
                self._settled[lane, Event.FAILED],
                self._settled[lane, Event.GIVEN_UP],
                self._settled[lane, Event.EXPIRE],
                *of_jobs.get(lane, (0, 0)),
                ways=list(self._way_s[lane].counts),
            )
            for lane in LANES
        }

    def families(self) -> Iterator[Family]:
        """What was counted."""
        by_code, by_application = _bounded(dict(self._calls))  # a copy: the engine goes on
        yield values(names.CALLS, by_code)
        yield values(names.APPLICATION_CALLS, by_application)
        yield histogram(names.CALL_SECONDS, {(lane,): found for lane, found in self._call_s.items()})
        yield histogram(names.ACCEPT_TO_SENT, {(lane,): found for lane, found in self._way_s.items()})
        settled = {(lane, str(event)): self._settled[lane, event] for lane in LANES for event in _EVENTS}
        yield values(names.SETTLED, {**settled, **{(lane, str(Event.ACCEPTED)): self._accepted[lane] for lane in LANES}})
        yield one(names.SETTLED_LATE, self._late)
        yield values(names.JOB_RECIPIENTS, {(outcome,): n for outcome, n in sorted(dict(self._recorded).items())})
        yield values(names.TAKEN, {(lane,): self._taken[lane] for lane in LANES})
        yield histogram(names.TAKE_SECONDS, {(): self._take_s})
        yield histogram(names.SETTLE_SECONDS, {(): self._settle_s})


def _bounded(calls: Mapping[_Key, int]) -> tuple[Counter[tuple[str, ...]], Counter[tuple[str, ...]]]:
    """The calls by code, and by application, with as many values of a label as it may have. The first ones that came keep their names."""
    applications = list(dict.fromkeys(application for _, application, _, _ in calls))[: names.MOST_APPLICATIONS]
    codes = [code for code in dict.fromkeys(code or _NO_CODE for *_, code in calls) if _CODE.fullmatch(code)][: names.MOST_CODES]
    by_code: Counter[tuple[str, ...]] = Counter({(lane, "sent", _NO_CODE): 0 for lane in LANES})
    by_application: Counter[tuple[str, ...]] = Counter()
    for (lane, application, verdict, code), n in calls.items():
        by_code[lane, verdict, found if (found := code or _NO_CODE) in codes else names.OTHER] += n
        by_application[application if application in applications else names.OTHER, verdict] += n
    return by_code, by_application
