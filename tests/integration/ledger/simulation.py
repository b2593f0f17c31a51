"""The ledger's real scripts on a clock that the test moves: minutes of callers and of an API, in a second."""

from __future__ import annotations

import hashlib
import heapq
import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
import redis

from tests.rig import APPLICATION, an_intent, some_settings
from wooshq.intents.entry import entry_of, new_id
from wooshq.jobs.packing import Unit, pack
from wooshq.ledger import run as carrying_out
from wooshq.ledger.chunks import ChunkName
from wooshq.ledger.gates import Heard, Shut
from wooshq.ledger.intents import IntentLedger
from wooshq.ledger.jobs import JobLedger, NewJob
from wooshq.ledger.run import run
from wooshq.ledger.scripts import Source, source_of
from wooshq.ledger.steps import Steps

#: Where a simulation begins, ms since the epoch.
_BEGINNING = 1_800_000_000_000
_CLOCK = "moved clock"


class Simulation:
    """What happens when, in order. now: ms since the simulation began. clock_is_off_by_ms: how far the server's clock is ahead."""

    def __init__(self, url: str, monkeypatch: pytest.MonkeyPatch, **settings: Any) -> None:
        self.settings = some_settings(**settings)
        self.redis = redis.Redis.from_url(url)
        self.redis.flushdb()
        self.ledger = IntentLedger(self.settings)
        self.jobs = JobLedger(self.settings)
        self.now = 0.0
        self.clock_is_off_by_ms = 0
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        monkeypatch.setattr(carrying_out, "source_of", _with_moved_clock)

    @property
    def clock_ms(self) -> int:
        """What the server's clock shows, ms since the epoch."""
        return int(_BEGINNING + self.now + self.clock_is_off_by_ms)

    def do(self, steps: Steps[Any]) -> Any:
        """Carry out steps at this moment."""
        self.redis.set(_CLOCK, self.clock_ms)
        return run(steps, self.redis, "the test's Redis")

    def after(self, ms: float, what: Callable[[], None]) -> None:
        """Do something later."""
        heapq.heappush(self._events, (self.now + ms, next(self._order), what))

    def run(self, seconds: float) -> None:
        """Let time pass."""
        end = self.now + seconds * 1000
        while self._events and self._events[0][0] <= end:
            self.now, _, what = heapq.heappop(self._events)
            what()
        self.now = end


def _with_moved_clock(name: str) -> Source:
    """The script `name`, which asks the test instead of the server what time it is."""
    text = source_of(name).text.replace("redis.call('TIME')", f"{{0, redis.call('GET', '{_CLOCK}') * 1000}}")
    return Source(name, text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest())


@dataclass
class Api:
    """
    Takes calls. rate: what it allows, calls a second, by a bucket of `depth` tokens; None for no limit. retry_after_s: what its 429 says.

    at: when calls arrived that it accepted, ms.
    """

    sim: Simulation
    rate: float | None = None
    depth: float = 1
    retry_after_s: float = 0.0
    latency_ms: float = 50.0
    at: list[float] = field(default_factory=list)
    refused: list[float] = field(default_factory=list)
    _tokens: float = 0.0
    _filled_at: float = 0.0

    def __post_init__(self) -> None:
        self._tokens = self.depth

    def call(self, *, probe: bool) -> None:
        """A call arrives."""
        if self._takes():
            self.at.append(self.sim.now)
            if probe:
                self.sim.after(self.latency_ms, lambda: self._report(Heard(well=1)))
        else:
            self.refused.append(self.sim.now)
            self.sim.after(self.latency_ms, lambda: self._report(Heard(), [Shut("not_before", "slow down", self.retry_after_s)]))

    def _takes(self) -> bool:
        if self.rate is None:
            return True
        self._tokens = min(self.depth, self._tokens + (self.sim.now - self._filled_at) * self.rate / 1000)
        self._filled_at = self.sim.now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True

    def _report(self, heard: Heard, shuts: Sequence[Shut] = ()) -> None:
        self.sim.do(self.sim.ledger.gates.report(APPLICATION, heard, shuts))

    def per_s(self, since_s: float, until_s: float | None = None) -> float:
        """Accepted calls a second, from a moment until another one (default: now)."""
        until_s = self.sim.now / 1000 if until_s is None else until_s
        return sum(since_s * 1000 <= one < until_s * 1000 for one in self.at) / (until_s - since_s)

    def most_in(self, seconds: float, since_s: float = 0.0) -> int:
        """The most calls that arrived in any span of so many seconds."""
        at = [one for one in sorted((*self.at, *self.refused)) if one >= since_s * 1000]
        most, first = 0, 0
        for last, one in enumerate(at):
            while at[first] <= one - seconds * 1000:
                first += 1
            most = max(most, last - first + 1)
        return most


class JobWorker:
    """
    A worker that holds the chunks of a job, and asks for slots as `HoldChunk` does. rate: the job's own ceiling.

    late_ms: how much too late it asks, each time.
    """

    def __init__(self, sim: Simulation, api: Api, *, rate: float | None = None, late_ms: Callable[[], float] = lambda: 0.0) -> None:
        self._sim = sim
        self._api = api
        self._late_ms = late_ms
        job = NewJob(new_id(), "{}", "digest", APPLICATION, 1, rate=rate)
        assert sim.do(sim.jobs.open(job)) == ""
        self._name = ChunkName(job.id, -1)
        sim.redis.hset(sim.ledger.keys.job(job.id), "proved", 1)
        self._stopped = False
        self._next_chunk()
        sim.after(0, self._ask)

    def stop(self) -> None:
        """Ask no more."""
        self._stopped = True

    def _next_chunk(self) -> None:
        self._name = ChunkName(self._name.job_id, self._name.number + 1)
        chunk = pack(self._name.number, [Unit("users", None, (), (f"u{i}",)) for i in range(2000)])
        assert self._sim.do(self._sim.jobs.chunks.feed(self._name.job_id, chunk)).outcome == "fed"
        self._token = new_id()
        self._sim.do(self._sim.jobs.chunks.take(self._name, self._token))
        self._place = self._asked = 0

    def _ask(self) -> None:
        if self._stopped:
            return
        if self._place == 2000:
            self._next_chunk()
        calls = [f"{place}-{place}" for place in range(self._place, min(2000, self._place + 128))]
        self._asked += 1
        steps = self._sim.jobs.chunks.record_and_begin(
            self._name, self._token, APPLICATION, record=None, recorded_no=0, calls=calls, begin_no=self._asked
        )
        _, _, begun = self._sim.do(steps)
        wait_ms = min(1000.0, begun.wait_ms)
        if begun.outcome == "go":
            self._place += begun.calls
            for n in range(begun.calls):
                self._sim.after(begun.start_ms + n * begun.gap_ms, lambda: self._api.call(probe=begun.probe))
            wait_ms = max(10.0, begun.wait_ms)
        else:
            assert begun.outcome in ("wait", "held"), begun
        self._sim.after(wait_ms + self._late_ms(), self._ask)


class IntentWorker:
    """A worker that sends single intents of a lane. waits: how long each of them waited for its call, ms."""

    def __init__(self, sim: Simulation, api: Api, lane: str, *, late_ms: Callable[[], float] = lambda: 0.0) -> None:
        self._sim = sim
        self._api = api
        self._lane = lane
        self._late_ms = late_ms
        self._accepted: dict[str, float] = {}
        self._asks_at = math.inf
        self.waits: list[float] = []

    def accept(self, n: int) -> None:
        """A producer accepts intents, and the worker is told."""
        entries = [entry_of(an_intent(f"u{i}", lane=self._lane), self._sim.settings) for i in range(n)]
        accepted = self._sim.do(self._sim.ledger.accept(entries)).outcomes
        self._accepted |= {one.intent_id: self._sim.now for one in accepted}
        self._ask_in(0)

    def every(self, ms: float) -> None:
        """A producer accepts one intent every so many ms, from now on."""
        self.accept(1)
        self._sim.after(ms, lambda: self.every(ms))

    def _ask_in(self, ms: float) -> None:
        """Ask then, if not earlier."""
        at = self._sim.now + ms
        if at < self._asks_at:
            self._asks_at = at
            self._sim.after(ms, lambda: self._ask() if self._asks_at == at else None)

    def _ask(self) -> None:
        """Take them one by one, until none may leave now."""
        self._asks_at = math.inf
        while self._accepted:
            taken = self._sim.do(self._sim.ledger.take(self._lane, 1, token=new_id(), taker=self._lane))
            if not taken.claims:
                self._ask_in(100 if taken.again_ms is None else taken.again_ms + self._late_ms())
                return
            (claim,) = taken.claims
            self.waits.append(self._sim.now + claim.leaves_ms - self._accepted.pop(claim.intent_id))
            self._sim.after(claim.leaves_ms, lambda is_probe=claim.probe: self._api.call(probe=is_probe))
