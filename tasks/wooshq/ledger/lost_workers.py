"""How many workers were lost while they sent to each recipient, so that a recipient is poison only for its own losses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from wooshq.ledger.states import FINAL_MARKS, Mark

PlaceRange = tuple[int, int]
"""Places of recipients in their chunk, first and last, 0-based, both included."""


def ranges_of(places: Sequence[int]) -> tuple[PlaceRange, ...]:
    """Places in ascending order as ranges."""
    ranges: list[PlaceRange] = []
    for place in places:
        if ranges and ranges[-1][1] == place - 1:
            ranges[-1] = (ranges[-1][0], place)
        else:
            ranges.append((place, place))
    return tuple(ranges)


def read(text: str) -> dict[int, int]:
    """Workers lost, by place in the chunk. text: made by `written`, '' for none."""
    found: dict[int, int] = {}
    for part in text.split():
        times, _, places = part.partition("*")
        first, _, last = places.partition("-")
        found.update(dict.fromkeys(range(int(first), int(last) + 1), int(times)))
    return found


def written(losses: Mapping[int, int]) -> str:
    """As the chunk's row keeps it: `2*0-9 1*12-12`, ranges of places with the same number of losses."""
    by_times: dict[int, list[int]] = {}
    for place in sorted(losses):
        by_times.setdefault(losses[place], []).append(place)
    return " ".join([f"{times}*{first}-{last}" for times, places in by_times.items() for first, last in ranges_of(places)])


def after(losses: Mapping[int, int], marks: str) -> dict[int, int]:
    """The losses after one more worker is lost. marks: as it left them. Recipients that have ended are left out."""
    still = {place: times for place, times in losses.items() if marks[place] not in FINAL_MARKS}
    for place, mark in enumerate(marks):
        if mark == Mark.SENDING:
            still[place] = still.get(place, 0) + 1
    return still
