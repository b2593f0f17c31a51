"""Messages that have not ended, in the order in which they go on. The cost has a bound, however many there are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import StrEnum
from typing import Any, Final

from wooshq.gates.waiting import MOST_QUEUES
from wooshq.intents.status import Status, statuses_of
from wooshq.ledger.keys import LANES, Keys
from wooshq.ledger.replies import as_pairs, text
from wooshq.ledger.steps import Ask, Steps

MOST: Final = 500
_IN_DOUBT: Final = 2e14
"""What queue.lua adds to the rank of an intent that is in doubt."""


class Shelf(StrEnum):
    """Where messages are that have not ended."""

    WAITING = "waiting"  #: in their lanes: those that wait longest first
    UNDER_WAY = "under_way"  #: with a worker: those that it has held longest first
    RETRYING = "retrying"  #: failed: those first that are tried again next


def browse(keys: Keys, shelf: str, most: int) -> Steps[list[Status]]:
    """See `Wooshq.browse`."""
    known = Shelf(shelf) if shelf in set(Shelf) else None
    if known is None:
        raise ValueError(f"shelf: must be one of {', '.join(Shelf)}")
    if isinstance(most, bool) or not isinstance(most, int) or not 1 <= most <= MOST:
        raise ValueError(f"most: must be a number from 1 to {MOST}")
    if known is Shelf.WAITING:
        ids = yield from _waiting(keys, most)
    else:
        name = "leases" if known is Shelf.UNDER_WAY else "due"
        (found,) = yield Ask([("ZRANGE", keys.fixed(name), 0, most - 1)])
        ids = [text(one) for one in found]
    if not ids:
        return []
    return [one for one in (yield from statuses_of(keys, ids)) if one is not None]


def _waiting(keys: Keys, most: int) -> Steps[list[str]]:
    """The oldest of all queues. Of more applications than `MOST_QUEUES`, those whose turn comes next."""
    rings = yield Ask([("ZRANGE", keys.ring(lane), 0, MOST_QUEUES - 1) for lane in LANES])
    queues = [keys.queue(lane, text(app)) for lane, apps in zip(LANES, rings, strict=True) for app in apps]
    heads = yield Ask([("ZRANGE", name, 0, most - 1, "WITHSCORES") for name in (*queues, *map(keys.suspects, LANES))])
    return [intent_id for _, intent_id in sorted(_ranked(heads))[:most]]


def _ranked(heads: Sequence[Any]) -> Iterator[tuple[float, str]]:
    for head in heads:
        for intent_id, score in as_pairs(head):
            rank = float(score)
            yield (rank - _IN_DOUBT if rank >= _IN_DOUBT else rank), text(intent_id)
