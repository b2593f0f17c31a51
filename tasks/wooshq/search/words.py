"""The words of the search language, for whoever completes a query: each field with a sentence, and the values that it can have. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from wooshq.search.tree import Field
from wooshq.search.values import KNOWN

_SAYS: Final[Mapping[Field, str]] = {
    Field.STATE: "of a message, a letter or a job",
    Field.REASON: "why a letter is dead",
    Field.STATUS: "HTTP status of the last answer",
    Field.CODE: "the API's code of the last answer",
    Field.RECIPIENT: "an exact user, device or push token",
    Field.TAG: "a tag of the message: tag.NAME:VALUE",
    Field.TEXT: "occurs in what was sent or answered",
    Field.APP: "code of the application",
    Field.LANE: "transactional or bulk",
    Field.CAMPAIGN: "code of the campaign",
    Field.JOB: "id of the fan-out job",
    Field.KEY: "the idempotency key",
    Field.ID: "of a message, a letter or a job",
    Field.CAUSE: "id of the cause of a letter",
    Field.DETAIL: "the exact detail of a letter",
}
_TIMES: Final = {"since": "ended at this time or later: 2h, 1d, 2026-05-01", "until": "ended before this time: 2h, 1d, 2026-05-01"}
_AGES: Final = ("15m", "1h", "24h", "7d")


@dataclass(frozen=True, slots=True)
class Word:
    """A word that a query can begin with. begins: with its colon. values: those that are known; others may be allowed."""

    begins: str
    says: str
    values: tuple[str, ...] = ()


def words() -> tuple[Word, ...]:
    """Every field, those that are used most first."""
    fields = [
        Word("tag." if field is Field.TAG else f"{field}:", says, tuple(map(str, KNOWN.get(field, ())))) for field, says in _SAYS.items()
    ]
    times = [Word(f"{name}:", says, _AGES) for name, says in _TIMES.items()]
    return (*fields[:3], *times, *fields[3:])
