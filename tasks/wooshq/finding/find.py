"""Find by a query, a page at a time: the ledger and the history, merged."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from wooshq.finding.found import Count, Found, FoundPage, Newest, Place
from wooshq.finding.in_history import AWAY, OFF, SEARCHED, Gone, elsewhere, found_of, place_of, search_history
from wooshq.finding.in_jobs import Recipients, recipients_of_jobs
from wooshq.finding.in_ledger import Reading, search, shown
from wooshq.history.record import Record
from wooshq.history.sql.refs import kind_and_id
from wooshq.ledger.keys import Keys
from wooshq.ledger.replies import ms
from wooshq.ledger.steps import Ask, Flow
from wooshq.search.narrow import asks, one_of, span
from wooshq.search.parse import parse
from wooshq.search.tree import Field, Tree
from wooshq.settings import Settings

MOST: Final = 10_000
"""Things of one page."""
MOST_READ: Final = 200_000
"""Intents of the ledger that are read where it has no index, unless the caller says otherwise: some ten seconds."""
_NAMED_JOBS: Final = 5


def find(keys: Keys, settings: Settings, query: str, most: int, after: str | None, reading: Reading) -> Flow[FoundPage]:
    """See `Wooshq.find`."""
    if isinstance(most, bool) or not isinstance(most, int) or not 1 <= most <= MOST:
        raise ValueError(f"most: must be a number from 1 to {MOST:,}")
    place = None if after is None else Place.read(after)
    tree, now_ms = yield from _parsed(keys, query)
    newest = Newest(most + 1, place)

    def take(places: Sequence[Place]) -> bool:
        newest.add(places)
        # Letters come newest first: those that are older than all that is wanted need not be read.
        return newest.is_full and bool(places) and places[-1] < newest.places()[-1]

    gone = Gone()
    yield from search(keys, tree, take, reading, gone.read)
    things = yield from shown(keys, newest.places(), gone.read)
    ended: dict[bytes, Found] = {}

    def take_ended(records: Sequence[Record]) -> bool:
        ended.update((place_of(one).ref, found_of(one)) for one in records)
        return len(ended) > most

    # After the ledger: what leaves it meanwhile is in the history already.
    history, why = yield from search_history(keys, tree, place, take_ended, page=most + 1)
    other_ms = (yield from elsewhere(keys)) if history == SEARCHED else 0
    newest.add(Place.read(one.place) for one in ended.values())
    places = newest.places()
    things = {**ended, **things}
    page = FoundPage(
        tuple(things[one.ref] for one in places[:most] if one.ref in things),
        str(places[most - 1]) if len(places) > most else None,
        not_searched=tuple(_not_searched(settings, tree, now_ms, history, why, reading, gone, other_ms)),
        history=history,
    )
    wanted = one_of(tree, Field.RECIPIENT)
    if wanted is None or after is not None:
        return page
    recipients = yield from recipients_of_jobs(keys, tree, wanted)
    return replace(page, recipients=recipients.found, not_searched=(*page.not_searched, *_sent_if_listed(recipients)))


def reading_of(most_read: int | None, progress: Callable[[int], object] | None) -> Reading:
    """What `Wooshq.find` may read. Raises ValueError."""
    if most_read is not None and (isinstance(most_read, bool) or not isinstance(most_read, int) or most_read < 1):
        raise ValueError("most_read: must be a number from 1, or None for all")
    return Reading(most_read, progress)


def count(keys: Keys, settings: Settings, query: str, reading: Reading) -> Flow[Count]:
    """See `Wooshq.count`."""
    tree, now_ms = yield from _parsed(keys, query)
    found: set[bytes] = set()  # what is read twice counts once

    def take(places: Sequence[Place]) -> bool:
        found.update(place.ref for place in places)
        return False

    gone = Gone()
    yield from search(keys, tree, take, reading, gone.read)

    def take_ended(records: Sequence[Record]) -> bool:
        return take([place_of(one) for one in records])

    history, why = yield from search_history(keys, tree, None, take_ended)
    other_ms = (yield from elsewhere(keys)) if history == SEARCHED else 0
    kinds = Counter(kind_and_id(ref)[0] for ref in found)
    return Count(
        kinds.total(),
        {str(kind): n for kind, n in kinds.items()},
        tuple(_not_searched(settings, tree, now_ms, history, why, reading, gone, other_ms)),
        history,
    )


def _parsed(keys: Keys, query: str) -> Flow[tuple[Tree, int]]:
    """Ages count back from the ledger's clock, by which everything is recorded. Raises QueryInvalid."""
    now_ms = ms((yield Ask([("TIME",)]))[0])
    return parse(query, now=datetime.fromtimestamp(now_ms / 1000, UTC)), now_ms


def _not_searched(
    settings: Settings, tree: Tree, now_ms: int, history: str, why: str, reading: Reading, gone: Gone, other_ms: int
) -> Iterator[str]:
    if reading.was_cut:
        yield (
            f"all intents of the ledger: {reading.read:,} were read, in no order, and there are more. Ask by id, by key and app, or by the state of what "
            "waits; or have all of them read (--all, most_read=None)"
        )
    if other_ms:
        yield "another database, which has what ended before or was written by another worker: WOOSHQ_HISTORY_URL names this one here. See wooshq doctor"
    if gone.missing and history != AWAY:
        yield f"{gone.missing:,} letters that are closed or discarded: they are in the history, which cannot be read here (WOOSHQ_HISTORY_URL)"
    since_ms = span(tree).since_ms
    is_long_ago = since_ms is None or since_ms < now_ms - settings.retention_s * 1000
    long_ago = f"ended longer ago than {settings.retention_s / 86400:g} days (WOOSHQ_RETENTION_S)"
    if history == AWAY:
        yield f"the history: {why}"
    elif history == OFF and is_long_ago:
        yield f"what {long_ago}: there is no history (WOOSHQ_HISTORY_URL)"
    elif history == SEARCHED and asks(tree, Field.TEXT) and not settings.history_bodies:
        yield "texts of messages that are in the history: they are not kept there (WOOSHQ_HISTORY_BODIES)"
    if history == SEARCHED and is_long_ago and one_of(tree, Field.RECIPIENT) is not None:
        yield f"recipients of fan-out jobs that {long_ago}: they are not kept one by one"
    if asks(tree, Field.RECIPIENT) and one_of(tree, Field.RECIPIENT) is None:
        yield "recipients of fan-out jobs: only a query that every result must meet with a recipient searches them"


def _sent_if_listed(recipients: Recipients) -> Iterator[str]:
    if jobs := recipients.sent_if_listed:
        more = f" and {len(jobs) - _NAMED_JOBS} more" if len(jobs) > _NAMED_JOBS else ""
        yield (
            f"recipients that fan-out jobs have sent to, because they are not kept one by one: {', '.join(jobs[:_NAMED_JOBS])}{more}. "
            "Who was in the list of such a job, and is not found here, was sent to"
        )
