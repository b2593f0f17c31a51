"""Who receives events, in the ledger: what each script is given, and what its answer means."""

from __future__ import annotations

import secrets
import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

from wooshq.events.stored import Stored
from wooshq.ledger.keys import Keys
from wooshq.ledger.replies import as_row, ms, text
from wooshq.ledger.steps import Ask, RunScript, Steps
from wooshq.settings import Settings

GROUP: Final = "outward"
"""The group of readers of the stream `events` that pass on what it tells."""
WEBHOOK: Final = "webhook/"
HOOK: Final = "hook/"
HOOKS: Final = "wooshq.hooks"
"""The group of entry points that hooks are found by."""
LEASE_MS: Final = 60_000
"""An event that a process took and has not recorded after so long is delivered by another one. Longer than any delivery may take."""
FAILING_AFTER: Final = 3
"""After so many failures in a row a receiver gets one delivery at a time, with pauses in between."""
LOG_KEEPS: Final = 200
"""Deliveries in the log of each webhook."""
_QUIET_FIRST_MS: Final = 5_000
_QUIET_MOST_MS: Final = 300_000
_FORGET_HOOK_MS: Final = 24 * 3600 * 1000
_TAG: Final = string.ascii_lowercase + string.digits

Result: TypeAlias = Literal["delivered", "failed", "dropped"]
RESULTS: Final = ("delivered", "failed", "dropped")
Row: TypeAlias = tuple[str, Mapping[str, str], int, int | None]
"""A subscriber: its name, its row, how many events wait for it, and since when the oldest waits, ms."""


@dataclass(frozen=True, slots=True)
class Taken:
    """An event that is to be delivered. tries: deliveries that failed before."""

    event: Stored
    tries: int


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a message or a letter that has ended. ended_ms: 0 if unknown. "" for what is not known."""

    state: str = ""
    application: str = ""
    lane: str = ""
    reason: str = ""
    ended_ms: int = 0


@dataclass(frozen=True, slots=True)
class Figures:
    """lag_s: age of the oldest end that was not passed on. missed: ends that left the stream before. deliveries: result → how many, for ever."""

    lag_s: float
    missed: int
    deliveries: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Came:
    """What became of some deliveries to one subscriber. wait_ms: until the next attempt. pause: why the subscriber is paused now, or ""."""

    result: Result
    deliveries: Sequence[tuple[Stored, str]]
    wait_ms: int = 0
    error: str = ""
    pause: str = ""
    pause_after_ms: int = 0


class SubscriberLedger:
    """Makes steps; `run` and `arun` carry them out."""

    def __init__(self, settings: Settings) -> None:
        self.keys = Keys(settings.namespace)
        self._most_of_stream = settings.events_max_bytes
        self._most_bytes = settings.webhooks_max_bytes
        self._keep_ms = int(settings.webhooks_retry_s * 1000)

    def want(self, hooks: Sequence[str] = (), streams_for_s: float = 0.0) -> Steps[tuple[bool, str]]:
        """
        Whether anybody wants events, and the tag of their ids. hooks: names of the hooks that this process has. streams_for_s: streams are open
        at least so long.
        """
        keys = (self.keys.fixed("subscribers"), self.keys.fixed("outward_state"))
        args: list[str | int] = [int(streams_for_s * 1000), _FORGET_HOOK_MS, new_tag(), *(HOOK + name for name in hooks)]
        wanted, tag = yield RunScript("subscribers/want", keys, args)
        return bool(wanted), text(tag)

    def count(self) -> Steps[int]:
        """How many subscribers there are."""
        return int((yield Ask([("ZCARD", self.keys.fixed("subscribers"))]))[0])

    def listen(self) -> Steps[int]:
        """Have what ends told to this group from now on. Returns how many ends the group has missed, because the stream was full."""
        k = self.keys
        _ = yield RunScript("events/listen", (k.fixed("telling"), k.fixed("events")), (self._most_of_stream, GROUP))
        (missed,) = yield Ask([("HGET", k.fixed("telling"), f"missed|{GROUP}")])
        return int(text(missed or 0))

    def pass_on(self, reader: str, entries: Sequence[str], events: Sequence[tuple[str, str]], only: str = "") -> Steps[list[str] | None]:
        """
        Store events (type and text, see `to_store`) for everybody who wants them, and have their entries of the stream done. Returns their places;
        None if another reader has the entries. only: the one subscriber that gets them. Without entries and events: only what is too old leaves.
        """
        k = self.keys
        keys = tuple(k.fixed(name) for name in ("events", "telling", "outward", "outward_state", "subscribers"))
        flat = [part for event in events for part in event]
        args: list[str | int] = [reader, self._most_bytes, self._keep_ms, only, len(entries), *entries, *flat]
        found = yield RunScript("subscribers/pass_on", keys, args)
        return None if isinstance(found, (str, bytes)) else [text(place) for place in found]

    def facts(self, kind: Literal["intent", "letter"], ids: Sequence[str]) -> Steps[list[Facts]]:
        """What the ledger knows of these; `Facts()` for a row that has gone."""
        found = yield RunScript("subscribers/facts", (self.keys.fixed("subscribers"),), (kind, *ids))
        return [_facts(*map(text, row)) for row in found]

    def due(self) -> Steps[list[str]]:
        """The subscribers to whom something is to be delivered now."""
        return [text(name) for name in (yield RunScript("subscribers/due", (self.keys.fixed("subscribers"),)))]

    def claim(self, subscriber: str, most: int, tag: str) -> Steps[list[Taken]]:
        """Take events that are to be delivered to it now."""
        k = self.keys
        keys = (
            k.subscriber(subscriber),
            *(k.subscriber_part(subscriber, part) for part in ("due", "tries")),
            k.fixed("outward"),
            k.fixed("outward_state"),
        )
        found = yield RunScript("subscribers/claim", keys, (most, LEASE_MS, FAILING_AFTER))
        return [Taken(Stored(text(place), tag, text(kind), text(rest)), int(tries)) for place, kind, rest, tries in found]

    def record(self, subscriber: str, came: Came) -> Steps[str]:
        """Record deliveries. Returns the subscriber's state now, or `gone`."""
        k = self.keys
        keys = (
            k.subscriber(subscriber),
            *(k.subscriber_part(subscriber, part) for part in ("due", "tries", "log")),
            k.fixed("outward_state"),
        )
        pairs = [part for event, line in came.deliveries for part in (event.entry, line)]
        limits = (FAILING_AFTER, _QUIET_FIRST_MS, _QUIET_MOST_MS)
        args = (came.result, came.wait_ms, *limits, came.pause, came.pause_after_ms or 1 << 60, LOG_KEEPS, came.error, *pairs)
        return text((yield RunScript("subscribers/record", keys, args)))

    def rows(self, only: str | None = None) -> Steps[list[Row]]:
        """Every subscriber. only: this one."""
        every = (yield Ask([("ZRANGE", self.keys.fixed("subscribers"), 0, -1)]))[0] if only is None else [only]
        return (yield from self.rows_of([text(name) for name in every]))

    def rows_of(self, names: Sequence[str]) -> Steps[list[Row]]:
        """These subscribers, without those that are gone."""
        k = self.keys
        commands: list[tuple[Any, ...]] = []
        for name in names:
            due = k.subscriber_part(name, "due")
            commands += [("HGETALL", k.subscriber(name)), ("ZCARD", due), ("ZRANGE", due, 0, 0)]
        answers = (yield Ask(commands)) if commands else []
        found: list[Row] = []
        for n, name in enumerate(names):
            row, waiting, first = answers[3 * n : 3 * n + 3]
            if row:
                found.append((name, as_row(row), int(waiting), int(text(first[0]).partition("-")[0]) if first else None))
        return found

    def figures(self) -> Steps[Figures]:
        """How far what passes on events is behind, and what was counted."""
        keys = tuple(self.keys.fixed(name) for name in ("events", "telling", "outward_state"))
        age_ms, missed, *counts = yield RunScript("subscribers/lag", keys)
        return Figures(int(age_ms) / 1000, int(missed), dict(zip(RESULTS, map(int, counts), strict=True)))

    def log(self, subscriber: str, most: int) -> Steps[list[str]]:
        """The last deliveries to it, the newest first."""
        (found,) = yield Ask([("LRANGE", self.keys.subscriber_part(subscriber, "log"), 0, most - 1)])
        return [text(line) for line in found]

    def state(self) -> Steps[tuple[int, dict[str, str]]]:
        """The time now, ms, and the hash `outward_state`."""
        now, flat = yield Ask([("TIME",), ("HGETALL", self.keys.fixed("outward_state"))])
        return ms(now), as_row(flat)

    def read(self, after: str, most: int) -> Steps[tuple[list[Stored], str]]:
        """Events after a place of the stream, the oldest first; and the place after which all are there."""
        outward, state = self.keys.fixed("outward"), self.keys.fixed("outward_state")
        found, v = yield Ask([("XRANGE", outward, f"({after}", "+", "COUNT", most), ("HMGET", state, "tag", "begins")])
        tag, begins = ("" if one is None else text(one) for one in v)
        return [Stored(text(place), tag, *one) for place, fields in found for one in as_row(fields).items()], begins

    def newest(self) -> Steps[str]:
        """The place of the newest event; 0-0 if there was never one."""
        outward = self.keys.fixed("outward")
        (found,) = yield Ask([("XREVRANGE", outward, "+", "-", "COUNT", 1)])
        if found:
            return text(found[0][0])
        (begins,) = yield Ask([("HGET", self.keys.fixed("outward_state"), "begins")])
        return "0-0" if begins is None else text(begins)

    # What operators do

    def add(self, subscriber: str, url: str, types: str, secret: str, most: int, why: str, by: str) -> Steps[str]:
        """When it was added, ms; `0`: another one has this name; `full`: there are too many."""
        k = self.keys
        keys = (k.fixed("subscribers"), k.subscriber(subscriber), k.fixed("outward_state"), k.fixed("changes"))
        return text((yield RunScript("subscribers/add", keys, (subscriber, url, types, secret, why, by, most, new_tag()))))

    def hold(self, subscriber: str, verb: Literal["pause", "resume"], why: str, by: str) -> Steps[bool | None]:
        """Whether this call moved it. None if there is no such subscriber."""
        keys = (self.keys.subscriber(subscriber), self.keys.fixed("changes"))
        found = yield RunScript("subscribers/hold", keys, (subscriber, verb, why, by))
        return None if isinstance(found, (str, bytes)) else bool(found[1])

    def rotate(self, subscriber: str, secret: str, keep_ms: int, why: str, by: str) -> Steps[bool]:
        """Whether there is such a subscriber."""
        keys = (self.keys.subscriber(subscriber), self.keys.fixed("changes"))
        return bool((yield RunScript("subscribers/rotate", keys, (subscriber, secret, keep_ms, why, by))))

    def remove(self, subscriber: str, why: str, by: str) -> Steps[bool]:
        """Whether there was such a subscriber."""
        k = self.keys
        parts = (k.subscriber_part(subscriber, part) for part in ("due", "tries", "log"))
        keys = (k.fixed("subscribers"), k.subscriber(subscriber), *parts, k.fixed("changes"))
        return bool((yield RunScript("subscribers/remove", keys, (subscriber, why, by))))

    def resend(self, subscriber: str, entry: str, event_id: str, why: str, by: str) -> Steps[str]:
        """`queued`, `unknown` or `gone`."""
        k = self.keys
        parts = (k.subscriber_part(subscriber, part) for part in ("due", "tries"))
        keys = (k.subscriber(subscriber), *parts, k.fixed("outward"), k.fixed("changes"))
        return text((yield RunScript("subscribers/resend", keys, (subscriber, entry, event_id, why, by))))


def _facts(state: str, application: str, lane: str, reason: str, ended: str) -> Facts:
    return Facts(state, application, lane, reason, int(float(ended or 0)))


def new_tag() -> str:
    """For the ids of an installation's events: six random characters."""
    return "".join(secrets.choice(_TAG) for _ in range(6))
