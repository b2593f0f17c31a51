"""Causes: dead letters with the same reason, detail and application, as the ledger counts them; and who ignores one, until when, and why."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from typing import Any, Final

from wooshq.errors import CauseUnknown
from wooshq.gates.who import said
from wooshq.ledger.keys import Keys
from wooshq.ledger.letters import LetterLedger
from wooshq.ledger.replies import as_pairs, as_row, moment, ms, text
from wooshq.ledger.steps import Ask, Steps
from wooshq.search.values import UNITS

HALF_HOUR_MS: Final = 30 * 60 * 1000
LINE: Final = 48
"""Half hours of the line of a cause: one day."""
_REGISTERS: Final = 2048
_AFTER: Final = re.compile(r"([0-9]{1,9})([smhdw])")
_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


class CauseState(StrEnum):
    """What a person is to know of a cause."""

    OPEN = "open"
    IGNORED = "ignored"  #: somebody ignores it until a time that has not come
    BACK = "back again"  #: none of its letters was open, or somebody ignored it, and letters come again
    EMPTY = "empty"  #: none of its letters is open


@dataclass(frozen=True, slots=True)
class Cause:
    """
    A cause as the ledger keeps it. Times are ms since the epoch; 0 for none. open: its letters that are open; oldest, newest: when they were
    filed; example: the newest of them. people: roughly how many these are about, since letters came after there was none. line: letters that
    were filed in each of the last `LINE` half hours, the oldest first, also those that are closed by now. now: when it was read.
    """

    id: str
    now: int
    reason: str = ""
    detail: str = ""
    application: str | None = None
    open: int = 0
    oldest: int = 0
    newest: int = 0
    example: str = ""
    people: int = 0
    line: tuple[int, ...] = field(default=(0,) * LINE)
    back: int = 0
    until: int = 0
    noted: int = 0
    why: str = ""
    by: str = ""

    @property
    def state(self) -> CauseState:
        if self.until > self.now:
            return CauseState.IGNORED
        if self.open == 0:
            return CauseState.EMPTY
        return CauseState.BACK if self.back_at else CauseState.OPEN

    @property
    def back_at(self) -> int:
        """When letters came again; 0 if they did not."""
        after_ignored = self.newest if 0 < self.until <= min(self.now, self.newest) else 0
        return max(self.back, after_ignored)


def read_causes(keys: Keys, ids: Sequence[str]) -> Steps[list[Cause]]:
    """The causes with these ids, in their order, also those that are not known."""
    commands: list[tuple[Any, ...]] = [("TIME",)]
    for one in ids:
        letters = keys.cause_part(one, "letters")
        commands += [
            ("HGETALL", keys.cause(one)),
            ("ZCARD", letters),
            ("ZRANGE", letters, 0, 0, "WITHSCORES"),
            ("ZREVRANGE", letters, 0, 0, "WITHSCORES"),
            ("GET", keys.cause_part(one, "people")),
            ("HGETALL", keys.cause_part(one, "line")),
        ]
    time, *answers = yield Ask(commands)
    now = ms(time)
    return [_cause(one, now, *answers[at : at + 6]) for one, at in zip(ids, range(0, len(answers), 6), strict=True)]


def largest_causes(keys: Keys, most: int | None) -> Steps[list[str]]:
    """Ids of causes that have open letters, those with most letters first."""
    last = -1 if most is None else most - 1
    flat = (yield Ask([("ZREVRANGE", keys.fixed("causes"), 0, last, "WITHSCORES")]))[0]
    return [text(one) for one, count in as_pairs(flat) if float(count) > 0]


def are_all_counted(keys: Keys) -> Steps[bool]:
    """Whether the ledger's counts are complete. They are not before a worker of this version has counted what the version before filed."""
    kept = (yield Ask([("GET", keys.fixed("counted"))]))[0]
    return kept is not None and not text(kept)[:1].isdigit()


def ignore_cause(ledger: LetterLedger, cause: str, until: datetime, why: str, by: str | None) -> Steps[None]:
    """See `DeadLetters.ignore`."""
    why, who = said(why, by)
    if until.tzinfo is None:
        raise ValueError("until: needs a time zone. Example: 2026-05-01T09:00:00Z")
    now = ms((yield Ask([("TIME",)]))[0])
    until_ms = int(until.timestamp() * 1000)
    if until_ms <= now:
        raise ValueError("until: must be in the future")
    _check((yield from ledger.ignore(cause, until_ms, until=moment(until_ms) or "", why=why, by=who)))


def reopen_cause(ledger: LetterLedger, cause: str, why: str, by: str | None) -> Steps[None]:
    """See `DeadLetters.reopen`."""
    _check((yield from ledger.ignore(cause, None, until="", why=(words := said(why, by))[0], by=words[1])))


def later(given: str, now: datetime) -> datetime:
    """
    A time to come, as a person writes it: a time, a date (midnight, UTC), or from now on, such as `2h`. now: aware.

    Raises ValueError that says what is wrong.
    """
    try:
        if after := _AFTER.fullmatch(given):
            return now.astimezone(UTC) + timedelta(seconds=int(after[1]) * UNITS[after[2]])
        found = datetime.combine(date.fromisoformat(given), time(), UTC) if _DATE.fullmatch(given) else datetime.fromisoformat(given)
    except (ValueError, OverflowError):
        raise ValueError("is not a valid time. Use 2026-05-01T09:00:00Z, 2026-05-01, or from now on, such as 2h or 7d") from None
    if found.tzinfo is None:
        raise ValueError("has no time zone. Use 2026-05-01T09:00:00Z, 2026-05-01, or from now on, such as 2h or 7d")
    return found.astimezone(UTC)


def line_of(filed: Mapping[int, int], now: int) -> tuple[int, ...]:
    """Letters of each of the last half hours, the oldest first. filed: half hour since the epoch → letters. now: ms."""
    last = now // HALF_HOUR_MS
    return tuple(filed.get(last - back, 0) for back in range(LINE - 1, -1, -1))


def estimate(registers: bytes) -> int:
    """How many people the registers of a cause have seen, to about 2 %; see causes.lua. Rule: HyperLogLog, Flajolet et al., 2007."""
    seen = registers.ljust(_REGISTERS, b"\0")
    counts = {rank: seen.count(96 + rank) for rank in range(1, 26)}
    empty = _REGISTERS - sum(counts.values())
    raw = 0.7213 / (1 + 1.079 / _REGISTERS) * _REGISTERS**2 / (empty + sum(n * 2.0**-rank for rank, n in counts.items()))
    return round(_REGISTERS * math.log(_REGISTERS / empty)) if empty and raw <= 2.5 * _REGISTERS else round(raw)


def _check(answer: str) -> None:
    if answer == "gone":
        raise CauseUnknown("no dead letters have this cause. Check the id (wooshq dead groups)")


def _cause(cause: str, now: int, flat: Any, count: int, oldest: Any, newest: Any, registers: bytes | str | None, line: Any) -> Cause:
    row = as_row(flat)
    first, last = as_pairs(oldest), as_pairs(newest)
    seen = registers.encode("latin-1") if isinstance(registers, str) else registers or b""

    def at(name: str) -> int:
        return int(float(row.get(name) or 0))

    return Cause(
        id=cause,
        now=now,
        reason=row.get("reason", ""),
        detail=row.get("detail", ""),
        application=row.get("app") or None,
        open=int(count),
        oldest=int(float(first[0][1])) if first else 0,
        newest=int(float(last[0][1])) if last else 0,
        example=text(last[0][0]) if last else "",
        people=min(estimate(seen), at("named")),  # the same identifier twice is one of the estimate
        line=line_of({int(slot): int(n) for slot, n in as_row(line).items()}, now),
        back=at("back"),
        until=at("until"),
        noted=at("noted"),
        why=row.get("why", ""),
        by=row.get("by", ""),
    )
