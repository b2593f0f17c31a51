"""Which calls a fault applies to: the rules in order, with a random generator for each, so that a run can be repeated."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from wooshq_worker.sandbox.faults.fault import Fault
from wooshq_worker.sandbox.faults.said import Said

NOTHING: Final = Said()


@dataclass(slots=True)
class _RuleState:
    """One rule, and what it has seen so far."""

    fault: Fault
    dice: random.Random
    seen: int = 0
    hits: int = 0
    passed: deque[float] = field(default_factory=deque)
    """Times of the calls that a rate limit let through within the last second."""


@dataclass(frozen=True, slots=True)
class Injection:
    """What happens to one call: a delay, and a fault or none."""

    latency_s: float
    fault: Fault | None
    wait_s: float = 0.0
    """For a rate limit: seconds until it lets the next call through."""
    label: str = ""


NO_INJECTION = Injection(0.0, None)


class FaultPlan:
    """The active rules. Not thread-safe: its owner holds a lock."""

    def __init__(self, faults: Iterable[Fault], *, seed: int, clock: Callable[[], float]) -> None:
        # Each rule has its own random generator: adding a rule does not change the calls that another rule applies to.
        self._rules = [_RuleState(fault, random.Random(f"{seed}/{index}")) for index, fault in enumerate(faults)]
        self._clock = clock
        self._set_at = clock()
        self.is_empty = not self._rules

    def injection_for(self, application: str | None, recipients: Iterable[str], call: str = "notify", said: Said = NOTHING) -> Injection:
        """
        Decides what happens to this call, and counts it. call: `notify` or `cancel`; a cancel's recipient is its message code, and it says nothing.
        """
        if self.is_empty:
            return NO_INJECTION
        now = self._clock()
        delay_s, labels = 0.0, []
        for rule in self._rules:
            fault = rule.fault
            if fault.at_accept or not self._matches(rule, now, application, recipients, call, said):
                continue
            wait_s = 0.0
            if fault.effect == "rate_limit":
                wait_s = _limited_for(rule, now)
                if wait_s == 0.0:
                    continue
            rule.hits += 1
            delay_s += _drawn(fault.latency_s, rule.dice)
            if fault.effect == "latency":
                labels.append(fault.label)
                continue
            return Injection(delay_s, fault, wait_s, fault.label)
        return Injection(delay_s, None, label=labels[0]) if labels else NO_INJECTION

    def cuts_connection(self) -> bool:
        """Decides whether this new connection is closed at once, and counts it."""
        if self.is_empty:
            return False
        now = self._clock()
        for rule in self._rules:
            if rule.fault.at_accept and self._matches(rule, now, None, (), None):
                rule.hits += 1
                return True
        return False

    def _matches(
        self, rule: _RuleState, now: float, application: str | None, recipients: Iterable[str], call: str | None, said: Said = NOTHING
    ) -> bool:
        fault = rule.fault
        since = now - self._set_at
        if fault.from_s is not None and since < fault.from_s:
            return False
        if fault.until_s is not None and since >= fault.until_s:
            return False
        if fault.call is not None and fault.call != call:
            return False
        if fault.application is not None and fault.application != application:
            return False
        if fault.recipient is not None and fault.recipient not in recipients:
            return False
        if (fault.preset is not None and not said.names_preset(fault.preset)) or (fault.text is not None and not said.contains(fault.text)):
            return False
        rule.seen += 1
        if fault.first is not None and rule.hits >= fault.first:
            return False
        past = rule.seen - (fault.skip or 0)
        if past <= 0 or (fault.nth is not None and past % fault.nth):
            return False
        return fault.probability is None or rule.dice.random() < fault.probability

    def report(self) -> list[dict[str, Any]]:
        """Each rule as JSON, with the calls that it looked at (`seen`) and those that it applied to (`hits`)."""
        return [{**rule.fault.as_dict(), "seen": rule.seen, "hits": rule.hits} for rule in self._rules]


def _drawn(latency_s: float | tuple[float, float] | None, dice: random.Random) -> float:
    if latency_s is None:
        return 0.0
    return dice.uniform(*latency_s) if isinstance(latency_s, tuple) else latency_s


def _limited_for(rule: _RuleState, now: float) -> float:
    """Seconds until the rate limit lets a call through. 0 lets this call through and counts it."""
    per_s = rule.fault.per_s or 1
    while rule.passed and rule.passed[0] <= now - 1.0:
        rule.passed.popleft()
    if len(rule.passed) < per_s:
        rule.passed.append(now)
        return 0.0
    return max(rule.passed[0] + 1.0 - now, 0.001)
