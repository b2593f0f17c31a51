"""
What records are found by with an index: recipients, keys, tags, campaigns, jobs, letters, details and causes, each as a number.

The number is a keyed hash of 64 bits, so an index entry has eight bytes, and names nobody: the history may be searched by recipient although it
keeps none.
"""

from __future__ import annotations

import hashlib

from wooshq.history.record import Record
from wooshq.history.sent import SentIntent
from wooshq.ledger.states import State
from wooshq.letters.filter import cause_of, comparable
from wooshq.search.tree import Field


class Marks:
    """Makes the marks of one history. secret: the history's own, at most 64 bytes."""

    def __init__(self, secret: bytes) -> None:
        self._keyed = hashlib.blake2b(digest_size=8, key=secret)

    def of(self, record: Record) -> list[int]:
        """Every mark of a record, in ascending order, each once. A job has no mark of itself: its id finds it."""
        found = {self.mark(Field.RECIPIENT, one) for one in record.recipients}
        found |= {self.mark(Field.TAG, value, name) for name, value in record.tags}
        for field, value in ((Field.KEY, record.key), (Field.CAMPAIGN, record.campaign), (Field.JOB, record.job)):
            if value:
                found.add(self.mark(field, value))
        detail = record.shown.get("detail")
        if detail and record.kind != "job" and record.state != State.SENT:
            found |= {self.mark(Field.DETAIL, detail), self.mark(Field.DETAIL, comparable(detail))}
            if record.kind == "letter":
                found.add(self.mark(Field.CAUSE, cause_of(record.reason, detail, record.app)))
        if record.letter and record.letter != record.id:
            found.add(self.mark(Field.ID, record.letter))
        return sorted(found)

    def of_sent(self, sent: SentIntent) -> list[int]:
        """`of` its record, without making it."""
        content = sent.content
        found = {self.mark(Field.RECIPIENT, one) for one in content.recipients}
        found |= {self.mark(Field.TAG, value, name) for name, value in content.tags}
        if key := content.key:
            found.add(self.mark(Field.KEY, key))
        if sent.campaign:
            found.add(self.mark(Field.CAMPAIGN, sent.campaign))
        return sorted(found)

    def mark(self, field: Field, value: str, name: str = "") -> int:
        """The mark of a value, from -2**63 to 2**63 - 1. name: of a tag."""
        keyed = self._keyed.copy()
        keyed.update(f"{field}\0{name}\0{value}".encode("utf-8", "surrogatepass"))
        return int.from_bytes(keyed.digest(), "big", signed=True)
