"""What a tree says at once about everything that fits it: what a store can look up instead of asking everything. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final

from wooshq.search.tree import And, Condition, Field, Is, Not, Or, Since, Tree, Until, fits

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def ms_of(at: datetime) -> int:
    """Whole ms since the epoch, rounded up: what happened in the ms before `at` is not since `at`."""
    return -((_EPOCH - at) // timedelta(milliseconds=1))


def fits_at(tree: Tree, at_ms: int, meets: Callable[[Is], bool]) -> bool:
    """`fits` of something that ended at this time (ms since the epoch). meets: asked for everything but times."""

    def meets_any(condition: Condition) -> bool:
        match condition:
            case Since(at):
                return at_ms >= ms_of(at)
            case Until(at):
                return at_ms < ms_of(at)
            case _:
                return meets(condition)

    return fits(tree, meets_any)


@dataclass(frozen=True, slots=True)
class Span:
    """From a time (included) until another one (not included), ms since the epoch; None for no limit."""

    since_ms: int | None = None
    until_ms: int | None = None


def span(tree: Tree) -> Span:
    """The time in which everything that fits the tree ended."""
    match tree:
        case Since(at):
            return Span(since_ms=ms_of(at))
        case Until(at):
            return Span(until_ms=ms_of(at))
        case Not(Since(at)):
            return Span(until_ms=ms_of(at))
        case Not(Until(at)):
            return Span(since_ms=ms_of(at))
        case And(parts):
            spans = [span(part) for part in parts]
            since = [one.since_ms for one in spans if one.since_ms is not None]
            until = [one.until_ms for one in spans if one.until_ms is not None]
            return Span(max(since, default=None), min(until, default=None))
        case Or(parts):
            spans = [span(part) for part in parts]
            since = [one.since_ms for one in spans if one.since_ms is not None]
            until = [one.until_ms for one in spans if one.until_ms is not None]
            return Span(min(since) if len(since) == len(spans) else None, max(until) if len(until) == len(spans) else None)
        case _:
            return Span()


def one_of(tree: Tree, field: Field) -> frozenset[str] | None:
    """Values of a field: everything that fits the tree has at least one of them. None if the tree does not say so."""
    match tree:
        case Is(found, value):
            return frozenset({value}) if found is field else None
        case And(parts):
            known = [values for part in parts if (values := one_of(part, field)) is not None]
            return min(known, key=len, default=None)
        case Or(parts):
            known = [values for part in parts if (values := one_of(part, field)) is not None]
            return frozenset[str]().union(*known) if len(known) == len(parts) else None
        case _:
            return None


def leaves(tree: Tree, *, positive: bool = True) -> Iterator[tuple[Condition, bool]]:
    """Every condition, from left to right, and whether it is wanted: False under an odd number of NOTs."""
    match tree:
        case Not(part):
            yield from leaves(part, positive=not positive)
        case And(parts) | Or(parts):
            for part in parts:
                yield from leaves(part, positive=positive)
        case _:
            yield tree, positive


def asks(tree: Tree, *fields: Field) -> bool:
    """Whether a condition is about one of these fields."""
    return any(isinstance(one, Is) and one.field in fields for one, _ in leaves(tree))


@lru_cache(maxsize=64)
def named(tree: Tree, field: Field) -> frozenset[str]:
    """The values of a field that somebody asks for, not those under NOT."""
    return frozenset(one.value for one, wanted in leaves(tree) if wanted and isinstance(one, Is) and one.field is field)


def cheap_first(tree: Tree, costs: Callable[[Condition], bool]) -> Tree:
    """The same tree, in which `fits` asks first what costs little. costs: whether a condition costs much."""

    def cost(part: Tree) -> bool:
        return any(costs(one) for one, _ in leaves(part))

    match tree:
        case Not(part):
            return Not(cheap_first(part, costs))
        case And(parts) | Or(parts):
            return replace(tree, parts=tuple(sorted((cheap_first(part, costs) for part in parts), key=cost)))
        case _:
            return tree
