"""People in the ledger: what each script is given, and what its answer means."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from wooshq.ledger.chunks import ChunkName, keys_to_end
from wooshq.ledger.keys import Keys
from wooshq.ledger.replies import text
from wooshq.ledger.steps import RunScript, Steps
from wooshq.settings import Settings


class PeopleLedger:
    """Every script that takes a person out of the ledger. Each says whether it is done; if not, it was changed meanwhile, or a worker holds it."""

    def __init__(self, settings: Settings) -> None:
        self.keys = Keys(settings.namespace)
        self._retention_ms = int(settings.retention_s * 1000)
        self._dead_ms = int(settings.dead_retention_s * 1000)

    def remove_intent(self, intent_id: str, row: Mapping[str, str]) -> Steps[bool]:
        """Remove an intent that has ended. row: as it was read."""
        args = ("1", row["state"], row.get("n", ""), "")
        return (yield from self._done("people/forget_intent", (self.keys.intent(intent_id),), args))

    def change_intent(self, intent_id: str, row: Mapping[str, str], body: str, changed: Mapping[str, str]) -> Steps[bool]:
        """Write an intent without the person. changed: its other fields that change."""
        args = ("0", row["state"], row.get("n", ""), body, *_pairs(changed))
        return (yield from self._done("people/forget_intent", (self.keys.intent(intent_id),), args))

    def remove_letter(self, letter_id: str, row: Mapping[str, str]) -> Steps[bool]:
        """Remove a letter. row: as it was read."""
        return (yield from self._letter(letter_id, ("1", row["state"])))

    def change_letter(self, letter_id: str, row: Mapping[str, str], changed: Mapping[str, str]) -> Steps[bool]:
        """Write a letter without the person. changed: its fields that change."""
        return (yield from self._letter(letter_id, ("0", row["state"], *_pairs(changed))))

    def change_chunk(self, name: ChunkName, before: bytes, after: bytes, places: Sequence[int]) -> Steps[bool]:
        """Write a chunk's recipients without the person, who stands at these places. Who was not sent to yet counts as cancelled."""
        args: list[str | bytes | int] = [name.job_id, name.number, self._retention_ms, self._dead_ms, before, after, *places]
        return (yield from self._done("people/forget_recipient", keys_to_end(self.keys, name), args))

    def change_doubt(self, job_id: str, entry: str, fields: Mapping[str, str], who: str) -> Steps[bool]:
        """Write an entry of a job's doubts without the person. who: its identifiers, JSON; "" to remove it."""
        keys = (self.keys.job_part(job_id, "doubts"),)
        return (yield from self._done("people/forget_doubt", keys, (entry, fields["at"], fields["cause"], who)))

    def remove_cause(self, cause: str) -> Steps[bool]:
        """Forget a cause of letters whose text names the person. Its letters are forgotten first."""
        return (yield from self._done("people/forget_cause", (self.keys.cause(cause), self.keys.cause_part(cause, "letters")), (cause,)))

    def change_act(self, entry: str, fields: Mapping[str, str]) -> Steps[bool]:
        """Write an act of an operator without the person. entry: of the stream. fields: all that it has."""
        keys = (self.keys.fixed("changes"), self.keys.fixed("telling"))
        return (yield from self._done("people/forget_act", keys, (entry, *_pairs(fields))))

    def change_words(self, key: str, field: str, before: str, after: str) -> Steps[bool]:
        """Write what an operator said without the person. key: of the row that says it. before: as it was read."""
        return (yield from self._done("people/forget_words", (key,), (field, before, after)))

    def _letter(self, letter_id: str, args: Sequence[str]) -> Steps[bool]:
        keys = (self.keys.letter(letter_id), self.keys.fixed("letters"))
        return (yield from self._done("people/forget_letter", keys, (letter_id, *args)))

    def _done(self, script: str, keys: Sequence[str], args: Sequence[str | bytes | int]) -> Steps[bool]:
        return text((yield RunScript(script, keys, args))) == "done"


def _pairs(fields: Mapping[str, str]) -> list[str]:
    return [part for pair in fields.items() for part in pair]
