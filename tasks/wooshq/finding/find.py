"""Find by a query, a page at a time: the ledger and the history, merged."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from wooshq.finding.found import Count, FoundPage, Newest, Place
from wooshq.finding.in_jobs import Recipients, recipients_of_jobs
from wooshq.finding.in_ledger import search, shown
from wooshq.ledger.keys import Keys
from wooshq.ledger.replies import ms
from wooshq.ledger.steps import Ask, Flow
from wooshq.search.narrow import asks, one_of, span
from wooshq.search.parse import parse
from wooshq.search.tree import Field, Tree
from wooshq.settings import Settings

MOST: Final = 10_000
"""Things of one page."""
_NAMED_JOBS: Final = 5


def find(keys: Keys, settings: Settings, query: str, most: int, after: str | None) -> Flow[FoundPage]:
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

    yield from search(keys, tree, take)
    places = newest.places()
    things = yield from shown(keys, places[:most])
    page = FoundPage(
        tuple(things[one.ref] for one in places[:most] if one.ref in things),
        str(places[most - 1]) if len(places) > most else None,
        not_searched=tuple(_not_searched(settings, tree, now_ms)),
    )
    wanted = one_of(tree, Field.RECIPIENT)
    if wanted is None or after is not None:
        return page
    recipients = yield from recipients_of_jobs(keys, tree, wanted)
    return replace(page, recipients=recipients.found, not_searched=(*page.not_searched, *_sent_if_listed(recipients)))


def count(keys: Keys, settings: Settings, query: str) -> Flow[Count]:
    """See `Wooshq.count`."""
    tree, now_ms = yield from _parsed(keys, query)
    found: set[bytes] = set()  # what is read twice counts once

    def take(places: Sequence[Place]) -> bool:
        found.update(place.ref for place in places)
        return False

    yield from search(keys, tree, take)
    kinds = Counter(_KIND_OF[ref[:1].lower()] for ref in found)
    return Count(kinds.total(), dict(kinds), tuple(_not_searched(settings, tree, now_ms)))


_KIND_OF: Final = {b"i": "intent", b"j": "job", b"l": "letter"}


def _parsed(keys: Keys, query: str) -> Flow[tuple[Tree, int]]:
    """Ages count back from the ledger's clock, by which everything is recorded. Raises QueryInvalid."""
    now_ms = ms((yield Ask([("TIME",)]))[0])
    return parse(query, now=datetime.fromtimestamp(now_ms / 1000, UTC)), now_ms


def _not_searched(settings: Settings, tree: Tree, now_ms: int) -> Iterator[str]:
    since_ms = span(tree).since_ms
    if since_ms is None or since_ms < now_ms - settings.retention_s * 1000:
        days = settings.retention_s / 86400
        yield f"what ended longer ago than {days:g} days (WOOSHQ_RETENTION_S): there is no history"
    if asks(tree, Field.RECIPIENT) and one_of(tree, Field.RECIPIENT) is None:
        yield "recipients of fan-out jobs: only a query that every result must meet with a recipient searches them"


def _sent_if_listed(recipients: Recipients) -> Iterator[str]:
    if jobs := recipients.sent_if_listed:
        more = f" and {len(jobs) - _NAMED_JOBS} more" if len(jobs) > _NAMED_JOBS else ""
        yield (
            f"recipients that fan-out jobs have sent to, because they are not kept one by one: {', '.join(jobs[:_NAMED_JOBS])}{more}. "
            "Who was in the list of such a job, and is not found here, was sent to"
        )
