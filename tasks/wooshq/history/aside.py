"""What the history's database refused: it stays in the ledger, operators see it, and have it tried again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from wooshq.errors import WooshqError
from wooshq.gates.who import said
from wooshq.ledger.keys import Keys
from wooshq.ledger.replies import Result, moment, text
from wooshq.ledger.steps import RunScript, Steps

_ALSO_SO: Final = ("job", "letter")


class NoHistory(WooshqError):
    """No worker keeps a history, so nothing can be tried again."""


@dataclass(frozen=True)
class SetAside(Result):
    """One record that was refused. kind: intent, letter or job. since: when it was refused first. why: without personal data."""

    kind: str
    id: str
    since: str | None
    why: str


class AsideLedger:
    """Makes steps; `run` and `arun` carry them out."""

    def __init__(self, keys: Keys) -> None:
        self._keys = (keys.fixed("telling"), keys.fixed("history_aside"))
        self._changes = keys.fixed("changes")

    def put(self, kind: str, record_id: str, why: str) -> Steps[bool]:
        """Set a record aside. kind: also the state of an intent. why: names no value. False if too many are listed."""
        name = f"{kind if kind in _ALSO_SO else 'intent'} {record_id}"
        return bool((yield RunScript("events/set_aside", self._keys, (name, why))))

    def list(self) -> Steps[list[SetAside]]:
        """What is set aside now, the first one first; at most 1,000."""
        found = [
            (*text(name).split(" ", 1), *text(value).split(" ", 1)) for name, value in (yield RunScript("events/aside", self._keys, ()))
        ]
        return [SetAside(kind, one, moment(int(at)), why) for kind, one, at, why in sorted(found, key=lambda each: (int(each[2]), each[1]))]

    def retry(self, records: Sequence[SetAside], why: str = "", by: str | None = None) -> Steps[int]:
        """
        Have the history take these again: a worker does it within seconds. How many there were. why, by: for the audit log. Raises NoHistory, and
        ValueError for texts that cannot be kept.
        """
        names = [f"{one.kind} {one.id}" for one in records]
        done = yield RunScript("events/retry", (*self._keys, self._changes), (*said(why, by), *names))
        if isinstance(done, (str, bytes)):
            raise NoHistory("No worker keeps a history. Give the workers WOOSHQ_HISTORY_URL")
        return int(done)
