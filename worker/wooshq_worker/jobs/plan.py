"""Which calls does a chunk still need? From its units and its marks; pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from wooshq.jobs.units import Unit
from wooshq.ledger.lost_workers import PlaceRange, ranges_of
from wooshq.ledger.states import Mark


class Call(NamedTuple):
    """One call that is to be made: some recipients of one unit."""

    unit: int
    runs: tuple[PlaceRange, ...]

    @property
    def size(self) -> int:
        return sum(last - first + 1 for first, last in self.runs)

    def places(self) -> Iterator[int]:
        """Every recipient's place, in order."""
        for first, last in self.runs:
            yield from range(first, last + 1)

    def as_text(self) -> str:
        """As begin.lua reads it."""
        return ",".join([f"{first}-{last}" for first, last in self.runs])


@dataclass(frozen=True, slots=True)
class _Placed:
    first: int
    unit: Unit


class Plan:
    """The calls of one chunk that a worker holds: those that wait, in the order in which they go."""

    def __init__(self, units: Sequence[Unit], marks: str, suspects: Mapping[int, int] | None = None, *, in_steps: bool = False) -> None:
        """
        marks: one of `Mark` for each recipient; who is final needs no call.

        in_steps: of a roll-out: who was called before shares no call with who was not, and goes first. The step waits for them, and has
        no room for the others.

        suspects: places of those of whom one may be what workers were lost over, and how many like them may be sent to at once; they go first,
        the fewest at once before the others.
        """
        self._suspects = suspects or {}
        self._doubtful: deque[Call] = deque()
        self._placed: list[_Placed] = []
        first = 0
        for unit in units:
            self._placed.append(_Placed(first, unit))
            first += len(unit.identifiers)
        self.size = first
        self._waiting: deque[Call] = deque()
        open_marks = (Mark.WAITING, Mark.AGAIN)
        if marks.count(Mark.WAITING) == self.size:  # a fresh chunk, as most are
            self._waiting.extend(
                Call(n, ((placed.first, placed.first + len(placed.unit.identifiers) - 1),)) for n, placed in enumerate(self._placed)
            )
        else:
            first_again: list[Call] = []
            for n, placed in enumerate(self._placed):
                places = [p for p in range(placed.first, placed.first + len(placed.unit.identifiers)) if marks[p] in open_marks]
                for at_once in sorted({self._suspects[p] for p in places if p in self._suspects}):
                    doubtful = [p for p in places if self._suspects.get(p) == at_once]
                    self._doubtful.extend(in_parts(Call(n, ranges_of(doubtful)), at_once))
                innocent = [p for p in places if p not in self._suspects]
                again = [p for p in innocent if in_steps and marks[p] == Mark.AGAIN]
                if again:
                    first_again.append(Call(n, ranges_of(again)))
                if len(again) < len(innocent):
                    self._waiting.append(Call(n, ranges_of([p for p in innocent if not (in_steps and marks[p] == Mark.AGAIN)])))
            self._waiting.extendleft(reversed(first_again))
        self._doubtful = deque(sorted(self._doubtful, key=self._at_once))
        self.was_again = frozenset(p for p, mark in enumerate(marks) if mark == Mark.AGAIN)
        """Who had been called before this worker took the chunk."""

    def __len__(self) -> int:
        return len(self._doubtful) + len(self._waiting)

    @property
    def has_suspects(self) -> bool:
        """Whether the next calls are suspects': nobody else may be sent to while theirs are under way."""
        return bool(self._doubtful)

    def take(self, n: int) -> list[Call]:
        """The first calls that wait, at most `n`; of suspects as many as may be sent to at once. Who may not leave is put back with `first`."""
        if not self._doubtful:
            return [self._waiting.popleft() for _ in range(min(n, len(self._waiting)))]
        taken = [self._doubtful.popleft()] if n > 0 else []
        size = sum(call.size for call in taken)
        while taken and self._doubtful and len(taken) < n and size + self._doubtful[0].size <= self._at_once(taken[0]):
            taken.append(self._doubtful.popleft())
            size += taken[-1].size
        return taken

    def first(self, calls: Iterable[Call]) -> None:
        """These go before all others, in their order."""
        for call in reversed(list(calls)):
            (self._doubtful if call.runs[0][0] in self._suspects else self._waiting).appendleft(call)

    def _at_once(self, call: Call) -> int:
        return self._suspects[call.runs[0][0]]

    def drop(self) -> list[Call]:
        """Every call that waits; none waits any more."""
        dropped = [*self._doubtful, *self._waiting]
        self._doubtful.clear()
        self._waiting.clear()
        return dropped

    def unit(self, call: Call) -> Unit:
        return self._placed[call.unit].unit

    def identifiers(self, call: Call) -> Sequence[str]:
        """Whom a call is for, in the order of its places."""
        placed = self._placed[call.unit]
        if len(call.runs) == 1:
            first, last = call.runs[0]
            return placed.unit.identifiers[first - placed.first : last + 1 - placed.first]
        return [placed.unit.identifiers[place - placed.first] for place in call.places()]

    def unit_of(self, place: int) -> tuple[Unit, str]:
        """The unit of a recipient, and who it is."""
        placed = next(p for p in reversed(self._placed) if p.first <= place)
        return placed.unit, placed.unit.identifiers[place - placed.first]


def cut(call: Call, size: int) -> tuple[Call, Call]:
    """A call as two: its first `size` recipients, and the others. 0 < size < call.size."""
    head: list[PlaceRange] = []
    tail: list[PlaceRange] = []
    for first, last in call.runs:
        room = size - sum(b - a + 1 for a, b in head)
        if room <= 0:
            tail.append((first, last))
        elif last - first + 1 <= room:
            head.append((first, last))
        else:
            head.append((first, first + room - 1))
            tail.append((first + room, last))
    return Call(call.unit, tuple(head)), Call(call.unit, tuple(tail))


def in_parts(call: Call, size: int) -> Iterator[Call]:
    """A call as calls of at most `size` recipients."""
    while call.size > size:
        head, call = cut(call, size)
        yield head
    yield call


def leaving(asked: Sequence[Call], calls: int, last_size: int) -> tuple[list[Call], list[Call]]:
    """Of the calls that were asked about, those that may leave, of the last of them `last_size` recipients; and the others."""
    may, rest = list(asked[:calls]), list(asked[calls:])
    if may and may[-1].size > last_size:
        may[-1], kept = cut(may[-1], last_size)
        rest.insert(0, kept)
    return may, rest


def halves(call: Call) -> tuple[Call, Call]:
    """A call of two recipients or more as two calls."""
    return cut(call, call.size // 2)


def alone(call: Call, places: Iterable[int]) -> tuple[list[Call], Call | None]:
    """A call as one for each of these recipients, and one for the others, if there are any."""
    chosen = set(places)
    rest = [place for place in call.places() if place not in chosen]
    return [Call(call.unit, ((place, place),)) for place in sorted(chosen)], Call(call.unit, ranges_of(rest)) if rest else None
