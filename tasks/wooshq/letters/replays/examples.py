"""The letters of a selection that differ most, before and after a recipe: what a person looks at before thousands are sent. Pure."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from wooshq.ledger.replies import Result
from wooshq.letters.letter import Letter
from wooshq.letters.replays.planning import LeftOut, ReadyLetter

SHOWN: Final = 5
_MOST_KINDS: Final = 500
"""Letters with the same fields and the same change are one kind. Of so many kinds one letter each is remembered."""

_MOST_ALIKE: Final = 50
"""Letters that seem alike at first sight, of which each is looked at in full."""


@dataclass(frozen=True)
class Example(Result):
    """
    One letter of a selection. before, after: its intent, without the fields of one sending. payload_before, payload_after: the request that is
    made of it; None before if it could not be made.
    """

    id: str
    before: Any
    after: Any
    payload_before: Any
    payload_after: Any


class Examples:
    """
    Looks at every letter, and remembers one of each kind. rendered: makes the request of an intent, or None if it is not valid. exact: gives an
    intent as a replay keeps it, so that only what the recipe changes differs.
    """

    def __init__(self, rendered: Callable[[Any], Any], exact: Callable[[Any], Any]) -> None:
        self._rendered = rendered
        self._exact = exact
        self._kinds: dict[frozenset[str], tuple[str, Any, Any]] = {}
        self._looked: Counter[object] = Counter()

    def look(self, letter: Letter, planned: ReadyLetter | LeftOut) -> None:
        """A letter, and what the plan says of it. Letters that are left out count only if the recipe is the cause."""
        if not isinstance(planned, ReadyLetter) or planned.before is None:
            return
        if len(self._kinds) >= _MOST_KINDS:
            return
        rough = _roughly(planned.before, letter)
        if self._looked[rough] >= _MOST_ALIKE:
            return
        self._looked[rough] += 1
        after = json.loads(planned.entry.body)
        features = frozenset(_features(planned.before, after, letter))
        if features not in self._kinds:
            before = {k: v for k, v in planned.before.items() if k not in ("id", "idempotency_key")}
            self._kinds[features] = (letter.id, before, after)

    def most_different(self, n: int = SHOWN) -> tuple[Example, ...]:
        """Up to `n` letters: the first one, and then always the one that has least in common with those that were taken."""
        rest = dict(self._kinds)
        if not rest:
            return ()
        first = next(iter(rest))
        taken = [(first, rest.pop(first))]
        while rest and len(taken) < n:
            far = max(rest, key=lambda features: min(_distance(features, other) for other, _ in taken))
            taken.append((far, rest.pop(far)))
        return tuple(
            Example(letter_id, self._exact(before), after, self._rendered(before), self._rendered(after))
            for _, (letter_id, before, after) in taken
        )


def _roughly(intent: Any, letter: Letter) -> object:
    """What can be seen of a letter at once."""
    if not isinstance(intent, dict):
        return letter.reason
    parts = (intent, intent.get("message"), intent.get("to"), intent.get("request"))
    return (letter.reason, letter.application, letter.lane, letter.bulk_id, *(tuple(part) for part in parts if isinstance(part, dict)))


def _features(before: Any, after: Any, letter: Letter) -> Iterator[str]:
    """What makes two letters alike: which fields they have, which of them change, why they died, and how long their texts are (roughly)."""
    yield f"reason {letter.reason}"
    yield f"application {letter.application}"
    yield f"lane {letter.lane}"
    was, is_now = dict(_leaves(before)), dict(_leaves(after))
    for path in was.keys() | is_now.keys():
        if path == "id" or path == "idempotency_key":
            continue
        changes = (
            "same" if was.get(path) == is_now.get(path) else "added" if path not in was else "removed" if path not in is_now else "changed"
        )
        size = len(str(is_now.get(path, ""))).bit_length() // 3
        yield f"{path} {changes} {size}"


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _leaves(inner, f"{path}.{name}" if path else str(name))
    elif isinstance(value, list):
        yield f"{path}[]", tuple(map(str, value))
    else:
        yield path, value


def _distance(one: frozenset[str], other: frozenset[str]) -> float:
    return 1 - len(one & other) / max(1, len(one | other))
