"""The audit log as one list: what the ledger's stream has, and what only the history has."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from wooshq.errors import SettingsInvalid
from wooshq.finding.in_history import AWAY, OFF, SEARCHED
from wooshq.gates.audit import Act, act_of
from wooshq.history.acts import KINDS, ActPlace, KeptAct, WhichActs
from wooshq.history.contract import HistoryAway, HistoryNewer
from wooshq.ledger.keys import Keys
from wooshq.ledger.replies import Result, as_row, text
from wooshq.ledger.steps import Ask, AskHistory, Flow, Steps
from wooshq.search.narrow import ms_of
from wooshq.settings import Settings

MOST: Final = 10_000
"""Acts of one page."""
_PAGE: Final = 500


@dataclass(frozen=True)
class Acts(Result):
    """
    One page of the audit log, the newest first. after: where the next page goes on; None after the last one. history: `searched`, `off` or `away`.
    not_searched: what could not be searched, a sentence each; empty if the answer is complete.
    """

    found: tuple[Act, ...]
    after: str | None
    not_searched: tuple[str, ...]
    history: str


def which_acts(
    by: str | None, what: str | None, act_id: str | None, since: datetime | None, until: datetime | None, after: str | None
) -> WhichActs:
    """The question that the arguments of `Wooshq.audit` ask. Raises ValueError."""
    if what is not None and what not in KINDS:
        raise ValueError(f"what: is not a kind of thing. Use one of {', '.join(KINDS)}")
    for name, at in (("since", since), ("until", until)):
        if at is not None and at.tzinfo is None:
            raise ValueError(f"{name}: needs a time zone. Example: 2026-05-01T09:00:00Z")
    since_ms, until_ms = (None if at is None else ms_of(at) for at in (since, until))
    return WhichActs(by, what, act_id, since_ms, until_ms, None if after is None else ActPlace.read(after))


def list_acts(keys: Keys, settings: Settings, which: WhichActs, most: int) -> Flow[Acts]:
    """See `Wooshq.audit`."""
    if isinstance(most, bool) or not isinstance(most, int) or not 1 <= most <= MOST:
        raise ValueError(f"most: must be a number from 1 to {MOST:,}")
    found = yield from _in_ledger(keys, which, most + 1)
    history, why = SEARCHED, ""
    try:  # after the ledger: what leaves it meanwhile is in the history already
        kept = yield AskHistory(_asked(which, most + 1))
    except (HistoryAway, HistoryNewer, SettingsInvalid) as error:
        history, why, kept = AWAY, str(error), None
    else:
        history = OFF if kept is None else SEARCHED
    # What the stream has was perhaps written again, without a person.
    acts = {one.place: one for one in (*(kept or ()), *found)}
    places = sorted(acts, reverse=True)
    shown = tuple(act_of(str(place), acts[place].row) for place in places[:most])
    return Acts(shown, shown[-1].id if len(places) > most else None, _not_searched(settings, history, why), history)


def _not_searched(settings: Settings, history: str, why: str) -> tuple[str, ...]:
    if history == OFF:
        return ("acts before the last 10,000: there is no history (WOOSHQ_HISTORY_URL)",)
    if history == AWAY:
        return (f"the history: {why}",)
    return ()


def _asked(which: WhichActs, limit: int) -> Callable[[Any], list[KeptAct]]:
    def ask(history: Any) -> list[KeptAct]:
        found: list[KeptAct] = history.find_acts(which, limit)
        return found

    return ask


def _in_ledger(keys: Keys, which: WhichActs, limit: int) -> Steps[list[KeptAct]]:
    """The newest ones of the stream. Those that were written again without a person stand at its end, whatever their place."""
    found: list[KeptAct] = []
    last = "+"
    while True:
        entries = (yield Ask([("XREVRANGE", keys.fixed("changes"), last, "-", "COUNT", _PAGE)]))[0]
        found += [act for entry, flat in entries if which.fits(act := KeptAct.of_entry(text(entry), as_row(flat)))]
        if len(entries) < _PAGE:
            return found
        reached = ActPlace.read(text(entries[-1][0]))
        if sum(act.place >= reached for act in found) >= limit:
            return found
        last = f"({reached}"
