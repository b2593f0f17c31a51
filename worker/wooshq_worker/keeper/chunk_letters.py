"""Dead letters of the recipients that a lost worker was sending to. Pure but for the clock."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

from wooshq.jobs.units import Unit
from wooshq.ledger.chunks import DeadRecipient
from wooshq.ledger.states import Reason
from wooshq_worker.jobs.failed_calls import FailedCalls
from wooshq_worker.jobs.job import JobInfo

_LETTERS: Final = 50
_BYTES: Final = 4_000_000
_CODE: Final = "WORKER_LOST"


def letters_of(
    job: JobInfo, units: Sequence[Unit], dead: Mapping[int, int], failed_calls: FailedCalls, *, poison_after: int
) -> Iterator[DeadRecipient]:
    """dead: place → workers that were lost while they sent to it. `poison_after` of them make a recipient poison."""
    now = datetime.now(UTC)
    at = now.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    recipients = ((unit, identifier) for unit in units for identifier in unit.identifiers)
    for place, (unit, identifier) in enumerate(recipients):
        if place not in dead:
            continue
        is_poison = dead[place] >= poison_after
        detail = (
            f"{dead[place]} workers were lost while they sent to this recipient"
            if is_poison
            else "the worker that sent it was lost before the answer came"
        )
        lost_call = {"at": at, "outcome": "unknown", "code": _CODE, "error": detail}
        yield job.dead_letter(
            unit,
            identifier,
            reason=Reason.POISON if is_poison else Reason.UNKNOWN,
            detail=detail,
            code=_CODE,
            payload=job.template.body(unit.to, [identifier], locale=unit.locale, placeholders=unit.placeholders, now=now),
            attempts=[*failed_calls.of_place(place), lost_call],
        )


def in_parts(letters: Iterable[DeadRecipient]) -> Iterator[list[DeadRecipient]]:
    """Letters in parts that one script may file: Redis serves no one else while it runs."""
    part: list[DeadRecipient] = []
    size = 0
    for letter in letters:
        part.append(letter)
        size += len(letter.body) + len(letter.payload)
        if len(part) >= _LETTERS or size >= _BYTES:
            yield part
            part, size = [], 0
    if part:
        yield part
