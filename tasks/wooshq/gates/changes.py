"""What people changed lately: pauses, gates, limits and jobs; who, when and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from wooshq.gates.limits import number
from wooshq.ledger.gates import EVERY, GateLedger, GateName
from wooshq.ledger.replies import Result, as_row, moment, text
from wooshq.ledger.steps import Ask, Steps

_PAGE = 500
DID: Final = {
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
    "retry": "retried",
    "export": "exported",
}
"""What people did, as they read it. Gates and limits have words of their own."""


@dataclass(frozen=True)
class Change(Result):
    """
    A change by a person. did: `paused`, `resumed`, `cancelled`, `continued` (a job), `shut`, `opened` (a gate), `set`, `unset` (a limit).

    gate, limit, job: what was changed; of a pause of a lane or an application none of them. application: `*` for all; None for a job.
    lane: None for both. value, before: of a limit, in calls a second or as a share; None for no ceiling, or for the environment's.
    """

    at: str | None
    by: str
    did: str
    gate: str | None
    limit: str | None
    application: str | None
    lane: str | None
    job: str | None
    value: float | None
    before: float | None
    why: str

    @property
    def what(self) -> str:
        """What was changed, in words."""
        whose = "every application" if self.application == EVERY else self.application
        if self.limit is not None:
            return f"the {self.limit} of {f'job {self.job}' if self.job else whose}"
        if self.job is not None:
            return f"job {self.job}"
        whose = whose if self.lane is None else f"the {self.lane} lane of {whose}"
        return f"the gate {self.gate} of {whose}" if self.gate else str(whose)


def list_changes(ledger: GateLedger, most: int | None) -> Steps[list[Change]]:
    """See `Wooshq.changes`. Other acts are in the audit log alone."""
    found: list[Change] = []
    last = "+"
    while most is None or len(found) < most:
        (entries,) = yield Ask([("XREVRANGE", ledger.keys.fixed("changes"), last, "-", "COUNT", _PAGE)])
        rows = [as_row(fields) for _, fields in entries]
        found += [change_of(row) for row in rows if is_change(row)]
        if len(entries) < _PAGE:
            break
        last = f"({text(entries[-1][0])}"
    return found[:most]


def is_change(row: Mapping[str, str]) -> bool:
    """Whether an entry of the stream `changes` is about a gate, a limit or a job."""
    return "|" in row["what"] or (row["what"].startswith("job ") and row["did"] != "export")


def change_of(row: Mapping[str, str]) -> Change:
    """An entry of the stream `changes` that is about a gate, a limit or a job."""
    did = row["did"]
    name, _, whose = row["what"].partition("|")
    application, _, lane = whose.partition("/")
    gate, limit, job = None, None, None
    if did == "limit":
        did, limit = ("set" if row["value"] else "unset"), name
    elif did in DID:
        did = DID[did]
    elif name == GateName.HAND:
        did = "paused" if did == "shut" else "resumed"
    else:
        gate = name
    if (named := whose if limit else name).startswith("job "):
        job, application = named.removeprefix("job "), ""
    value, before = (number(row[field]) if row[field] else None for field in ("value", "before"))
    return Change(moment(row["at"]), row["by"], did, gate, limit, application or None, lane or None, job, value, before, row["why"])
