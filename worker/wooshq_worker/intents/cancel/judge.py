"""What does an answer to a request to cancel mean, and what is recorded? Pure; the table says it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from wooshq.ledger.intents import CancelOutcome, TakenCancel
from wooshq_schemas import CancelAnswer, Cancelled, NotUnderstood, Refused, read_cancel_answer
from wooshq_worker.api.answer.body import NOT_JSON, glimpse, parsed
from wooshq_worker.api.answer.retry_after import not_before
from wooshq_worker.api.answer.words import beginning, sentences
from wooshq_worker.api.backoff import Backoff, wait_before
from wooshq_worker.api.outcome import Answer, Break, Outcome
from wooshq_worker.api.signs import HTTP_OF, Code
from wooshq_worker.intents.cancel.table import RANK, ROW_OF, Row, Seen, Then, row_of_status
from wooshq_worker.observe.scrub import scrub

_AFTER_SCHEDULE_MS: Final = 60_000
"""After its schedule, a message is asked about for this long: a clock may be wrong, and `processing` can still be cancelled."""
_WORDS: Final = 200


@dataclass(frozen=True, slots=True)
class Judged:
    """What one answer says about one request. not_before_s: seconds from now that the API asked to wait."""

    row: Row
    words: str = ""
    not_before_s: float | None = None

    @property
    def detail(self) -> str:
        return f"{self.row.why} ({self.words})" if self.words else self.row.why


def judge_cancel(outcome: Outcome, *, now: datetime, retry_after_ceiling_s: float, token: str) -> Judged:
    """Never raises, whatever the answer is. now: aware UTC. token: never quoted."""
    if isinstance(outcome, Break):
        return Judged(ROW_OF[outcome.kind])
    body = parsed(outcome.body)
    said = _read(body)
    is_2xx = 200 <= outcome.status <= 299
    if isinstance(said, Refused):
        wait_s = not_before(outcome.headers, said.retry_delay_s, now, retry_after_ceiling_s)
        return Judged(_row_of_envelope(outcome.status, said), _words(said.message, outcome, body, token), wait_s)
    if is_2xx:
        is_whole = isinstance(said, Cancelled) and outcome.cut is None
        return Judged(ROW_OF[Seen.OBJECT]) if is_whole else Judged(ROW_OF[Seen.NOT_UNDERSTOOD], _words("", outcome, body, token))
    words = _words(glimpse(outcome), outcome, body, token)
    return Judged(row_of_status(outcome.status), words, not_before(outcome.headers, None, now, retry_after_ceiling_s))


def _words(said: str, answer: Answer, body: object, token: str) -> str:
    """What the answer says, scrubbed: the words that were found, those in its JSON, or how its body begins."""
    words = said or " — ".join(sentences(body) if body is not NOT_JSON else []) or beginning(answer.body)
    return scrub(words, {token})[:_WORDS] if words else ""


def _read(body: object) -> CancelAnswer:
    try:
        return read_cancel_answer(body)
    except (ArithmeticError, TypeError, ValueError) as error:  # a number that Python cannot use
        return NotUnderstood(f"reading it failed with {type(error).__name__}")


def _row_of_envelope(status: int, said: Refused) -> Row:
    """The row of the gRPC code. If it does not belong to the HTTP status, the more careful of both rows."""
    by_status = row_of_status(status)
    if said.code is None or said.code not in set(Code):
        return by_status if not 200 <= status <= 299 else ROW_OF[Seen.NOT_UNDERSTOOD]
    code = Code(said.code)
    if code is Code.NOT_FOUND and said.message.strip().rstrip(".").casefold() == "not found":
        return ROW_OF[Seen.NO_ROUTE]  # grpc-gateway's own router says this; the API says which thing was not found
    by_code = ROW_OF[code]
    if HTTP_OF[code] == status or 200 <= status <= 299:
        return by_code
    return min(by_code, by_status, key=lambda row: RANK[row.then])


def outcome_of(judged: Judged, cancel: TakenCancel, *, now_ms: int, backoff: Backoff, jitter: float) -> CancelOutcome:
    """What is recorded. now_ms: since the epoch. jitter: uniform in [0, 1)."""
    then, detail = judged.row.then, judged.detail
    if then is Then.CANCELLED:
        return CancelOutcome("cancelled", detail)
    in_doubt = cancel.lost + (then is Then.AGAIN_IN_DOUBT)
    earlier = f"{detail}. An earlier request got no answer: it may have cancelled the message" if cancel.lost else detail
    if then is Then.REFUSED:
        return CancelOutcome("unknown" if cancel.lost else "refused", earlier)
    if now_ms > cancel.until_ms + _AFTER_SCHEDULE_MS:
        return CancelOutcome("unknown" if in_doubt else "refused", f"its schedule has passed; the last request: {earlier}")
    wait_s = max(wait_before(cancel.tries + 1, backoff, jitter=jitter), judged.not_before_s or 0.0)
    return CancelOutcome("again", detail, was_answered=then is Then.AGAIN, wait_ms=int(wait_s * 1000) + 1)
