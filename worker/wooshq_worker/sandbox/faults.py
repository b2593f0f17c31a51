"""Which calls go wrong, and how: rules, matched in order, with dice of their own so that a run can be repeated."""

from __future__ import annotations

import math
import random
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, cast

#: Effect → the fields that shape it, beside those of every rule.
EFFECTS: Mapping[str, frozenset[str]] = {
    "status": frozenset(
        {"status", "code", "message", "details", "body", "content_type", "headers", "retry_after", "retry_info", "echo", "interim"}
    ),
    "latency": frozenset(),
    "hang": frozenset({"for_s"}),
    "cut_before": frozenset({"how"}),
    "cut_middle": frozenset({"how"}),
    "cut_after": frozenset({"how"}),
    "drip": frozenset({"every_s", "bytes"}),
    "garbage": frozenset({"how"}),
    "redirect": frozenset({"status", "location"}),
    "rate_limit": frozenset({"per_s", "retry_after", "retry_info"}),
    "same_code": frozenset({"message_code"}),
    "drop_keepalive": frozenset(),
}
#: Effect → the ways in which it can happen, the default first.
WAYS: Mapping[str, tuple[str, ...]] = {
    "cut_before": ("request", "accept", "reset"),
    "cut_middle": ("body", "headers", "stall", "reset"),
    "cut_after": ("close", "reset"),
    "garbage": (
        "not_json", "status_line", "html", "empty", "null", "list", "truncated", "no_code", "code_not_text", "error_1_3", "error_envelope",
        "huge_body", "endless", "not_gzip", "gzip_bomb", "two_lengths", "huge_header", "many_headers", "not_utf8",
    ),
}  # fmt: skip
#: What is refused before a message is made of it; every other effect breaks the answer of a message that was made.
_NOT_ACCEPTED = frozenset({"hang", "cut_before", "redirect", "rate_limit"})
_NOT_ACCEPTED_GARBAGE = frozenset({"error_1_3", "error_envelope"})
_EVERY_RULE = frozenset(
    {"effect", "name", "application", "recipient", "nth", "skip", "first", "probability", "from_s", "until_s", "accepted", "latency_s"}
)


class BadControl(ValueError):
    """What was asked of the sandbox makes no sense. `problems`: one sentence for each thing, with its field."""

    def __init__(self, *problems: str) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class Fault:
    """
    One rule. A call that matches all of it goes wrong in the way of its effect. Raises BadControl for fields that do not fit.

    The first rule that matches decides. Two kinds let the search go on: `latency`, whose waits add up, and a `rate_limit` that is not
    exceeded.
    """

    effect: str
    name: str = ""
    """What recorded calls say; default: the effect, with its way."""

    # which calls
    application: str | None = None
    recipient: str | None = None
    """A call to this one, alone or in a list."""
    nth: int | None = None
    """Every nth of the calls that match so far: nth=3 means the 3rd, 6th, …"""
    skip: int | None = None
    """Not the first `skip` of them."""
    first: int | None = None
    """At most this many times, then never again."""
    probability: float | None = None
    from_s: float | None = None
    until_s: float | None = None
    """The window, in seconds since the rules were set: from_s included, until_s not."""

    # what the API thinks
    accepted: bool | None = None
    """Whether the message is made although the answer goes wrong. None: as the effect is in life; see `makes_message`."""
    latency_s: float | tuple[float, float] | None = None
    """Wait before the effect: seconds, or a range to draw from."""

    # how
    how: str | None = None
    """The way of a cut or of garbage: see WAYS."""
    status: int | None = None
    code: int | None = None
    """gRPC code of the envelope; default: the one that belongs to the status."""
    message: str | None = None
    details: tuple[Mapping[str, Any], ...] | None = None
    body: str | None = None
    """Sent as it is, instead of an envelope."""
    content_type: str | None = None
    headers: Mapping[str, str] | None = None
    retry_after: object = None
    """Seconds; or any text; or {"date_in_s": 5} for an HTTP date that far from now; or a list of these for several headers."""
    retry_info: float | str | None = None
    """Adds google.rpc.RetryInfo: seconds, or any text."""
    echo: bool = False
    """Puts the caller's token and first recipient in the message of the error, as a careless API would."""
    interim: int | None = None
    """So many `100 Continue` before the answer."""
    for_s: float | None = None
    """A hang ends after this with a close; None: when the client leaves."""
    every_s: float | None = None
    bytes: int | None = None
    """A drip sends `bytes` (default 1) `every_s` (default 0.5)."""
    location: str | None = None
    per_s: int | None = None
    """Calls that a rate limit lets through in any window of one second."""
    message_code: str | None = None

    def __post_init__(self) -> None:
        problems = list(_problems_of(self))
        if problems:
            raise BadControl(*problems)

    @property
    def way(self) -> str:
        """`how`, or the default of the effect."""
        return self.how or WAYS.get(self.effect, ("",))[0]

    @property
    def label(self) -> str:
        """What recorded calls say."""
        return self.name or (f"{self.effect}:{self.way}" if self.way else self.effect)

    @property
    def at_accept(self) -> bool:
        """Strikes a new connection before anything is read from it."""
        return self.effect == "cut_before" and self.way == "accept"

    @property
    def makes_message(self) -> bool:
        """Whether the API makes the message (and our record counts it as accepted), if the call was right to begin with."""
        if self.accepted is not None:
            return self.accepted
        if self.effect == "status":
            return (self.status or 0) < 300
        if self.effect == "garbage":
            return self.way not in _NOT_ACCEPTED_GARBAGE
        return self.effect not in _NOT_ACCEPTED

    def as_dict(self) -> dict[str, Any]:
        """The rule as JSON, without what is not set."""
        made = {one.name: getattr(self, one.name) for one in fields(self)}
        return {
            name: value for name, value in made.items() if value is not None and value != "" and (value is not False or name == "accepted")
        }


def _problems_of(fault: Fault) -> Iterable[str]:
    allowed = EFFECTS.get(fault.effect)
    if allowed is None:
        yield f"effect: must be one of {', '.join(EFFECTS)}"
        return
    for one in fields(fault):
        name = one.name
        value = getattr(fault, name)
        if name not in _EVERY_RULE and name not in allowed and value is not None and value is not False:
            yield f"{name}: does not belong to the effect {fault.effect}"
    for name in ("nth", "first", "per_s", "bytes", "interim"):
        value = getattr(fault, name)
        if value is not None and (type(value) is not int or value < 1):
            yield f"{name}: must be an integer of 1 or more"
    if fault.skip is not None and (type(fault.skip) is not int or fault.skip < 0):
        yield "skip: must be an integer of 0 or more"
    for name in ("from_s", "until_s", "for_s", "every_s"):
        value = getattr(fault, name)
        if value is not None and not _is_seconds(value):
            yield f"{name}: must be seconds, 0 or more"
    if fault.probability is not None and not (_is_seconds(fault.probability) and fault.probability <= 1):
        yield "probability: must be a number from 0 to 1"
    for name in ("name", "application", "recipient", "message", "body", "content_type", "location", "message_code", "how"):
        value = getattr(fault, name)
        if value is not None and not isinstance(value, str):
            yield f"{name}: must be a string"
    if fault.accepted not in (None, True, False):
        yield "accepted: must be true or false"
    if fault.how is not None and fault.how not in WAYS.get(fault.effect, (fault.how,)):
        yield f"how: must be one of {', '.join(WAYS[fault.effect])}"
    if fault.at_accept and (fault.application is not None or fault.recipient is not None or fault.accepted):
        yield "how: a connection cut at accept has no application, no recipient and no message yet"
    yield from _problems_of_answer(fault)


def _problems_of_answer(fault: Fault) -> Iterable[str]:
    least, most = (300, 399) if fault.effect == "redirect" else (200, 999)
    if fault.status is None:
        if fault.effect == "status":
            yield "status: is required"
    elif type(fault.status) is not int or not least <= fault.status <= most:
        yield f"status: must be an integer from {least} to {most}"
    if fault.effect == "rate_limit" and fault.per_s is None:
        yield "per_s: is required"
    if fault.effect == "latency" and fault.latency_s is None:
        yield "latency_s: is required"
    wait = fault.latency_s
    if wait is not None and not _is_seconds(wait):
        pair = wait if isinstance(wait, tuple) and len(wait) == 2 and all(_is_seconds(end) for end in wait) else None
        if pair is None or pair[0] > pair[1]:
            yield "latency_s: must be seconds, or a range [least, most] of them"
    if fault.code is not None and type(fault.code) is not int:
        yield "code: must be an integer"
    if fault.headers is not None and not (
        isinstance(fault.headers, Mapping) and all(isinstance(part, str) for pair in fault.headers.items() for part in pair)
    ):
        yield "headers: must be an object of strings"
    if fault.details is not None and not (isinstance(fault.details, tuple) and all(isinstance(one, Mapping) for one in fault.details)):
        yield "details: must be a list of objects"
    entries = fault.retry_after if isinstance(fault.retry_after, list) else [fault.retry_after]
    if fault.retry_after is not None and not all(_is_retry_after(entry) for entry in entries):
        yield 'retry_after: must be seconds, a text, {"date_in_s": seconds}, or a list of these'
    if fault.retry_info is not None and not (_is_number(fault.retry_info) or isinstance(fault.retry_info, str)):
        yield "retry_info: must be seconds or a text"


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _is_seconds(value: object) -> bool:
    return _is_number(value) and cast(float, value) >= 0


def _is_retry_after(value: object) -> bool:
    if isinstance(value, Mapping):
        return value.keys() == {"date_in_s"} and _is_number(value["date_in_s"])
    return _is_number(value) or isinstance(value, str)


_NAMES = frozenset(one.name for one in fields(Fault))


def read_fault(value: object, at: str = "fault") -> Fault:
    """A rule from its JSON form. Raises BadControl with every problem, each led by `at`."""
    if isinstance(value, Fault):
        return value
    if not isinstance(value, Mapping):
        raise BadControl(f"{at}: must be an object with an effect")
    problems = [f"{at}.{name}: no such field" for name in sorted(value.keys() - _NAMES)]
    problems += [f"{at}.{name}: null is not a value; leave the field out" for name in sorted(value) if value[name] is None]
    if "effect" not in value:
        problems.append(f"{at}.effect: is required; one of {', '.join(EFFECTS)}")
    if problems:
        raise BadControl(*problems)
    given = dict(value)
    for name in ("latency_s", "details"):
        if isinstance(given.get(name), list):
            given[name] = tuple(given[name])
    try:
        return Fault(**given)
    except BadControl as error:
        raise BadControl(*(f"{at}.{problem}" for problem in error.problems)) from None


@dataclass(slots=True)
class _Rule:
    fault: Fault
    dice: random.Random
    seen: int = 0
    hits: int = 0
    passed: deque[float] = field(default_factory=deque)
    """Moments of the calls that a rate limit let through within the last second."""


@dataclass(frozen=True, slots=True)
class Struck:
    """What befalls one call: a wait, and an effect or none."""

    latency_s: float
    fault: Fault | None
    wait_s: float = 0.0
    """Of a rate limit: seconds until it would let a call through."""
    label: str = ""


NOTHING = Struck(0.0, None)


class FaultPlan:
    """The rules in force. Not thread-safe by itself: its owner holds a lock."""

    def __init__(self, faults: Iterable[Fault], *, seed: int, clock: Callable[[], float]) -> None:
        # Each rule has dice of its own: another rule beside it does not change which calls it strikes.
        self._rules = [_Rule(fault, random.Random(f"{seed}/{index}")) for index, fault in enumerate(faults)]
        self._clock = clock
        self._set_at = clock()
        self.quiet = not self._rules

    def strike(self, application: str | None, recipients: Iterable[str]) -> Struck:
        """What befalls this call."""
        if self.quiet:
            return NOTHING
        now = self._clock()
        waits, labels = 0.0, []
        for rule in self._rules:
            fault = rule.fault
            if fault.at_accept or not self._matches(rule, now, application, recipients):
                continue
            wait_s = 0.0
            if fault.effect == "rate_limit":
                wait_s = _limited_for(rule, now)
                if wait_s == 0.0:
                    continue
            rule.hits += 1
            waits += _drawn(fault.latency_s, rule.dice)
            if fault.effect == "latency":
                labels.append(fault.label)
                continue
            return Struck(waits, fault, wait_s, fault.label)
        return Struck(waits, None, label=labels[0]) if labels else NOTHING

    def strike_connection(self) -> bool:
        """Whether this new connection is cut at once."""
        if self.quiet:
            return False
        now = self._clock()
        for rule in self._rules:
            if rule.fault.at_accept and self._matches(rule, now, None, ()):
                rule.hits += 1
                return True
        return False

    def _matches(self, rule: _Rule, now: float, application: str | None, recipients: Iterable[str]) -> bool:
        fault = rule.fault
        since = now - self._set_at
        if fault.from_s is not None and since < fault.from_s:
            return False
        if fault.until_s is not None and since >= fault.until_s:
            return False
        if fault.application is not None and fault.application != application:
            return False
        if fault.recipient is not None and fault.recipient not in recipients:
            return False
        rule.seen += 1
        if fault.first is not None and rule.hits >= fault.first:
            return False
        past = rule.seen - (fault.skip or 0)
        if past <= 0 or (fault.nth is not None and past % fault.nth):
            return False
        return fault.probability is None or rule.dice.random() < fault.probability

    def report(self) -> list[dict[str, Any]]:
        """Each rule as JSON, with how many calls it looked at (`seen`) and struck (`hits`)."""
        return [{**rule.fault.as_dict(), "seen": rule.seen, "hits": rule.hits} for rule in self._rules]


def _drawn(latency_s: float | tuple[float, float] | None, dice: random.Random) -> float:
    if latency_s is None:
        return 0.0
    return dice.uniform(*latency_s) if isinstance(latency_s, tuple) else latency_s


def _limited_for(rule: _Rule, now: float) -> float:
    """Seconds until the rate limit lets a call through; 0 lets this one through and counts it."""
    per_s = rule.fault.per_s or 1
    while rule.passed and rule.passed[0] <= now - 1.0:
        rule.passed.popleft()
    if len(rule.passed) < per_s:
        rule.passed.append(now)
        return 0.0
    return max(rule.passed[0] + 1.0 - now, 0.001)
