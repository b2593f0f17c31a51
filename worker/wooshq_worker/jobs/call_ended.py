"""What the result of a call means for its recipients: marks, doubts, dead letters, further calls. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, assert_never

from wooshq.ledger.chunks import STOP_UNPROVED, Doubt
from wooshq.ledger.states import Mark, Reason
from wooshq_worker.api.deliver import Delivery, Withheld
from wooshq_worker.api.verdict import Dead, Hold, Retry, Sent, Unknown
from wooshq_worker.jobs.blame import AllRecipients, NamedRecipients, PerhapsNamed, SomeRecipients, TheMessage, blame
from wooshq_worker.jobs.call_in_progress import CallInProgress
from wooshq_worker.jobs.chunk import ActiveChunk
from wooshq_worker.jobs.plan import Call, alone, divided, halves

PROBES: Final = STOP_UNPROVED
"""Single recipients that are tried first when the first call of a job is refused. If all are refused, it is not about recipients."""
_SCRUBBED_ONE_BY_ONE: Final = 20
"""Different texts of one refusal that are scrubbed; each is compared with every recipient of the call."""
#: Parts of the API's text that differ from answer to answer: numbers, request ids.
_OF_ONE_ANSWER: Final = re.compile(r"\b(?=[0-9a-fA-F-]*\d)[0-9a-fA-F-]{6,}\b|\d+")


def call_ended(done: CallInProgress, delivery: Delivery, *, at: float) -> None:
    """Add the result of a call to the next record of its chunk. at: monotonic."""
    chunk, verdict = done.chunk, delivery.verdict
    chunk.record.calls += len(delivery.attempts)
    match verdict:
        case Sent():
            _sent(done, verdict)
        case Withheld():
            call_withheld(chunk, done.call, verdict.why, called=bool(delivery.attempts))
        case Dead():
            _refused(done, verdict, delivery)
        case Hold():
            _call_again(done, done.call, verdict, delivery, at)
            chunk.hold(f"gate {verdict.gate}")
        case Retry():
            if verdict.application_waits:
                chunk.hold("gate not_before")
            _retry_or_give_up(done, done.call, verdict, delivery, at)
        case Unknown():
            _in_doubt(done, verdict, delivery, at)
        case _:
            assert_never(verdict)


def call_withheld(chunk: ActiveChunk, call: Call, why: str, *, called: bool = False) -> None:
    """The last request of a call was not written. called: an earlier one was, and the API did not accept it."""
    if why == "expired":
        chunk.mark(Mark.EXPIRED, call.places())
        return
    chunk.put_back(call, called=called)
    chunk.hold(why)


def _sent(done: CallInProgress, verdict: Sent) -> None:
    chunk, call = done.chunk, done.call
    chunk.record.accepted += 1
    chunk.record.streak = 0
    chunk.shared_calls_refused = 0
    chunk.proved = True
    if not verdict.unknown_identifiers:
        chunk.record.marks += [(Mark.SENT, first, last) for first, last in call.ranges]
        return
    unknown = set(verdict.unknown_identifiers)
    known_places: list[int] = []
    unknown_places: list[int] = []
    for place, identifier in zip(call.places(), done.identifiers, strict=True):
        (unknown_places if identifier in unknown else known_places).append(place)
        if identifier in unknown:
            chunk.record.unknown.append(identifier)
    chunk.mark(Mark.SENT, known_places)
    chunk.mark(Mark.UNKNOWN, unknown_places)


# In each of these, `call` is the call that ended, or a part of it.


def _call_again(done: CallInProgress, call: Call, verdict: Hold | Retry | Unknown, delivery: Delivery, at: float) -> None:
    """The recipients are called again in the next round of the chunk, and not before a Retry-After."""
    done.chunk.call_again(list(call.places()), at + verdict.not_before_s if verdict.not_before_s else None)
    done.chunk.failed_calls.add(call.ranges, delivery.attempts)


def _retry_or_give_up(done: CallInProgress, call: Call, verdict: Retry | Unknown, delivery: Delivery, at: float) -> None:
    if done.chunk.age_s(at) < done.chunk.job.max_age_s:
        _call_again(done, call, verdict, delivery, at)
        return
    done.chunk.record.dead_in_doubt += call.size if isinstance(verdict, Unknown) else 0
    _dead(done, call, Reason.EXHAUSTED, verdict.code, verdict.detail, delivery)


def _in_doubt(done: CallInProgress, verdict: Unknown, delivery: Delivery, at: float) -> None:
    """A recipient that was sent to again as often as it may be is dead. The others are called again."""
    chunk, call = done.chunk, done.call
    chunk.record.doubts.append(Doubt(verdict.doubt, list(done.identifiers)))
    over, again = divided(call, {place for place in call.places() if chunk.doubts.get(place, 0) >= chunk.job.unknown_resends})
    chunk.doubts.update({place: chunk.doubts.get(place, 0) + 1 for place in call.places()})
    if over is not None:
        chunk.record.dead_in_doubt += over.size
        _dead(done, over, Reason.UNKNOWN, verdict.code, verdict.detail, delivery)
    if again is not None:
        _retry_or_give_up(done, again, verdict, delivery, at)


def _dead(done: CallInProgress, call: Call, reason: Reason, code: str, detail: str, delivery: Delivery) -> None:
    """Mark the recipients as dead, with a letter for each."""
    chunk = done.chunk
    chunk.mark(Mark.DEAD, call.places())
    attempts = [attempt.as_dict() for attempt in delivery.attempts]
    for place, identifier in zip(call.places(), chunk.plan.identifiers(call), strict=True):
        chunk.record.letters.append(
            chunk.job.dead_letter(
                done.unit,
                identifier,
                reason=reason,
                detail=detail,
                code=code,
                payload=done.body_for([identifier]),
                attempts=[*chunk.failed_calls.of_place(place), *attempts],
                trace=chunk.span.trace if chunk.span is not None else "",
            )
        )


# Refusals


def _refused(done: CallInProgress, verdict: Dead, delivery: Delivery) -> None:
    chunk, call = done.chunk, done.call
    about = blame(verdict, done.identifiers, done.unit.to, personal=bool(done.unit.placeholders or done.unit.locale))
    if isinstance(about, TheMessage):
        chunk.put_back(call, called=True)
        chunk.record.stop = f"the API refuses the message itself, for every recipient: {verdict.detail}"
        chunk.held = "stop"  # whatever else holds it
        return
    if call.size == 1 or isinstance(about, AllRecipients):
        detail = verdict.detail
        if call.size == 1:
            _count_refusal(chunk, verdict)
            detail = done.scrub(about.said[0]) if isinstance(about, NamedRecipients) else detail
        _dead(done, call, Reason(verdict.reason), verdict.code, detail, delivery)
        return
    chunk.shared_calls_refused += 1
    if isinstance(about, NamedRecipients):
        _named(done, verdict, delivery, about)
        return
    chunk.failed_calls.add(call.ranges, delivery.attempts)
    chunk.mark(Mark.AGAIN, call.places())
    match about:
        case PerhapsNamed(indexes):
            places = list(call.places())
            _try_alone(chunk, call, [places[at] for at in indexes])
        case SomeRecipients() if chunk.proved or call.size <= PROBES:
            chunk.plan.put_first(halves(call))
        case SomeRecipients():
            places = list(call.places())
            _try_alone(chunk, call, sorted({places[at * (call.size - 1) // (PROBES - 1)] for at in range(PROBES)}))
        case _:
            assert_never(about)


def _named(done: CallInProgress, verdict: Dead, delivery: Delivery, about: NamedRecipients) -> None:
    """The API says which recipients it refuses: they are dead without a further call, and the others are called again."""
    chunk, places = done.chunk, list(done.call.places())
    named, rest = alone(done.call, [places[at] for at in about.indexes])
    scrubbed = {text: done.scrub(text) for text in list(dict.fromkeys(about.said))[:_SCRUBBED_ONE_BY_ONE]}
    for one, text in zip(named, about.said, strict=True):
        _dead(done, one, Reason(verdict.reason), verdict.code, scrubbed.get(text, verdict.detail), delivery)
    if rest is not None:
        chunk.failed_calls.add(rest.ranges, delivery.attempts)
        chunk.mark(Mark.AGAIN, rest.places())
        chunk.plan.put_first([rest])


def _try_alone(chunk: ActiveChunk, call: Call, places: Sequence[int]) -> None:
    """Call each of these recipients alone, then all others of the call together."""
    singles, rest = alone(call, places)
    chunk.plan.put_first([*singles, *([rest] if rest is not None else [])])


def _count_refusal(chunk: ActiveChunk, verdict: Dead) -> None:
    """Count refusals in a row with the same text: the ledger stops a job that has too many."""
    record = chunk.record
    text = f"{verdict.code}: {_OF_ONE_ANSWER.sub('#', verdict.detail)}"[:200]
    record.streak = record.streak + 1 if text == record.streak_of else 1
    record.streak_of = text
