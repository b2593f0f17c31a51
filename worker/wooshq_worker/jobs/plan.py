"""Which calls does a chunk still need? Pure: its units and marks decide."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from wooshq.jobs.units import Unit
from wooshq.ledger.lost_workers import PlaceRange, ranges_of
from wooshq.ledger.states import Mark


class Call(NamedTuple):
    """One call to make: some recipients of one unit. unit: its index in the chunk."""

    unit: int
    ranges: tuple[PlaceRange, ...]

    @property
    def size(self) -> int:
        return sum(last - first + 1 for first, last in self.ranges)

    def places(self) -> Iterator[int]:
        """The place of every recipient, in ascending order."""
        for first, last in self.ranges:
            yield from range(first, last + 1)

    def as_text(self) -> str:
        """The form that begin.lua reads."""
        return ",".join([f"{first}-{last}" for first, last in self.ranges])


@dataclass(frozen=True, slots=True)
class _Placed:
    first: int
    unit: Unit


class Plan:
    """The calls of a chunk that wait, in the order in which they start."""

    def __init__(
        self,
        units: Sequence[Unit],
        marks: str,
        suspects: Mapping[int, int] | None = None,
        *,
        doubted: Collection[int] = (),
        later: Collection[int] = (),
        has_rollout: bool = False,
    ) -> None:
        """
        marks: a `Mark` for each recipient; a recipient with a final one needs no call.

        has_rollout: recipients that were called before share no call with the others, and are called first. A roll-out step waits for them,
        and may have no room for the others.

        doubted: places whose last call got no answer. They share no call with the others, and are called last: if the next answer is lost, too,
        others are in doubt, and nobody is sent to twice. In a roll-out they are called with those that were called before.

        later: places that need no call yet.

        suspects: place → how many suspects like it may be called at once. One of them may be the reason why workers were lost. They are
        called before all others, the smallest groups first.
        """
        self._suspects = suspects or {}
        self._placed: list[_Placed] = []
        first = 0
        for unit in units:
            self._placed.append(_Placed(first, unit))
            first += len(unit.identifiers)
        self.size = first
        self._waiting: deque[Call] = deque()
        self._waiting_suspects: deque[Call] = deque()
        if marks.count(Mark.WAITING) == self.size:  # a fresh chunk, as most are
            self._waiting.extend(
                Call(n, ((placed.first, placed.first + len(placed.unit.identifiers) - 1),)) for n, placed in enumerate(self._placed)
            )
        else:
            self._plan_rest(marks, doubted, frozenset(later), has_rollout=has_rollout)
        self.was_again = frozenset(place for place, mark in enumerate(marks) if mark == Mark.AGAIN)
        """Recipients that were called before this worker took the chunk."""

    def _plan_rest(self, marks: str, doubted: Collection[int], later: Collection[int], *, has_rollout: bool) -> None:
        """Plan calls for the recipients that have not ended."""
        called_before: list[Call] = []
        suspects: list[Call] = []
        in_doubt: list[Call] = []
        for n, placed in enumerate(self._placed):
            places = range(placed.first, placed.first + len(placed.unit.identifiers))
            still = [place for place in places if marks[place] in (Mark.WAITING, Mark.AGAIN) and place not in later]
            for at_once in sorted({self._suspects[place] for place in still if place in self._suspects}):
                suspects += in_parts(Call(n, ranges_of([place for place in still if self._suspects.get(place) == at_once])), at_once)
            others = [place for place in still if place not in self._suspects]
            again = [place for place in others if has_rollout and marks[place] == Mark.AGAIN]
            if again:
                called_before.append(Call(n, ranges_of(again)))
            behind = [place for place in others if not has_rollout and place in doubted]
            if behind:
                in_doubt.append(Call(n, ranges_of(behind)))
            if len(again) + len(behind) < len(others):
                apart = {*again, *behind}
                self._waiting.append(Call(n, ranges_of([place for place in others if place not in apart])))
        self._waiting.extendleft(reversed(called_before))
        self._waiting.extend(in_doubt)
        self._waiting_suspects.extend(sorted(suspects, key=self._at_once))

    def __len__(self) -> int:
        return len(self._waiting_suspects) + len(self._waiting)

    @property
    def has_suspects(self) -> bool:
        """Whether the next calls are for suspects: nothing else may be sent while they are in progress."""
        return bool(self._waiting_suspects)

    def take(self, n: int) -> list[Call]:
        """The next calls, at most `n`; of suspects, no more than may be called at once. `put_first` puts a call back."""
        if not self._waiting_suspects:
            return [self._waiting.popleft() for _ in range(min(n, len(self._waiting)))]
        taken = [self._waiting_suspects.popleft()] if n > 0 else []
        size = sum(call.size for call in taken)
        while taken and self._waiting_suspects and len(taken) < n and size + self._waiting_suspects[0].size <= self._at_once(taken[0]):
            taken.append(self._waiting_suspects.popleft())
            size += taken[-1].size
        return taken

    def put_first(self, calls: Iterable[Call]) -> None:
        """These calls go before all others, in their order."""
        for call in reversed(list(calls)):
            (self._waiting_suspects if call.ranges[0][0] in self._suspects else self._waiting).appendleft(call)

    def _at_once(self, call: Call) -> int:
        return self._suspects[call.ranges[0][0]]

    def take_all(self) -> list[Call]:
        """Every call that waits."""
        taken = [*self._waiting_suspects, *self._waiting]
        self._waiting_suspects.clear()
        self._waiting.clear()
        return taken

    def places(self) -> Iterator[int]:
        """The places of all calls that wait."""
        for call in (*self._waiting_suspects, *self._waiting):
            yield from call.places()

    def unit(self, call: Call) -> Unit:
        """The unit that the recipients of a call belong to."""
        return self._placed[call.unit].unit

    def identifiers(self, call: Call) -> Sequence[str]:
        """The recipients of a call, in the order of their places."""
        placed = self._placed[call.unit]
        if len(call.ranges) == 1:
            first, last = call.ranges[0]
            return placed.unit.identifiers[first - placed.first : last + 1 - placed.first]
        return [placed.unit.identifiers[place - placed.first] for place in call.places()]


def cut(call: Call, size: int) -> tuple[Call, Call]:
    """A call as two calls: for its first `size` recipients, and for the others. 0 < size < call.size."""
    head: list[PlaceRange] = []
    tail: list[PlaceRange] = []
    for first, last in call.ranges:
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
    """A call as calls for at most `size` recipients each."""
    while call.size > size:
        head, call = cut(call, size)
        yield head
    yield call


def split_begun(asked: Sequence[Call], calls: int, last_size: int) -> tuple[list[Call], list[Call]]:
    """Split the calls that were asked for: the first `calls` may start, the last of them for `last_size` recipients; the rest must wait."""
    may, rest = list(asked[:calls]), list(asked[calls:])
    if may and may[-1].size > last_size:
        may[-1], kept = cut(may[-1], last_size)
        rest.insert(0, kept)
    return may, rest


def halves(call: Call) -> tuple[Call, Call]:
    """A call for two or more recipients as two calls."""
    return cut(call, call.size // 2)


def divided(call: Call, places: Collection[int]) -> tuple[Call | None, Call | None]:
    """A call as two calls: for these recipients, and for the others. None for a call without recipients."""
    chosen = [place for place in call.places() if place in places]
    rest = [place for place in call.places() if place not in places]
    return _call_of(call.unit, chosen), _call_of(call.unit, rest)


def alone(call: Call, places: Iterable[int]) -> tuple[list[Call], Call | None]:
    """A call for each of these recipients alone, and one for the others, if there are others."""
    chosen = set(places)
    rest = [place for place in call.places() if place not in chosen]
    return [Call(call.unit, ((place, place),)) for place in sorted(chosen)], _call_of(call.unit, rest)


def _call_of(unit: int, places: Sequence[int]) -> Call | None:
    return Call(unit, ranges_of(places)) if places else None
