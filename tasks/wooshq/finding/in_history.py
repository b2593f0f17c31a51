"""What a query finds in the history, without what the ledger has: its row is the newer one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from wooshq.errors import SettingsInvalid
from wooshq.finding.found import Found, Place
from wooshq.history.contract import HistoryAway, HistoryNewer
from wooshq.history.record import Record
from wooshq.ledger.keys import Keys
from wooshq.ledger.replies import as_row, moment, ms
from wooshq.ledger.states import State
from wooshq.ledger.steps import Ask, AskHistory, Flow, Steps
from wooshq.letters.databases import others
from wooshq.letters.gone import LISTED, ask_history
from wooshq.search.tree import Tree

PAGE: Final = 1000

OFF: Final = "off"
AWAY: Final = "away"
SEARCHED: Final = "searched"


def search_history(
    keys: Keys,
    tree: Tree | None,
    after: Place | None,
    take: Callable[[Sequence[Record]], bool],
    *,
    page: int = PAGE,
    in_doubt: bool = False,
    with_dead: bool = False,
) -> Flow[tuple[str, str]]:
    """
    Give `take` the records that fit, the newest first, until it returns True. with_dead: also intents that are dead, which are found as
    letters otherwise. Returns `searched`, `off` or `away`, and why it is away.
    """
    last = None if after is None else Record(kind=after.kind, id=after.id, state="", ended_ms=after.at_ms, changed_ms=0, shown={})
    while True:
        try:
            records: list[Record] | None = yield AskHistory(_page(tree, page, last, in_doubt))
        except (HistoryAway, HistoryNewer, SettingsInvalid) as error:
            return AWAY, str(error)
        if records is None:
            return OFF, ""
        if take((yield from _not_in_ledger(keys, records, with_dead))) or len(records) < page:
            return SEARCHED, ""
        last = records[-1]


def _page(tree: Tree | None, limit: int, after: Record | None, in_doubt: bool) -> Callable[[Any], list[Record]]:
    def ask(history: Any) -> list[Record]:
        found: list[Record] = history.find(tree, limit=limit, after=after, in_doubt=in_doubt)
        return found

    return ask


def _not_in_ledger(keys: Keys, records: Sequence[Record], with_dead: bool) -> Steps[list[Record]]:
    """Those that the ledger does not have. Of a letter that has left it still has the place: it is found there."""
    wanted = [one for one in records if with_dead or not (one.kind == "intent" and one.state == State.DEAD)]
    if not wanted:
        return []
    letters, key = keys.fixed("letters"), {"intent": keys.intent, "job": keys.job}
    there = yield Ask([("ZSCORE", letters, one.id) if one.kind == "letter" else ("EXISTS", key[one.kind](one.id)) for one in wanted])
    return [one for one, is_there in zip(wanted, there, strict=True) if not is_there]


class Gone:
    """Reads letters that have left. missing: how many could not be read, because there is no history here, or another one, or it is away."""

    def __init__(self) -> None:
        self.missing = 0

    def read(self, keys: Keys, ids: Sequence[str]) -> Flow[Mapping[str, Any]]:
        """See `ReadGone`."""
        try:
            asked = yield from ask_history(keys, ids, "letter")
        except (HistoryAway, HistoryNewer, SettingsInvalid):
            asked = None
        self.missing += len(ids) if asked is None else asked.missing
        return {} if asked is None else asked.records


def elsewhere(keys: Keys) -> Flow[int]:
    """Until when the ledger names what only another database has, ms since the epoch; 0 if all has left for the one here. Raises HistoryAway."""
    identity = yield AskHistory(lambda history: history.identity)
    if identity is None:
        return 0
    telling, time = yield Ask([("HGETALL", keys.fixed("telling")), ("TIME",)])
    found = others(as_row(telling), identity, ms(time))
    return found[0].until_ms if found else 0


def place_of(record: Record) -> Place:
    """Where it stands in the order."""
    return Place.of(record.kind, record.id, record.ended_ms)


def found_of(record: Record) -> Found:
    """As it is shown."""
    shown = {name: value for name, value in record.shown.items() if name != LISTED}
    return Found(record.kind, record.id, record.state, moment(record.ended_ms), "history", str(place_of(record)), shown)
