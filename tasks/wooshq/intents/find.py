"""Find intents: by another name than their id, by state, or because they are in doubt."""

from __future__ import annotations

import uuid
from dataclasses import fields
from typing import Any, Final

from wooshq.errors import LedgerUnavailable
from wooshq.intents.status import Status, statuses_of
from wooshq.ledger.intents import read_rows
from wooshq.ledger.keys import Keys
from wooshq.ledger.replies import as_row, text
from wooshq.ledger.states import FINAL, HELD, State
from wooshq.ledger.steps import Ask, AskHistory, FindInSpool, Flow, Steps, in_history
from wooshq.search.tree import And, Field, Is, Tree
from wooshq.settings import Settings

_PAGE: Final = 1000
"""Keys, or entries of the stream of doubts, that are read in one round trip."""
_SUBMITS: Final = uuid.UUID("5f0c2f1e-8f0b-5d7b-9a53-6b1b7b0c6f52")
"""The namespace of the ids that submits get."""


def id_of_submit(task_id: str) -> str:
    """The id of an intent that came as the task `wooshq.submit` without an id of its own."""
    return str(uuid.uuid5(_SUBMITS, task_id.encode("utf-8", "replace").decode()))


def whereabouts(keys: Keys, settings: Settings, name: str, application: str) -> Flow[Status | None]:
    """See `Wooshq.status`. What the ledger does not have, or cannot say, may be in the spool of this machine."""
    found, away = None, None
    try:
        found = yield from status_of(keys, name, application)
    except LedgerUnavailable as error:
        away = error
    if found is None and settings.spool_dir is not None:
        found = yield FindInSpool(name, application)
    if found is None:
        found = yield from _in_history(keys, name, application, may_ask=away is None)
    if found is None and away is not None:
        raise away
    return found


def _in_history(keys: Keys, name: str, application: str, *, may_ask: bool) -> Flow[Status | None]:
    """What has left the ledger, by any of its names. may_ask: the ledger can be asked, which knows a key longer than the intent's row."""
    if not _can_be_stored(name):
        return None
    ids = [name.lower(), id_of_submit(name)]
    if may_ask and (kept := (yield Ask([("GET", keys.idempotency(application, name))]))[0]) is not None:
        ids.append(text(kept).partition(" ")[0])
    found = yield from in_history(ids)
    for intent_id in ids:
        if intent_id in found:
            return status_of_record(found[intent_id])
    if not name.strip():
        return None
    by_key = And((Is(Field.KEY, name), Is(Field.APP, application))) if application else Is(Field.KEY, name)
    records = (yield AskHistory(lambda history: history.find(by_key, limit=10))) or []
    return next((status_of_record(record) for record in records if record.kind == "intent"), None)


def status_of_record(record: Any) -> Status:
    """The status that a record of the history has kept. A newer version may have kept more."""
    known = {field.name for field in fields(Status)}
    return Status(**{name: value for name, value in record.shown.items() if name in known})


def status_of(keys: Keys, name: str, application: str) -> Steps[Status | None]:
    """The status of an intent that is in the ledger. application: that an idempotency key belongs to."""
    if not _can_be_stored(name):
        return None
    [found] = yield from statuses_of(keys, [name.lower()])
    if found is not None:
        return found
    (kept,) = yield Ask([("GET", keys.idempotency(application, name))])
    others = [id_of_submit(name)] + ([text(kept).partition(" ")[0]] if kept is not None else [])
    return next(filter(None, (yield from statuses_of(keys, others))), None)


def _can_be_stored(name: str) -> bool:
    """A text with half a surrogate pair is no text that the ledger has."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def find_intents(keys: Keys, *, state: str | None, in_doubt: bool, most: int | None) -> Flow[list[Status]]:
    """See `Wooshq.find`."""
    if state is not None and state not in (*State, HELD):
        raise ValueError(f"state: must be one of {', '.join((*State, HELD))}")
    if state is None and not in_doubt:
        raise ValueError("give a state, or in_doubt=True; for the number of intents in each state, call counts()")
    in_ledger = State.QUEUED if state == HELD else state
    ids = (yield from _in_state(keys, in_ledger)) if in_ledger is not None and not in_doubt else (yield from _in_doubt(keys))
    old: dict[str, Status] = {}  #: what has left the ledger
    if state is not None and state in FINAL and not in_doubt:
        records = (yield AskHistory(lambda history: _all(history, Is(Field.STATE, state), most))) or []
        old = {record.id: status_of_record(record) for record in records if record.kind == "intent"}
    newest = sorted(ids | old.keys(), reverse=True)  # an id begins with the time of its making
    found: list[Status] = []
    for start in range(0, len(newest), _PAGE):
        some = newest[start : start + _PAGE]
        page = dict(zip(some, (yield from statuses_of(keys, some)), strict=True))
        missing = [one for one in some if page[one] is None]
        if missing and in_doubt:
            old |= {name: status_of_record(record) for name, record in (yield from in_history(missing)).items()}
        shown = [page[one] or old.get(one) for one in some]
        found += [one for one in shown if one is not None and state in (None, one.state)]
        if most is not None and len(found) >= most:
            return found[:most]
    return found


def _all(history: Any, tree: Tree, most: int | None) -> list[Any]:
    found: list[Any] = []
    while True:
        limit = _PAGE if most is None else min(_PAGE, most - len(found))
        page = history.find(tree, limit=limit, after=found[-1] if found else None) if limit > 0 else []
        found += page
        if len(page) < _PAGE:
            return found


def _in_doubt(keys: Keys) -> Steps[set[str]]:
    """Ids of the intents that were in doubt at some time, whatever became of them."""
    ids: set[str] = set()
    after = "-"
    while True:
        entries = (yield Ask([("XRANGE", keys.fixed("doubts"), after, "+", "COUNT", _PAGE)]))[0]
        for _, told in entries:
            intent_id = as_row(told).get("id")  # an entry of a job has none
            if intent_id is not None:
                ids.add(intent_id)
        if len(entries) < _PAGE:
            return ids
        after = f"({text(entries[-1][0])}"


def _in_state(keys: Keys, state: str) -> Steps[set[str]]:
    """Ids of the intents in a state. Reads the state of every intent: the ledger has no index of intents that have ended."""
    prefix = keys.intent("")
    pattern = "".join(f"\\{c}" if c in "\\*?[]" else c for c in prefix) + "*"
    ids: set[str] = set()
    cursor: object = 0
    while True:
        cursor, page = (yield Ask([("SCAN", cursor, "MATCH", pattern, "COUNT", _PAGE)]))[0]
        names = [text(name).removeprefix(prefix) for name in page]
        rows = (yield from read_rows(keys, names)).rows
        ids.update(name for name, row in zip(names, rows, strict=True) if row.get("state") == state)
        if int(text(cursor)) == 0:
            return ids
