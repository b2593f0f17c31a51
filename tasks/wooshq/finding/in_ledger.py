"""What a query finds in the ledger. What the ledger has no index for is decided row by row, page by page."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from wooshq.finding.found import Found, Place
from wooshq.finding.meets import at_ms, can_fit, intent_fits, job_fits
from wooshq.history.record import Kind
from wooshq.intents.status import statuses_of
from wooshq.jobs.show import read_jobs
from wooshq.ledger.gates import read as read_gates
from wooshq.ledger.intents import read_rows
from wooshq.ledger.keys import LANES, Keys
from wooshq.ledger.replies import moment, text
from wooshq.ledger.states import HELD, State
from wooshq.ledger.steps import Ask, Flow, Steps
from wooshq.letters.filter import Selection
from wooshq.letters.find import each_page
from wooshq.letters.gone import ReadGone, read_kept
from wooshq.letters.read import ReadLetter, pages
from wooshq.search.narrow import one_of
from wooshq.search.tree import Field, Tree

_PAGE: Final = 500
_WAITING: Final = frozenset((State.QUEUED, HELD))
_LIVE: Final = _WAITING | {State.SENDING, State.RETRYING}

Take = Callable[[Sequence[Place]], bool]
"""Given some of what fits; returns True if it needs no more that is older."""


class Reading:
    """
    How much of the ledger is read where it has no index: at most so many intents (None: all). told: called now and then with how many were read.

    was_cut: there are more, and they were not read.
    """

    def __init__(self, most: int | None, told: Callable[[int], object] | None = None) -> None:
        self.most = most
        self.read = 0
        self.was_cut = False
        self._told = told

    def note(self, n: int) -> bool:
        """So many more were read. Whether more may be."""
        self.read += n
        if self._told is not None:
            self._told(self.read)
        return self.most is None or self.read < self.most


def search(keys: Keys, tree: Tree, take: Take, reading: Reading, read: ReadGone) -> Flow[None]:
    """
    Give `take` the places of everything that fits, as far as `reading` allows. Letters come newest first; `take` can end their search.
    read: gives those that have left for the history, whose places the ledger has.
    """
    if can_fit("job", tree):
        yield from _jobs(keys, tree, take)
    if can_fit("letter", tree):
        yield from _letters(keys, tree, take, read)
    if can_fit("intent", tree):
        yield from _intents(keys, tree, take, reading)


def shown(keys: Keys, places: Sequence[Place], read_gone: ReadGone) -> Flow[dict[bytes, Found]]:
    """Things at these places as they are now, by `Place.ref`. One that has left the ledger meanwhile is missing."""

    def ids(kind: Kind) -> list[str]:
        return [place.id for place in places if place.kind == kind]

    found: dict[tuple[Kind, str], tuple[str, dict[str, object], str]] = {}
    if intents := ids("intent"):
        for status in (yield from statuses_of(keys, intents)):
            if status is not None:
                found["intent", status.id] = status.state, dict(status), "ledger"
    if letters := ids("letter"):
        for read in (yield from read_kept(keys, letters, bodies=False, read=read_gone)):
            if read is not None:
                found["letter", read.letter.id] = read.letter.state, dict(read.letter), read.kept_in
    if jobs := ids("job"):
        for job_id, (job, _) in (yield from read_jobs(keys, jobs)).items():
            found["job", job_id] = job.state, dict(job), "ledger"
    return {
        place.ref: Found(place.kind, place.id, state, moment(place.at_ms), kept_in, str(place), thing)
        for place in places
        for state, thing, kept_in in [found.get((place.kind, place.id), ("", {}, ""))]
        if thing
    }


def _jobs(keys: Keys, tree: Tree, take: Take) -> Steps[None]:
    """Every job is read: there are few of them."""
    named = _named(tree, Field.ID) or _named(tree, Field.JOB)
    ids = named or [text(i) for i in (yield Ask([("ZREVRANGE", keys.fixed("jobs"), 0, -1)]))[0]]
    for some in pages(ids, _PAGE):
        jobs = yield from read_jobs(keys, some)
        take([Place.of("job", i, at_ms(row)) for i, (job, row) in jobs.items() if job_fits(i, row, job.state, tree)])


def _letters(keys: Keys, tree: Tree, take: Take, read: ReadGone) -> Flow[None]:
    def page(letters: Sequence[ReadLetter]) -> bool:
        return take([Place.of("letter", one.letter.id, one.letter.filed_ms) for one in letters])

    yield from each_page(keys, Selection(tree=tree), page, read=read)


def _intents(keys: Keys, tree: Tree, take: Take, reading: Reading) -> Steps[None]:
    named = yield from _candidates(keys, tree)
    if named is not None:
        for some in pages(named, _PAGE):
            yield from _look(keys, some, tree, take)
        return
    prefix = keys.intent("")
    pattern = "".join(f"\\{c}" if c in "\\*?[]" else c for c in prefix) + "*"
    cursor: object = 0
    while True:
        cursor, page = (yield Ask([("SCAN", cursor, "MATCH", pattern, "COUNT", _PAGE)]))[0]
        yield from _look(keys, [text(name).removeprefix(prefix) for name in page], tree, take)
        may_go_on = reading.note(len(page))
        if int(text(cursor)) == 0:
            return
        if not may_go_on:
            reading.was_cut = True
            return


def _look(keys: Keys, ids: Sequence[str], tree: Tree, take: Take) -> Steps[None]:
    """Decide for these intents. One that is dead is found as its letter."""
    if not ids:
        return
    read = yield from read_rows(keys, ids)
    gates = read_gates(read.gates, read.now_ms)
    found = []
    for intent_id, row in zip(ids, read.rows, strict=True):
        if row and row.get("state") not in (None, State.DEAD) and intent_fits(intent_id, row, gates, tree):
            found.append(Place.of("intent", intent_id, at_ms(row)))
    take(found)


def _candidates(keys: Keys, tree: Tree) -> Steps[list[str] | None]:
    """Ids of which every intent that fits has one; None if all intents must be read."""
    if ids := _named(tree, Field.ID):
        answers = yield Ask([("HGET", keys.letter(i), "replays") for i in ids])
        replays = [one for answer in answers if answer is not None for one in text(answer).split()]
        return list(dict.fromkeys((*ids, *replays)))
    given, applications = one_of(tree, Field.KEY), one_of(tree, Field.APP)
    if given and applications:  # a key belongs to an application
        kept = yield Ask([("GET", keys.idempotency(app, key)) for app in sorted(applications) for key in sorted(given)])
        if all(one is not None for one in kept):  # one that is missing may have been forgotten before its intent
            return [text(one).partition(" ")[0] for one in kept]
    states = one_of(tree, Field.STATE)
    if states is not None and states <= _LIVE:
        return (yield from _live(keys, states, applications))
    return None


def _live(keys: Keys, states: frozenset[str], applications: frozenset[str] | None) -> Steps[list[str]]:
    """Ids of intents that have not ended, by the queues that they wait in. applications: those of others need not be among them."""
    commands: list[tuple[object, ...]] = []
    if State.SENDING in states:
        commands.append(("ZRANGE", keys.fixed("leases"), 0, -1))
    if State.RETRYING in states:
        commands.append(("ZRANGE", keys.fixed("due"), 0, -1))
    if states & _WAITING:
        rings = yield Ask([("ZRANGE", keys.ring(lane), 0, -1) for lane in LANES])
        commands += [("ZRANGE", keys.suspects(lane), 0, -1) for lane in LANES]
        commands += [
            ("ZRANGE", keys.queue(lane, text(app)), 0, -1)
            for lane, apps in zip(LANES, rings, strict=True)
            for app in apps
            if applications is None or text(app) in applications
        ]
    return list(dict.fromkeys(text(i) for ids in (yield Ask(commands)) for i in ids))


def _named(tree: Tree, field: Field) -> list[str]:
    """Ids in lower case, as all of ours are."""
    return sorted(value.lower() for value in one_of(tree, field) or ())
