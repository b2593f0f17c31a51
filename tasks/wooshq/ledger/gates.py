"""Gates in the ledger: what each script is given, and what its answer means. A shut gate holds sends back."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any, Final

from wooshq.ledger.keys import LANES, Keys
from wooshq.ledger.replies import Result, moment
from wooshq.ledger.replies import ms as _ms
from wooshq.ledger.replies import text as _text
from wooshq.ledger.steps import Ask, RunScript, Steps, as_json
from wooshq.settings import Settings

_APPLICATION: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")

SLOTS_AHEAD_MS: Final = 250
"""How far ahead a worker is given slots under a ceiling: the longest that an admitted call may still wait in the worker."""

NOT_UNDERSTOOD_SHUT: Final = 3
NOT_UNDERSTOOD_PEOPLE_SHUT: Final = 100
"""Calls whose answers are not understood, or recipients of such calls, that shut the gate `answers`: the next call would get the same."""
IN_DOUBT_SHUT: Final = 1000
"""Recipients of lost answers in a row that shut the gate `circuit`, even if they were few calls."""
_FORGET_MS: Final = 600_000
"""After so long without another one, answers that were not understood are forgotten."""
_LIMITED_MS: Final = 1000
"""For how long the gate `not_before` is shut first if an answer 429 does not say when to come back, but not longer than `breaker_open_s`."""
_SLOWER: Final = 10
_ANSWERS_SLOWER: Final = 120
"""How many times longer than `breaker_ceiling_s` two probes may be apart if each of them may leave somebody in doubt (5 min and 1 h)."""

EVERY = "*"
"""In place of an application: the gate is for all applications."""


class GateName(StrEnum):
    """The gates. A gate is open until something shuts it for an application, or for all."""

    CIRCUIT = "circuit"  #: the API fails, or cannot be reached
    TOKEN = "token"  #: the API refuses our token
    APPLICATION = "application"  #: the API does not know the application
    NOT_BEFORE = "not_before"  #: the API answered 429, and said when to come back
    ANSWERS = "answers"  #: the API's answers are not understood
    HAND = "hand"  #: a person paused it, and resumes it


MEANS: Mapping[GateName, str] = {
    GateName.CIRCUIT: "the API fails or cannot be reached; opens by itself",
    GateName.TOKEN: "the API refuses the token; opens when a call succeeds",
    GateName.APPLICATION: "the API does not know the application; opens when a call succeeds",
    GateName.NOT_BEFORE: "the API answered 429 and named a time; opens at this time",
    GateName.ANSWERS: "the API's answers are not understood; opens when one is",
    GateName.HAND: "paused (wooshq pause); opens only when you resume it",
}
"""What each gate means when it is shut, for an operator."""


@dataclass(frozen=True)
class Gate(Result):
    """
    A gate that is shut, or tested by probes. until: when it lets probes through; None if it must be opened manually.

    lane: None for both lanes. by: who shut it; None if the API's answers did.
    """

    gate: str
    application: str
    state: str  #: `shut`, or `testing` while its probes are in progress
    why: str
    since: str | None
    until: str | None
    lane: str | None = None
    by: str | None = None
    until_ms: int = field(default=0, metadata={"shown": False})
    testing_until_ms: int = field(default=0, metadata={"shown": False})
    own_probes: int | None = field(default=None, metadata={"shown": False})
    since_ms: int = field(default=0, compare=False, metadata={"shown": False})

    def lets_through(self, now_ms: int, probes: int) -> int:
        """How many intents it lets through at `now_ms`: 0, or its probes."""
        if self.until_ms == 0 or now_ms < self.until_ms or now_ms < self.testing_until_ms:
            return 0
        return self.own_probes or probes

    def concerns(self, application: str, lane: str | None) -> bool:
        """Whether it holds back this lane of this application. lane: None asks for what holds back both lanes."""
        return self.application in (EVERY, application) and self.lane in (None, lane)

    @property
    def in_words(self) -> str:
        """What a message waits for behind it."""
        if self.gate != GateName.HAND:
            return f"the gate {self.gate} of {self.application}: {self.why}"
        return f"paused by {self.by}: {self.why}" if self.by else f"paused: {self.why}"


def read(flat: Mapping[str, str] | Sequence[Any], now_ms: int) -> list[Gate]:
    """The gates as `HGETALL gates` has them."""
    items = flat.items() if isinstance(flat, Mapping) else zip(flat[::2], flat[1::2], strict=True)
    gates = []
    for key, raw in items:
        name, _, whose = _text(key).partition("|")
        application, _, lane = whose.partition("/")
        kept = json.loads(raw)
        testing_until = int(kept.get("probe_until", 0)) if kept.get("testing") else 0
        gates.append(
            Gate(
                gate=name,
                application=application,
                state="testing" if kept.get("testing") and now_ms < testing_until else "shut",
                why=kept["why"],
                since=moment(kept["since_ms"]),
                until=moment(kept["until_ms"] or None),
                lane=lane or None,
                by=kept.get("by") or None,
                until_ms=int(kept["until_ms"]),
                testing_until_ms=testing_until,
                own_probes=kept.get("probes"),
                since_ms=int(kept["since_ms"]),
            )
        )
    return sorted(gates, key=lambda g: (g.application, g.lane or "", g.gate))


def holds(gates: Sequence[Gate], application: str, lane: str | None) -> Gate | None:
    """The gate that holds a lane of an application back, or lets only probes through: a pause before all others. None if all are open."""
    mine = [g for g in gates if g.concerns(application, lane)]
    return min(mine, key=lambda g: g.gate != GateName.HAND, default=None)


def may_leave(gates: Sequence[Gate], application: str, now_ms: int, *, probes: int, most: int, lane: str | None = None) -> int:
    """How many of an application's calls may leave at `now_ms`, of a lane: `most` if all its gates are open."""
    mine = [g for g in gates if g.concerns(application, lane)]
    return min((g.lets_through(now_ms, probes) for g in mine), default=most)


def waits_for_slot(asked: str, lane: str, now_ms: int) -> bool:
    """Whether single intents of a lane were left without a slot, and a worker will ask again. asked: of the application's pace, see pace.lua."""
    lines = (line.split(" ") for line in asked.splitlines())
    return any(waits == "1" and who == lane and float(till) >= now_ms for _, _, waits, till, who in lines)


@dataclass(frozen=True, slots=True)
class Shut:
    """A gate that an answer of the API shuts, and for how long at least (seconds; 0: the usual wait)."""

    gate: str
    why: str
    not_before_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Heard:
    """
    What the API answered for an application. well: calls that it answered. failed: calls that failed, or got an answer of another server.

    in_doubt: recipients of failed calls that may have been accepted. not_understood: calls whose answer came and was not understood;
    not_understood_people: their recipients; sample: one of these answers, scrubbed.
    """

    well: int = 0
    failed: int = 0
    in_doubt: int = 0
    not_understood: int = 0
    not_understood_people: int = 0
    sample: str = ""

    def plus(self, more: Heard) -> Heard:
        """Both together. The sample is the first one."""
        return Heard(
            self.well + more.well,
            self.failed + more.failed,
            self.in_doubt + more.in_doubt,
            self.not_understood + more.not_understood,
            self.not_understood_people + more.not_understood_people,
            self.sample or more.sample,
        )


class GateLedger:
    """Reads, shuts and opens gates, with the settings that bound them. Makes steps; `run` and `arun` carry them out."""

    def __init__(self, settings: Settings) -> None:
        self.keys = Keys(settings.namespace)
        self._s = settings
        self.probe_ms: Final = int((settings.http_total_s + settings.short_retry_s) * 1000)
        """How long a probe may take. After that another one may be sent in its place."""

    def ceiling(self, application: str) -> float | str:
        """Calls a second that an application may make, as the scripts read it: '' for no ceiling."""
        rate = self._s.rate_for(application)
        return "" if rate is None else rate

    def ceilings(self) -> dict[str, Any]:
        """`ceiling` of all applications, as take.lua reads it."""
        rates = dict(self._s.rates)
        return ({} if self._s.rate_per_s is None else {"rate": self._s.rate_per_s}) | ({"rates": rates} if rates else {})

    def every(self) -> Steps[list[Gate]]:
        """Every gate that is shut, or tested by probes."""
        time, flat = yield Ask([("TIME",), ("HGETALL", self.keys.fixed("gates"))])
        return read(flat, _ms(time))

    def shut(self, name: str, application: str, why: str, *, by: str = "", lane: str | None = None) -> Steps[Gate]:
        """
        Shut a gate manually; it stays shut until `open`. lane: None for both lanes.

        Raises ValueError for an unknown gate or lane, or an invalid application code.
        """
        gate, whose = _known(name), whose_of(application, lane)
        keys = (self.keys.fixed("gates"), self.keys.fixed("changes"))
        since_ms = int((yield RunScript("gates/shut", keys, (gate, whose, why, by))))
        return Gate(gate, application, "shut", why, moment(since_ms), None, lane, by)

    def open(self, name: str, application: str, *, why: str = "", by: str = "", lane: str | None = None) -> Steps[bool]:
        """Open a gate manually, also one that an answer shut. False if it was open. The API's next answers may shut it again."""
        return (yield from self._open([(_known(name), whose_of(application, lane))], why, by))

    def open_all(self, name: str, *, why: str = "", by: str = "") -> Steps[bool]:
        """Open the gate that all applications share; if that one is open, every gate of this name. False if all were open."""
        gate = _known(name)
        if (yield from self._open([(gate, EVERY)], why, by)):
            return True
        fields = [_text(field).split("|", 1) for field in (yield Ask([("HKEYS", self.keys.fixed("gates"))]))[0]]
        return (yield from self._open([(name, whose) for name, whose in fields if name == gate], why, by))

    def _open(self, gates: Sequence[tuple[str, str]], why: str, by: str) -> Steps[bool]:
        """Open gates, each by its name and whose it is. False if none was shut."""
        k = self.keys
        keys = (k.fixed("gates"), k.fixed("failures"), k.fixed("changes"))
        return any((yield RunScript("gates/open", keys, (why, by, *(part for gate in gates for part in gate)))))

    def set_limit(self, name: str, application: str, value: str, *, why: str, by: str) -> Steps[tuple[int, str]]:
        """Set a limit for all workers, or take it back (''). (The time now, ms; the limit before as JSON, or '')."""
        keys = (self.keys.fixed("limits"), self.keys.fixed("changes"))
        now, before = yield RunScript("gates/limit", keys, (name, application, value, why, by))
        return int(now), _text(before)

    def learned(self, applications: Sequence[str]) -> Steps[dict[str, tuple[float, int | None]]]:
        """The ceilings that are learned now, in calls a second, and when the last 429 came, ms. Applications without one are left out."""
        keys = (self.keys.fixed("limited"), *map(self.keys.pace, applications))
        answers = (yield RunScript("gates/learned", keys, applications)) if applications else []
        said = {app: (_text(rate), _text(at)) for app, (rate, at) in zip(applications, answers, strict=True)}
        return {app: (float(rate), int(at) if at else None) for app, (rate, at) in said.items() if rate}

    def report(self, application: str, heard: Heard, shuts: Sequence[Shut] = ()) -> Steps[list[str]]:
        """Tell the gates what the API answered. Returns the events that followed: 'opened <gate>', 'shut <gate>'."""
        said = {
            "app": application,
            **asdict(heard),
            "failures_shut": self._s.breaker_failures,
            "in_doubt_shut": IN_DOUBT_SHUT,
            "not_understood_shut": NOT_UNDERSTOOD_SHUT,
            "not_understood_people_shut": NOT_UNDERSTOOD_PEOPLE_SHUT,
            "forget_ms": _FORGET_MS,
            "first_ms": int(self._s.breaker_open_s * 1000),
            "limited_ms": _LIMITED_MS,
            "longest_ms": int(self._s.breaker_ceiling_s * 1000),
            "slower": _SLOWER,
            "answers_slower": _ANSWERS_SLOWER,
        }
        args: list[str | int] = [as_json(said)]
        for shut in shuts:
            args += (shut.gate, int(shut.not_before_s * 1000), shut.why)
        k = self.keys
        keys = (k.fixed("gates"), k.fixed("failures"), k.pace(application), k.fixed("limited"))
        answer = yield RunScript("gates/report", keys, args)
        return [_text(a) for a in answer]


def note_act(
    keys: Keys, did: str, what: str, *, why: str, by: str, count: int | None = None, selection: str = "", result: str = ""
) -> Steps[None]:
    """Write an act of an operator into the audit log. For what no script of its own notes. what: its kind, and its id."""
    args = (did, what, why, by, "" if count is None else count, selection, result)
    yield RunScript("gates/note", (keys.fixed("changes"), keys.fixed("telling")), args)


def _known(name: str) -> str:
    try:
        return GateName(name).value
    except ValueError:
        raise ValueError(f"gate: is not a known gate. Use one of {', '.join(GateName)}") from None


def whose_of(application: str, lane: str | None) -> str:
    """Whose gate it is, as its field has it. Raises ValueError for an invalid application code or an unknown lane."""
    check_application(application)
    if lane is not None and lane not in LANES:
        raise ValueError(f"lane: is not a known lane. Use one of {', '.join(LANES)}")
    return application if lane is None else f"{application}/{lane}"


def check_application(application: str) -> None:
    """Raises ValueError if it is neither an application code nor EVERY."""
    if application != EVERY and not _APPLICATION.fullmatch(application):
        raise ValueError("application: is not a valid application code. Use the form XXXXX-XXXXX, or leave it out for all applications")
