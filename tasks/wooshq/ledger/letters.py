"""Dead letters in the ledger: what each script is given, and what its answer means."""

from __future__ import annotations

from collections.abc import Sequence

from wooshq.ledger.keys import Keys
from wooshq.ledger.replies import ms, text
from wooshq.ledger.states import Reason
from wooshq.ledger.steps import Ask, RunScript, Steps
from wooshq.settings import Settings
from wooshq_schemas import MODEL_VERSION


class LetterLedger:
    """Every script that moves a letter on a caller's behalf. Makes steps; `run` and `arun` carry them out."""

    def __init__(self, settings: Settings) -> None:
        self.keys = Keys(settings.namespace)
        self._dead_ms = int(settings.dead_retention_s * 1000)

    def file(self, intent_id: str, body: str, reason: Reason, detail: str, *, lane: str, application: str = "") -> Steps[bool]:
        """Keep a message that is not a valid intent as a dead letter. False if an intent has this id."""
        k = self.keys
        answer = yield RunScript(
            "letters/file",
            (k.intent(intent_id), k.fixed("letters"), k.fixed("expiry"), k.fixed("counts")),
            (intent_id, body, str(reason), detail, lane, application, self._dead_ms, MODEL_VERSION),
        )
        return bool(answer)

    def edit(self, letter_id: str, body: str, *, seen: str, why: str = "", by: str = "") -> Steps[str]:
        """
        Set what a replay of an open letter sends. seen: the edit that `body` was made from, "" for the intent's own body.

        'edited', 'changed' (another edit came between), 'taken <state>' or 'gone'.
        """
        keys = (self.keys.letter(letter_id), self.keys.fixed("changes"))
        return text((yield RunScript("letters/edit", keys, (body, seen, MODEL_VERSION, letter_id, why, by))))

    def discard(self, letter_ids: Sequence[str], why: str, *, by: str = "", selection: str = "") -> Steps[list[str]]:
        """Say that open letters do not have to be sent: 'discarded', 'taken <state>' or 'gone' for each. selection: in words, for the audit log."""
        keys = (self.keys.fixed("changes"), *map(self.keys.letter, letter_ids))
        return [text(answer) for answer in (yield RunScript("letters/discard", keys, (why, by, selection)))]

    def trim(self, limit: int) -> Steps[int]:
        """Forget letters whose retention is over, at most `limit` of them. Returns how many were looked at."""
        letters = self.keys.fixed("letters")
        oldest = ms((yield Ask([("TIME",)]))[0]) - self._dead_ms
        ids = [text(i) for i in (yield Ask([("ZRANGEBYSCORE", letters, "-inf", oldest, "LIMIT", 0, limit)]))[0]]
        if ids:
            yield RunScript("letters/trim", (letters, *map(self.keys.letter, ids)), ids)
        return len(ids)
