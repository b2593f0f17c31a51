"""The audit log: every act of an operator, who, when, on what, why, how many, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from wooshq.gates.changes import change_of
from wooshq.ledger.keys import Keys
from wooshq.ledger.replies import Result, as_row, moment, text
from wooshq.ledger.steps import Ask, Steps

_PAGE: Final = 500
_DID: Final = {
    "start": "started",
    "pause": "paused",
    "resume": "resumed",
    "cancel": "cancelled",
    "discard": "discarded",
    "edit": "edited",
    "ignore": "ignored",
    "reopen": "reopened",
    "resend": "resent",
    "continue": "continued",
    "make": "made",
    "revoke": "revoked",
    "forget": "forgotten",
    "try_now": "hastened",
    "add": "added",
    "remove": "removed",
    "rotate": "rotated",
}


@dataclass(frozen=True)
class Act(Result):
    """
    One act. did: `started`, `paused`, `resumed`, `cancelled`, `discarded`, `edited`, `ignored`, `reopened`, `resent`, `continued`, `forgotten`, `hastened`, `made`, `revoked`, `shut`,
    `opened`, `set` or `unset`.

    what: a replay, a job, an intent, letters, a gate, a limit, a token, in words. selection: what was selected, if it was many. count: how many it
    concerned; None where that means nothing. result: what came of it, such as the new state.
    """

    id: str
    at: str | None
    by: str
    did: str
    what: str
    selection: str
    why: str
    count: int | None
    result: str


def list_acts(keys: Keys, *, most: int | None, by: str | None) -> Steps[list[Act]]:
    """See `Wooshq.audit`."""
    found: list[Act] = []
    first = "-"
    while True:
        entries = (yield Ask([("XRANGE", keys.fixed("changes"), first, "+", "COUNT", _PAGE)]))[0]
        acts = [_act(text(entry_id), as_row(fields)) for entry_id, fields in entries]
        found += [act for act in acts if by in (None, act.by)]
        if len(entries) < _PAGE:
            return found[::-1][:most]
        first = f"({text(entries[-1][0])}"


def _act(entry_id: str, row: Mapping[str, str]) -> Act:
    kind, _, name = row["what"].partition(" ")
    count = int(row["n"]) if row.get("n") else None
    rest = (row.get("selection", ""), row["why"], count, row.get("result", ""))
    if kind in ("replay", "letter", "letters", "cause", "intent", "token", "recipient", "webhook"):
        return Act(entry_id, moment(row["at"]), row["by"], _DID.get(row["did"], row["did"]), f"{kind} {name}".strip(), *rest)
    change = change_of(row)
    result = rest[3] or (f"{_shown(change.before)} → {_shown(change.value)}" if change.limit is not None else "")
    did = _DID.get(row["did"], change.did) if row["what"].startswith("job ") else change.did
    return Act(entry_id, moment(row["at"]), row["by"], did, change.what, *rest[:3], result)


def _shown(value: float | None) -> str:
    return "none" if value is None else f"{value:g}"
