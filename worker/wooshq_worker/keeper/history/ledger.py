"""
The events of the ledger, for whoever reads them: what each script is given, and what its answer means.

The ledger's scripts tell what has ended in the stream `events`. Each kind of reader has a *group* of its own, of which each event is given to one
reader: `history` is one. To read them for another purpose: make an `EventLedger` with a group of your own; `listen` at the start and every ten
seconds, `take`, do the work, then `done`. An event leaves when every group has done it. A group that is silent for ten minutes is given up
(`stop`). A group that is slow while the history is not does not fill Redis: from three quarters of `WOOSHQ_EVENTS_MAX_BYTES` on the oldest events
leave without it, and `Telling.missed` counts their ends. A row may have left the ledger when its event is read: then the history has it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from wooshq.history.acts import KeptAct
from wooshq.ledger.keys import Keys
from wooshq.ledger.replies import as_row, text
from wooshq.ledger.steps import Ask, RunScript, Steps
from wooshq.settings import Settings

HISTORY: Final = "history"
"""The group of those who write the history."""
READ_BYTES: Final = 4 * 1024 * 1024
"""Bytes of rows in one read. Redis serves nobody else while a script runs."""
LOST_AFTER_MS: Final = 60_000
"""After so long, events that a consumer took and did not finish are taken by another one."""
HELP_BYTES: Final = 1024 * 1024
"""From so many bytes of events on, about 25,000 ends, all readers of a group work, and not one alone."""
SWEEP_EVERY_MS: Final = 6 * 3600 * 1000
"""How often the ledger is swept although everything was told: a worker of the version before tells nothing."""
_MOVES: Final = ("gate", "replay")
"""Kinds that the history does not keep."""
_SWEEPER_LOST_MS: Final = 60_000


@dataclass(frozen=True, slots=True)
class Ended:
    """Something that has ended. kind: the state of an intent, or `letter` or `job`."""

    kind: str
    id: str

    def __str__(self) -> str:
        return f"{self.kind} {self.id}"


@dataclass(frozen=True, slots=True)
class Entry:
    """
    One entry of the stream. told: what has ended or has changed since, of which there are rows. again: ids of those that had ended before. moves:
    gates that moved, and replays that ended.
    """

    name: str
    told: Sequence[Ended]
    again: frozenset[str] = frozenset()
    moves: Sequence[Ended] = ()


@dataclass(frozen=True, slots=True)
class Kept:
    """What the history has. changed: of its row, as it was read. until_ms: the row is needed until then anyway."""

    ended: Ended
    changed: str
    until_ms: int = 0

    def __str__(self) -> str:
        return f"{self.ended} {self.changed} {self.until_ms}"


@dataclass(frozen=True, slots=True)
class Telling:
    """
    How the stream of events is. is_on: ends are told. most, now: bytes. untold: ends that were not told because it was full, since
    `untold_at_ms`. missed: ends whose events left before this group had done them. heard_at_ms: when a reader of this group last spoke. reader: the
    one that works alone. acts_bytes: of the audit log. acts_lost: acts that had to go before the history had them. aside: records that its database
    refuses. Times are ms since the epoch, 0 for never.
    """

    is_on: bool
    most_bytes: int
    now_bytes: int
    untold: int
    untold_at_ms: int
    heard_at_ms: int
    swept_at_ms: int
    missed: int = 0
    reader: str = ""
    acts_bytes: int = 0
    acts_lost: int = 0
    aside: int = 0


class EventLedger:
    """Makes steps; `run` and `arun` carry them out. group: of the readers that it speaks for."""

    def __init__(self, settings: Settings, group: str = HISTORY) -> None:
        self.group = group
        self.keys = Keys(settings.namespace)
        self._both = (self.keys.fixed("events"), self.keys.fixed("telling"))
        self._telling = (self.keys.fixed("telling"),)
        self._retention_ms = int(settings.retention_s * 1000)
        # Otherwise lists would have less of a letter, or have it for less long, than while it is in the ledger.
        self._letters_may_leave = settings.history_bodies and settings.history_retention_s >= settings.dead_retention_s

    def listen(self, most_bytes: int) -> Steps[tuple[int, int]]:
        """Have every end told from now on. Returns how many were not told, and the bytes of the stream."""
        untold, now = yield RunScript("events/listen", self._both[::-1], (most_bytes, self.group))
        return int(untold), int(now)

    def stop(self, after_s: float, mine: Sequence[str] = ()) -> Steps[list[str]]:
        """Give up the groups that have been silent for so long, but for `mine`; with the last one, ends are told no more. Returns which they were."""
        found = yield RunScript("events/stop", self._both[::-1], (int(after_s * 1000), *mine))
        return [text(group) for group in found]

    def take(
        self, reader: str, most: int, lost_after_ms: int = LOST_AFTER_MS, *, own: bool = False, alone: bool = False
    ) -> Steps[list[Entry] | None]:
        """
        The next events, of which nobody else of the group is given any until a while has passed. None if nobody listens: call `listen`.

        own: only what this reader has taken before and not done. alone: one reader of the group works, and the others are given nothing as long
        as it keeps up: they would only share out small batches.
        """
        args = (reader, most, lost_after_ms, self.group, HELP_BYTES if alone else -1, "own" if own else "")
        found = yield RunScript("events/take", self._both, args)
        return None if isinstance(found, (str, bytes)) else [_entry(text(name), flat) for name, flat in found]

    def leave(self, reader: str) -> Steps[None]:
        """This reader takes no more: another one need not wait to work alone."""
        yield RunScript("events/leave", self._telling, (self.group, reader))

    def read(self, ended: Sequence[Ended]) -> Steps[list[list[dict[str, str] | str]]]:
        """The rows of the first of these, see read.lua: fields, or one text; {} for one that is gone."""
        found = yield RunScript("events/read", self._telling, (READ_BYTES, *map(str, ended)))
        return [
            [text(flat[0]) if len(flat) == 1 else as_row(flat) if flat else {} for flat in rows] if isinstance(rows, list) else [text(rows)]
            for rows in found
        ]

    def done(self, entries: Sequence[str]) -> Steps[None]:
        """This group has done these entries."""
        yield RunScript("events/done", self._both, (self.group, *entries))

    def forget(self, entries: Sequence[str], kept: Sequence[Kept], identity: str = "") -> Steps[int]:
        """
        The history has these rows: forget them; and it has done these entries. identity: of the history; "" without rows. Returns how many rows
        have gone.
        """
        may_leave = int(self._letters_may_leave)
        args: tuple[str | int, ...] = (self._retention_ms, may_leave, identity, len(entries), *entries, *map(str, kept))
        return int((yield RunScript("events/forget", self._both, args)))

    def sweep(self, token: str, step: Literal["begin", "go on", "end"], untold: int = 0) -> Steps[tuple[bool, int]]:
        """Whether this consumer may begin a sweep, or still makes it; and how many ends were not told. untold: at its end, what `begin` gave."""
        args = (token, step, untold, SWEEP_EVERY_MS, _SWEEPER_LOST_MS)
        may, now = yield RunScript("events/sweep", self._telling, args)
        return bool(may), int(now)

    def page(self, cursor: int, count: int) -> Steps[tuple[int, list[Ended]]]:
        """A page of the ledger: the next cursor (0 at the end), and what of it has ended and the history does not have as it is now."""
        prefix = self.keys.prefix
        pattern = "".join(f"\\{c}" if c in "\\*?[]" else c for c in prefix) + "[ilj][neo][tb]*"
        after, keys = (yield Ask([("SCAN", cursor, "MATCH", pattern, "COUNT", count)]))[0]
        names = [name for key in keys if (name := _name(text(key).removeprefix(prefix))) is not None]
        told = (yield RunScript("events/untold", self._telling, names)) if names else ()
        return int(text(after)), [Ended(*text(one).split(" ", 1)) for one in told]

    def acts(self, most: int) -> Steps[list[tuple[str, KeptAct]]]:
        """The oldest acts of operators that the history does not have, at most so many, each with its entry of the stream."""
        kept = (yield Ask([("HGET", self.keys.fixed("telling"), "acts_kept")]))[0]
        first = "-" if kept is None else f"({text(kept)}"
        entries = (yield Ask([("XRANGE", self.keys.fixed("changes"), first, "+", "COUNT", most)]))[0]
        return [(text(entry), KeptAct.of_entry(text(entry), as_row(flat))) for entry, flat in entries]

    def acts_are_kept(self, entry: str, n: int) -> Steps[int]:
        """The history has the acts up to this entry, `n` more than before. How many acts the stream has."""
        keys = (self.keys.fixed("changes"), self.keys.fixed("telling"))
        return int((yield RunScript("events/keep_acts", keys, (entry, 2 * n))))

    def state(self) -> Steps[Telling]:
        """How the stream of events is."""
        return _telling(as_row((yield Ask([("HGETALL", self.keys.fixed("telling"))]))[0] or []), self.group)


def _name(key: str) -> str | None:
    """`intent <id>` and the like. None for another key."""
    kind, _, ended = key.partition(":")
    return f"{kind} {ended}" if kind in ("intent", "letter", "job") and ended and ":" not in ended else None


def _entry(name: str, flat: Sequence[Any]) -> Entry:
    by_kind = {text(kind): text(ids).split() for kind, ids in zip(flat[::2], flat[1::2], strict=True)}
    again = frozenset(by_kind.pop("again", ()))
    moves = [Ended(kind, one) for kind in _MOVES for one in by_kind.pop(kind, ())]
    return Entry(name, [Ended(kind, one) for kind, ids in by_kind.items() for one in ids], again, moves)


def _telling(row: Mapping[str, str], group: str) -> Telling:
    names = ("most", "bytes", "untold", "untold_at", f"heard|{group}", "swept_at", f"missed|{group}")
    most, now, untold, untold_at, heard_at, swept_at, missed = (int(float(row.get(name) or 0)) for name in names)
    acts_bytes, acts_lost, aside = (int(row.get(name) or 0) for name in ("acts_bytes", "acts_lost", "aside"))
    reader = row.get(f"lead|{group}", "").partition(" ")[0]
    return Telling("most" in row, most, now, untold, untold_at, heard_at, swept_at, missed, reader, acts_bytes, acts_lost, aside)
