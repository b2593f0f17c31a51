"""The audit log: every act of an operator, who, when, on what, why, how many, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from wooshq.gates.changes import DID, change_of, is_change
from wooshq.gates.who import said
from wooshq.ledger.gates import note_act
from wooshq.ledger.keys import Keys
from wooshq.ledger.replies import Result, moment
from wooshq.ledger.steps import Steps


@dataclass(frozen=True)
class Act(Result):
    """
    One act. did: `started`, `paused`, `resumed`, `cancelled`, `discarded`, `edited`, `ignored`, `reopened`, `resent`, `continued`, `retried`, `exported`,
    `forgotten`, `hastened`, `made`, `revoked`, `shut`, `opened`, `set` or `unset`.

    what: a replay, a job, an intent, letters, a gate, a limit, a token, rows of an outbox, in words. selection: what was selected, if it was many.
    count: how many it concerned; None where that means nothing. result: what came of it, such as the new state.
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


def act_of(act_id: str, row: Mapping[str, str]) -> Act:
    """The act of an entry of the stream `changes`."""
    count = int(row["n"]) if row.get("n") else None
    rest = (row.get("selection", ""), row["why"], count, row.get("result", ""))
    did = DID.get(row["did"], row["did"])
    if not is_change(row):
        return Act(act_id, moment(row["at"]), row["by"], did, row["what"], *rest)
    change = change_of(row)
    result = rest[3] or (f"{_shown(change.before)} → {_shown(change.value)}" if change.limit is not None else "")
    did = did if row["what"].startswith("job ") else change.did
    return Act(act_id, moment(row["at"]), row["by"], did, change.what, *rest[:3], result)


def note_export(keys: Keys, what: str, count: int, selection: str, why: str, by: str | None) -> Steps[None]:
    """See `Wooshq.note_export`."""
    if what not in ("letters", "doubles") and not what.startswith("job "):
        raise ValueError("what: must be letters, doubles or job <id>")
    why, who = said(why, by)
    yield from note_act(keys, "export", what, why=why, by=who, count=count, selection=selection, result="exported")


def _shown(value: float | None) -> str:
    return "none" if value is None else f"{value:g}"
