"""One fault rule: the calls that it applies to, and what happens to them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any, cast

from wooshq_worker.sandbox.bad_control import BadControl

#: Effect → its own fields, in addition to those of every rule.
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
#: Effect → the ways in which it can happen (`how`). The first is the default.
WAYS: Mapping[str, tuple[str, ...]] = {
    "cut_before": ("request", "accept", "reset"),
    "cut_middle": ("body", "headers", "stall", "reset"),
    "cut_after": ("close", "reset"),
    "garbage": (
        "not_json", "status_line", "html", "empty", "null", "list", "truncated", "no_code", "code_not_text", "error_1_3", "error_envelope",
        "huge_body", "endless", "not_gzip", "gzip_bomb", "two_lengths", "huge_header", "many_headers", "not_utf8",
    ),
}  # fmt: skip
CALLS = ("notify", "cancel")
"""The methods of the API that the sandbox has."""
#: With these effects the API does not accept the message. With every other effect it accepts the message, and only the answer goes wrong.
_NOT_ACCEPTED = frozenset({"hang", "cut_before", "redirect", "rate_limit"})
_NOT_ACCEPTED_GARBAGE = frozenset({"error_1_3", "error_envelope"})
_EVERY_RULE = frozenset(
    {
        "effect",
        "name",
        "call",
        "application",
        "recipient",
        "preset",
        "text",
        "nth",
        "skip",
        "first",
        "probability",
        "from_s",
        "until_s",
        "accepted",
        "latency_s",
    }
)


@dataclass(frozen=True, slots=True)
class Fault:
    """
    One rule. Its effect happens to each call that matches all of its conditions. Raises BadControl for fields that do not fit.

    The first rule that matches decides. After two kinds, later rules are still looked at: `latency` (the delays add up), and a `rate_limit`
    that is not exceeded.
    """

    effect: str
    name: str = ""
    """The label in recorded calls. Default: the effect and its `how`."""

    # which calls
    call: str | None = None
    """Only calls of this method: `notify` or `cancel`."""
    application: str | None = None
    recipient: str | None = None
    """Only calls that include this recipient. For a `cancel`: its message code."""
    preset: str | None = None
    """Only calls that send this preset."""
    text: str | None = None
    """Only calls in which a string has this part: a title, a recipient, a placeholder."""
    nth: int | None = None
    """Every nth call of those that match: 3 means the 3rd, 6th, …"""
    skip: int | None = None
    """Skip this many of the matching calls first."""
    first: int | None = None
    """At most this many times."""
    probability: float | None = None
    from_s: float | None = None
    until_s: float | None = None
    """Only within this window, in seconds since the rules were set: from_s included, until_s not."""

    # what the API does
    accepted: bool | None = None
    """Whether the API accepts the message although its answer goes wrong. None: the usual case for the effect; see `accepts_message`."""
    latency_s: float | tuple[float, float] | None = None
    """Delay before the effect: seconds, or a range [least, most] for a random delay."""

    # how
    how: str | None = None
    """The way in which a cut or garbage happens: see WAYS."""
    status: int | None = None
    code: int | None = None
    """gRPC code of the error body. Default: the code that belongs to the status."""
    message: str | None = None
    details: tuple[Mapping[str, Any], ...] | None = None
    body: str | None = None
    """Sent unchanged, instead of the usual error body."""
    content_type: str | None = None
    headers: Mapping[str, str] | None = None
    retry_after: object = None
    """Seconds, any text, {"date_in_s": 5} for an HTTP date in 5 s, or a list of these for several headers."""
    retry_info: float | str | None = None
    """Adds google.rpc.RetryInfo: seconds, or any text."""
    echo: bool = False
    """Repeats the caller's token and first recipient in the error message, as a careless API would."""
    interim: int | None = None
    """This many `100 Continue` before the answer."""
    for_s: float | None = None
    """A hang ends after this time, and the connection is closed. None: it ends when the client leaves."""
    every_s: float | None = None
    bytes: int | None = None
    """A drip sends `bytes` bytes (default 1) every `every_s` seconds (default 0.5)."""
    location: str | None = None
    per_s: int | None = None
    """Most calls that a rate limit lets through in any window of one second."""
    message_code: str | None = None

    def __post_init__(self) -> None:
        problems = list(_problems_of(self))
        if problems:
            raise BadControl(*problems)

    @property
    def way(self) -> str:
        """`how`, or the effect's default."""
        return self.how or WAYS.get(self.effect, ("",))[0]

    @property
    def label(self) -> str:
        """The label in recorded calls."""
        return self.name or (f"{self.effect}:{self.way}" if self.way else self.effect)

    @property
    def at_accept(self) -> bool:
        """Whether the rule applies to new connections, before anything is read from them."""
        return self.effect == "cut_before" and self.way == "accept"

    @property
    def reads(self) -> bool:
        """Whether the rule looks at what a call says."""
        return self.preset is not None or self.text is not None

    @property
    def accepts_message(self) -> bool:
        """Whether the API accepts the message of a valid call."""
        if self.accepted is not None:
            return self.accepted
        if self.effect == "status":
            return (self.status or 0) < 300
        if self.effect == "garbage":
            return self.way not in _NOT_ACCEPTED_GARBAGE
        return self.effect not in _NOT_ACCEPTED

    def as_dict(self) -> dict[str, Any]:
        """The rule as JSON, without the fields that are not set."""
        values = {one.name: getattr(self, one.name) for one in fields(self)}
        return {
            name: value
            for name, value in values.items()
            if value is not None and value != "" and (value is not False or name == "accepted")
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
            yield f"{name}: does not apply to the effect {fault.effect}"
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
    for name in (
        "name",
        "application",
        "recipient",
        "preset",
        "text",
        "message",
        "body",
        "content_type",
        "location",
        "message_code",
        "how",
    ):
        value = getattr(fault, name)
        if value is not None and not isinstance(value, str):
            yield f"{name}: must be a string"
    if fault.call not in (None, *CALLS):
        yield f"call: must be one of {', '.join(CALLS)}"
    if fault.accepted not in (None, True, False):
        yield "accepted: must be true or false"
    if fault.how is not None and fault.how not in WAYS.get(fault.effect, (fault.how,)):
        yield f"how: must be one of {', '.join(WAYS[fault.effect])}"
    if fault.at_accept and (fault.call or fault.application is not None or fault.recipient is not None or fault.accepted or fault.reads):
        yield "how: do not combine accept with call, application, recipient, preset, text or accepted; nothing was read yet"
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
            yield "latency_s: must be seconds, or a range [least, most] in seconds"
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
    """A rule from its JSON form. Raises BadControl with every problem; each begins with `at`."""
    if isinstance(value, Fault):
        return value
    if not isinstance(value, Mapping):
        raise BadControl(f"{at}: must be an object with the field effect")
    problems = [f"{at}.{name}: unknown field" for name in sorted(value.keys() - _NAMES)]
    problems += [f"{at}.{name}: null is not allowed; leave the field out" for name in sorted(value) if value[name] is None]
    if "effect" not in value:
        problems.append(f"{at}.effect: is required; use one of {', '.join(EFFECTS)}")
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
