"""What ended in the last minutes, added up over all workers: how it is counted, how it is kept, and what it says."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Final

from wooshq.ledger.keys import LANES
from wooshq.ledger.replies import as_row

WAY_S: Final = (0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0, 21600.0)
"""Upper bounds of the buckets for the way from accepted to sent, in seconds. Also those of `wooshq_accept_to_sent_seconds`."""
MINUTES: Final = 60
TENS: Final = 144
"""How many minutes, and how many tens of minutes, are shown. tell.lua keeps a few more."""
MINUTE_MS: Final = 60_000
TEN_MS: Final = 600_000
_RECENT: Final = 5
"""Minutes of which latencies are told, beside the one that has just begun."""


@dataclass
class Ends:
    """
    What ended: counters, and how long the way to it was. job_sent, job_dead: recipients of jobs. ways: of single messages that were sent, by
    bucket of `WAY_S`, and longer.

    The order of the fields is that in which tell.lua gets them.
    """

    sent: int = 0
    retried: int = 0
    dead: int = 0
    expired: int = 0
    job_sent: int = 0
    job_dead: int = 0
    ways: list[int] = field(default_factory=lambda: [0] * (len(WAY_S) + 1))

    def __iadd__(self, other: Ends) -> Ends:
        for name in _COUNTERS:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.ways = [a + b for a, b in zip(self.ways, other.ways, strict=True)]
        return self

    def since(self, before: Ends) -> Ends:
        """What was added since `before`."""
        counted = {name: getattr(self, name) - getattr(before, name) for name in _COUNTERS}
        return Ends(**counted, ways=[a - b for a, b in zip(self.ways, before.ways, strict=True)])

    @property
    def is_empty(self) -> bool:
        return not any(getattr(self, name) for name in _COUNTERS)

    @property
    def all_sent(self) -> int:
        """Messages, those of jobs included."""
        return self.sent + self.job_sent

    @property
    def all_dead(self) -> int:
        return self.dead + self.job_dead

    @property
    def left_the_lane(self) -> int:
        """Single messages that wait no more."""
        return self.sent + self.dead + self.expired

    def as_text(self) -> str:
        """As tell.lua takes it."""
        return " ".join(map(str, (*(getattr(self, name) for name in _COUNTERS), *self.ways)))


_COUNTERS: Final = tuple(one.name for one in fields(Ends) if one.name != "ways")


def _read(numbers: Sequence[int]) -> Ends:
    """`as_text` back. What another version added at its end is left out."""
    n = len(_COUNTERS)
    counted = dict(zip(_COUNTERS, numbers, strict=False))
    ways = list(numbers[n : n + len(WAY_S) + 1])
    return Ends(**counted, ways=ways + [0] * (len(WAY_S) + 1 - len(ways)))


@dataclass(frozen=True, slots=True)
class Rates:
    """One lane. minutes: the last 60, and the one that has just begun; tens: the last 144 tens of minutes, and the one that has begun."""

    minutes: Sequence[Ends]
    tens: Sequence[Ends]
    into_minute: float  #: how much of the minute that has begun is over, 0 to 1
    sent_at_ms: int | None

    def a_minute(self, counter: str) -> float:
        """How many in the last 60 seconds, as far as it is known: of the minute before, the part that is not older counts."""
        now, before = (getattr(self.minutes[-1], counter), getattr(self.minutes[-2], counter))
        found: float = now + before * (1 - self.into_minute)
        return found

    def in_recent(self, counter: str) -> int:
        """How many in the last five minutes, and the one that has begun."""
        return sum(getattr(one, counter) for one in self.minutes[-_RECENT - 1 :])

    def before_recent(self, counter: str) -> float:
        """How many there were in such a time on average, in the hour before."""
        older = self.minutes[: -_RECENT - 1]
        found: float = sum(getattr(one, counter) for one in older) / len(older) * (_RECENT + self.into_minute)
        return found

    def way_s(self, quantile: float) -> float | None:
        """Within how many seconds this part of the messages of the last minutes was sent. None if none was."""
        ways = [sum(bucket) for bucket in zip(*(one.ways for one in self.minutes[-_RECENT - 1 :]), strict=True)]
        return quantile_of(ways, quantile)


def quantile_of(ways: Sequence[int], quantile: float) -> float | None:
    """Of a histogram with the bounds `WAY_S`: inside of a bucket, as if all its values were evenly spread. None for an empty one."""
    total = sum(ways)
    if not total:
        return None
    rank, so_far = quantile * total, 0
    for at, n in enumerate(ways):
        if so_far + n >= rank and n:
            low = WAY_S[at - 1] if at else 0.0
            high = WAY_S[at] if at < len(WAY_S) else low
            return low + (high - low) * (rank - so_far) / n
        so_far += n
    return WAY_S[-1]


def bucket_of(seconds: float) -> int:
    """Which bucket of `Ends.ways` it is."""
    return bisect_left(WAY_S, seconds)


def read_rates(minutes: Any, tens: Any, now_ms: int) -> dict[str, Rates]:
    """Every lane's. minutes, tens: what HGETALL says of these hashes."""
    fine, coarse = as_row(minutes), as_row(tens)
    found = {}
    for lane in LANES:
        sent_at = fine.get(f"{lane} sent_at")
        found[lane] = Rates(
            _last(fine, lane, now_ms // MINUTE_MS, MINUTES),
            _last(coarse, lane, now_ms // TEN_MS, TENS),
            now_ms % MINUTE_MS / MINUTE_MS,
            int(sent_at) if sent_at else None,
        )
    return found


def _last(row: Mapping[str, str], lane: str, slot: int, most: int) -> list[Ends]:
    """The last `most` slots, and the one that has begun; an empty one where nothing is known."""
    known = dict(_slots(row, lane))
    return [known.get(one) or Ends() for one in range(slot - most, slot + 1)]


def _slots(row: Mapping[str, str], lane: str) -> Iterable[tuple[int, Ends]]:
    for name, text in row.items():
        if name.startswith(f"{lane} ") and not name.endswith("sent_at"):
            slot, *numbers = map(int, text.split())
            yield slot, _read(numbers)
