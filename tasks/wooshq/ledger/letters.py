"""Dead letters in the ledger: what each script is given, and what its answer means."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from wooshq.ledger.entry import Entry
from wooshq.ledger.keys import Keys
from wooshq.ledger.replies import ms, text
from wooshq.ledger.states import Reason
from wooshq.ledger.steps import Ask, RunScript, Steps
from wooshq.settings import Settings
from wooshq_schemas import MODEL_VERSION


@dataclass(frozen=True, slots=True)
class Replay:
    """
    A letter that becomes the intent `new`. dead_id: the intent that died last. edited: the edit that `new` was made from, "" if it was made
    from the intent's own body. wait_ms: how long `new` waits before it may be sent.
    """

    letter_id: str
    dead_id: str
    new: Entry
    edited: str = ""
    wait_ms: int = 0


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

    def edit(self, letter_id: str, body: str, *, seen: str) -> Steps[str]:
        """
        Set what a replay of an open letter sends. seen: the edit that `body` was made from, "" for the intent's own body.

        'edited', 'changed' (another edit came between), 'taken <state>' or 'gone'.
        """
        return text((yield RunScript("letters/edit", (self.keys.letter(letter_id),), (body, seen, MODEL_VERSION))))

    def discard(self, letter_id: str, why: str) -> Steps[str]:
        """Say that an open letter does not have to be sent: 'discarded', 'taken <state>' or 'gone'."""
        return text((yield RunScript("letters/discard", (self.keys.letter(letter_id),), (why,))))

    def replay(self, wanted: Sequence[Replay]) -> Steps[list[str]]:
        """Turn letters into new intents, each at most once; one round trip. 'replayed', 'changed', 'taken <state>' or 'gone', in order."""
        k = self.keys
        keys: list[str] = [k.fixed("due"), k.fixed("expiry"), k.fixed("counts")]
        args: list[str | int] = [MODEL_VERSION]
        for one in wanted:
            new = one.new
            keys += (k.letter(one.letter_id), k.intent(new.intent_id), k.intent(one.dead_id))
            expires = "" if new.expires_at_ms is None else new.expires_at_ms
            ttl = "" if new.ttl_ms is None else new.ttl_ms
            seen = hashlib.sha1(one.edited.encode(), usedforsecurity=False).hexdigest() if one.edited else ""
            lines = (one.letter_id, new.intent_id, one.dead_id, new.lane, new.application, expires, ttl, one.wait_ms, seen, new.body)
            args.append("\n".join(map(str, lines)))
        return [text(answer) for answer in (yield RunScript("letters/replay", keys, args))]

    def trim(self, limit: int) -> Steps[int]:
        """Forget letters whose retention is over, at most `limit` of them. Returns how many were looked at."""
        letters = self.keys.fixed("letters")
        oldest = ms((yield Ask([("TIME",)]))[0]) - self._dead_ms
        ids = [text(i) for i in (yield Ask([("ZRANGEBYSCORE", letters, "-inf", oldest, "LIMIT", 0, limit)]))[0]]
        if ids:
            yield RunScript("letters/trim", (letters, *map(self.keys.letter, ids)), ids)
        return len(ids)
