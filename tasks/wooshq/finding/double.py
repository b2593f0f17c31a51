"""One case in which a person may have got a message twice."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from wooshq.ledger.replies import Result


@dataclass(frozen=True)
class Double(Result):
    """
    One case. kind: `intent`, or `job` for a call of a fan-out job. at: when it was in doubt last, or when it ended if the ledger has left it to
    the history. cause: why, one line each. recipients: their identifiers; of a job, those of the call that may have got it twice. It is empty
    if they are not kept any more; then `people` says how many there are. attempts: of the intent, of what it is a replay of, and of its replays,
    in their order; [] for a job. reached: calls that reached the recipients or may have, if that is known.
    """

    kind: str
    id: str
    at: str | None
    cause: str
    state: str | None
    application: str | None
    recipients: tuple[str, ...]
    people: int
    reached: int | None
    attempts: list[dict[str, Any]]
    kept_in: str
