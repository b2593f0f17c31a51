"""Dead letters in the ledger: what each script is given, and what its answer means."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from wooshq.ledger.keys import Keys
from wooshq.ledger.replies import ms, text, text_or_none
from wooshq.ledger.states import Reason
from wooshq.ledger.steps import Ask, RunScript, Steps
from wooshq.settings import Settings
from wooshq_schemas import MODEL_VERSION

ALL_COUNTED: Final = "all "
"""`counted` begins so when all letters are counted; see count.lua."""
_COUNTED_AGAIN_MS: Final = 3600 * 1000
"""While workers of the version before run beside new ones, letters are filed that are not counted."""


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

    def ignore(self, cause: str, until_ms: int | None, *, until: str, why: str, by: str) -> Steps[str]:
        """Ignore a cause until a time, or (None) not any more: 'ignored', 'open' or 'gone'. until: as the audit log shows it."""
        keys = (self.keys.cause(cause), self.keys.fixed("changes"))
        return text((yield RunScript("letters/ignore", keys, (cause, "" if until_ms is None else until_ms, until, why, by))))

    def count(self, limit: int) -> Steps[int]:
        """Count letters by cause that were filed and not counted. Returns how many were looked at; 0 if all are counted."""
        keys = (self.keys.fixed("letters"), self.keys.fixed("counted"))
        kept, time = yield Ask([("GET", keys[1]), ("TIME",)])
        at = text_or_none(kept) or ""
        if at.startswith(ALL_COUNTED) and ms(time) < int(at.removeprefix(ALL_COUNTED)) + _COUNTED_AGAIN_MS:
            return 0
        return int((yield RunScript("letters/count", keys, (at, limit))))

    def tidy(self, causes: Sequence[str], letters: int) -> Steps[int]:
        """Take letters out of these causes that are not open, and forget causes that are over. letters: of each cause. Returns how many."""
        return int((yield RunScript("letters/tidy", (self.keys.fixed("causes"),), (letters, *causes))))

    def trim(self, limit: int) -> Steps[int]:
        """Forget letters whose retention is over, at most `limit` of them. Returns how many were looked at."""
        letters = self.keys.fixed("letters")
        oldest = ms((yield Ask([("TIME",)]))[0]) - self._dead_ms
        ids = [text(i) for i in (yield Ask([("ZRANGEBYSCORE", letters, "-inf", oldest, "LIMIT", 0, limit)]))[0]]
        if ids:
            yield RunScript("letters/trim", (letters, *map(self.keys.letter, ids)), ids)
        return len(ids)
