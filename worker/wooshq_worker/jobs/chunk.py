"""One chunk in this worker: what its calls brought, as marks, doubts and dead letters for the next record. No I/O."""

from __future__ import annotations

import asyncio
import json
import re
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, assert_never

from wooshq.jobs.units import unpack
from wooshq.ledger.chunks import STOP_UNPROVED, ChunkRecord, DeadRecipient, Doubt, TakenChunk
from wooshq.ledger.lost_workers import ranges_of
from wooshq.ledger.states import Mark, Reason
from wooshq_schemas import Template
from wooshq_worker.api.attempt import AttemptRecord
from wooshq_worker.api.deliver import Delivery, Withheld
from wooshq_worker.api.verdict import Dead, Hold, Retry, Sent, Unknown
from wooshq_worker.jobs.blame import EveryoneOfThem, PerhapsThese, Somebody, TheseRecipients, WhatItSays, blame
from wooshq_worker.jobs.plan import Call, Plan, alone, halves

PROBES: Final = STOP_UNPROVED
"""Single recipients that are tried first when the first call of a job is refused: were it about them, it would not be about all of these."""
_LOG_ENTRIES: Final = 50
#: Parts of the API's words that differ from answer to answer: numbers, ids of requests.
_OF_ONE_ANSWER: Final = re.compile(r"\b(?=[0-9a-fA-F-]*\d)[0-9a-fA-F-]{6,}\b|\d+")
_DOUBTFUL_AFTER: Final = 2
_SAID_APART: Final = 20
"""Different refusals of one call that are scrubbed one by one, against each of its recipients."""
_LETTERS: Final = 50
"""Dead letters in one record: a script holds up everybody who asks Redis for as long as it runs."""


@dataclass(frozen=True, slots=True)
class JobInfo:
    """What a worker must know of a job. expires_at, too_old_at: monotonic. in_steps: it is rolled out in steps."""

    id: str
    template: Template
    application: str
    on_unknown: str
    rate: float | None
    expires_at: float | None
    too_old_at: float
    in_steps: bool = False


class ActiveChunk:
    """A chunk that this worker holds. lease_until: monotonic; after it nothing may be written any more."""

    def __init__(self, taken: TakenChunk, job: JobInfo, *, asked_at: float, lease_s: float, suspects: Mapping[int, int]):
        self.name = taken.name
        self.token = taken.token
        self.job = job
        self.plan = Plan(unpack(taken.data), taken.marks, suspects, in_steps=job.in_steps)
        self.rounds = taken.rounds
        self.lease_until = asked_at + lease_s
        self.in_flight = 0
        self.proved = taken.proved
        self.lost = False
        self.held = ""  #: why no further call leaves: the chunk goes back when those under way have ended
        self.failed: set[int] = set()
        """Recipients to whom a call of this worker's did not get; the next round is for them."""
        self.news = asyncio.Event()
        self._utc = datetime.fromtimestamp(taken.now_ms / 1000, UTC) - timedelta(seconds=asked_at)
        self._record = ChunkRecord()
        self._shared_refused = 0  # calls of several, since the last that was accepted
        self._log: list[dict[str, Any]] = json.loads(taken.log) if taken.log else []
        self._now_log: dict[tuple[Any, ...], dict[str, Any]] = {}

    def now(self, monotonic: float) -> datetime:
        """The ledger's clock."""
        return self._utc + timedelta(seconds=monotonic)

    @property
    def is_doubtful(self) -> bool:
        """
        Whether shared calls were refused and none was accepted since: then one call is made at a time.

        Where the message itself is refused, halving all of them at once would cost hundreds of calls before it is known.
        """
        return self._shared_refused >= _DOUBTFUL_AFTER

    # What became of calls

    def landed(self, call: Call, delivery: Delivery, body: Callable[[Sequence[str]], bytes], hide: Callable[[str], str]) -> None:
        """A call has ended. body: the request for some of its recipients, for their dead letters. hide: scrubs what the API said."""
        self.in_flight -= 1
        self._record.calls += len(delivery.attempts)
        verdict = delivery.verdict
        match verdict:
            case Sent():
                self._sent(call, verdict)
            case Withheld():
                self._withheld(call, verdict, made_calls=bool(delivery.attempts))
            case Dead():
                self._refused(call, verdict, delivery, body, hide)
            case Hold():
                self._not_reached(call, delivery)
                self.held = self.held or f"gate {verdict.gate}"
            case Retry():
                if verdict.application_waits:
                    self.held = self.held or "gate not_before"
                self._not_reached(call, delivery)
                self._give_up_if_too_old(call, verdict, delivery, body)
            case Unknown():
                self._in_doubt(call, verdict, delivery, body)
            case _:
                assert_never(verdict)
        self.news.set()

    def _sent(self, call: Call, verdict: Sent) -> None:
        self._record.accepted += 1
        self._record.streak = 0
        self._shared_refused = 0
        self.proved = True
        if not verdict.unknown_identifiers:
            self._record.marks += [(Mark.SENT, first, last) for first, last in call.runs]
            return
        unknown = set(verdict.unknown_identifiers)
        known_places: list[int] = []
        unknown_places: list[int] = []
        for place, identifier in zip(call.places(), self.plan.identifiers(call), strict=True):
            (unknown_places if identifier in unknown else known_places).append(place)
            if identifier in unknown:
                self._record.unknown.append(identifier)
        self._mark(Mark.SENT, known_places)
        self._mark(Mark.UNKNOWN, unknown_places)

    def _withheld(self, call: Call, verdict: Withheld, *, made_calls: bool) -> None:
        if verdict.why == "expired":
            self._mark(Mark.EXPIRED, call.places())
            return
        self.put_back(call, called=made_calls)
        self.held = self.held or verdict.why

    def put_back(self, call: Call, *, called: bool = False) -> None:
        """Nobody of a call was reached; called: at least one request was written for them, which is known not to have been accepted."""
        again = [place for place in call.places() if called or place in self.plan.was_again or place in self.failed]
        fresh = [place for place in call.places() if not (called or place in self.plan.was_again or place in self.failed)]
        self._mark(Mark.AGAIN, again)
        self._mark(Mark.WAITING, fresh)

    def _not_reached(self, call: Call, delivery: Delivery) -> None:
        self._mark(Mark.AGAIN, call.places())
        self.failed.update(call.places())
        self._remember(call, delivery)

    def _give_up_if_too_old(self, call: Call, verdict: Retry | Unknown, delivery: Delivery, body: Callable[[Sequence[str]], bytes]) -> None:
        if asyncio.get_running_loop().time() >= self.job.too_old_at:
            self._unmark(call)
            self._record.dead_in_doubt += call.size if isinstance(verdict, Unknown) else 0
            self._bury(call, Reason.EXHAUSTED, verdict.code, verdict.detail, delivery, body)

    def _in_doubt(self, call: Call, verdict: Unknown, delivery: Delivery, body: Callable[[Sequence[str]], bytes]) -> None:
        self._record.doubts.append(Doubt(verdict.doubt, list(self.plan.identifiers(call))))
        if self.job.on_unknown == "dead_letter":
            self._record.dead_in_doubt += call.size
            self._bury(call, Reason.UNKNOWN, verdict.code, verdict.detail, delivery, body)
            return
        self._not_reached(call, delivery)
        self._give_up_if_too_old(call, verdict, delivery, body)

    # Refusals

    def _refused(
        self, call: Call, verdict: Dead, delivery: Delivery, body: Callable[[Sequence[str]], bytes], hide: Callable[[str], str]
    ) -> None:
        unit = self.plan.unit(call)
        identifiers = self.plan.identifiers(call)
        whom = blame(verdict, identifiers, unit.to, personal=bool(unit.placeholders or unit.locale))
        if isinstance(whom, WhatItSays):
            self.put_back(call, called=True)
            self._record.stop = f"the API refuses what the job says, whoever it is sent to: {verdict.detail}"
            self.held = "stop"
            return
        if call.size == 1 or isinstance(whom, EveryoneOfThem):
            detail = verdict.detail
            if call.size == 1:
                self._count_refusal(verdict)
                detail = hide(whom.said[0]) if isinstance(whom, TheseRecipients) else detail
            self._bury(call, Reason(verdict.reason), verdict.code, detail, delivery, body)
            return
        self._shared_refused += 1
        self._remember(call, delivery)
        self._mark(Mark.AGAIN, call.places())
        places = list(call.places())
        match whom:
            case TheseRecipients(indexes, said):
                # The API's word is enough: they are not tried again.
                named, rest = alone(call, [places[at] for at in indexes])
                self._unmark(call)
                hidden = {what: hide(what) for what in list(dict.fromkeys(said))[:_SAID_APART]}
                for one, what in zip(named, said, strict=True):
                    self._bury(one, Reason(verdict.reason), verdict.code, hidden.get(what, verdict.detail), delivery, body)
                if rest is not None:
                    self._mark(Mark.AGAIN, rest.places())
                    self.plan.first([rest])
            case PerhapsThese(indexes):
                perhaps, rest = alone(call, [places[at] for at in indexes])
                self.plan.first([*perhaps, *([rest] if rest is not None else [])])
            case Somebody() if self.proved or call.size <= PROBES:
                self.plan.first(halves(call))
            case Somebody():
                spread = sorted({places[at * (call.size - 1) // (PROBES - 1)] for at in range(PROBES)})
                probes, rest = alone(call, spread)
                self.plan.first([*probes, *([rest] if rest is not None else [])])
            case _:
                assert_never(whom)

    def _count_refusal(self, verdict: Dead) -> None:
        words = f"{verdict.code}: {_OF_ONE_ANSWER.sub('#', verdict.detail)}"[:200]
        self._record.streak = self._record.streak + 1 if words == self._record.streak_of else 1
        self._record.streak_of = words

    def _bury(self, call: Call, reason: Reason, code: str, detail: str, delivery: Delivery, body: Callable[[Sequence[str]], bytes]) -> None:
        unit = self.plan.unit(call)
        self._mark(Mark.DEAD, call.places())
        attempts = [attempt.as_dict() for attempt in delivery.attempts]
        for place, identifier in zip(call.places(), self.plan.identifiers(call), strict=True):
            self._record.letters.append(
                dead_recipient(
                    self.job,
                    unit.to,
                    identifier,
                    unit.locale,
                    unit.placeholders,
                    reason=reason,
                    detail=detail,
                    code=code,
                    payload=body([identifier]).decode(),
                    attempts=[*self.history(place), *attempts],
                )
            )

    # What is written down

    def _mark(self, mark: Mark, places: Iterable[int]) -> None:
        self._record.marks += [(mark, first, last) for first, last in ranges_of(list(places))]

    def _unmark(self, call: Call) -> None:
        """Take back what was just marked for a call: something else became of it."""
        runs = set(call.runs)
        self._record.marks = [(mark, a, b) for mark, a, b in self._record.marks if not (mark == Mark.AGAIN and (a, b) in runs)]
        self.failed.difference_update(call.places())

    def end_all(self, mark: Mark) -> None:
        """Everybody who is not being sent to ends: the job has expired, or was cancelled."""
        for call in self.plan.drop():
            self._mark(mark, call.places())
        self._mark(mark, sorted(self.failed))
        self.failed.clear()

    def take_record(self) -> list[ChunkRecord]:
        """What there is to write down, in records of bounded size; empty where there is nothing."""
        whole, self._record = self._record, ChunkRecord()
        if not whole:
            return []
        if len(whole.letters) <= _LETTERS:
            return [whole]
        parts = [ChunkRecord(letters=whole.letters[at : at + _LETTERS]) for at in range(0, len(whole.letters), _LETTERS)]
        whole.letters = []
        # The letters first: who is marked dead has one.
        return [*parts, whole]

    @property
    def has_record(self) -> int:
        """How many outcomes wait to be written down."""
        return len(self._record.marks) + len(self._record.letters)

    def log(self) -> str:
        """Of the calls that failed, for the worker that takes the chunk next."""
        entries = [*self._log, *self._now_log.values()][-_LOG_ENTRIES:]
        return json.dumps(entries, ensure_ascii=False, separators=(",", ":")) if entries else ""

    def history(self, place: int) -> list[Mapping[str, Any]]:
        """The failed calls that a recipient was in, the first one first."""
        return [
            {name: value for name, value in entry.items() if name != "runs"}
            for entry in (*self._log, *self._now_log.values())
            if any(first <= place <= last for first, last in entry["runs"])
        ]

    def _remember(self, call: Call, delivery: Delivery) -> None:
        for attempt in delivery.attempts:
            said: AttemptRecord = attempt.as_dict()
            key = (said["outcome"], said["http_status"], said["code"], said["error"])
            entry = self._now_log.setdefault(key, {**said, "runs": []})
            entry["runs"] += [list(run) for run in call.runs]


def dead_recipient(
    job: JobInfo,
    to: str,
    identifier: str,
    locale: str | None,
    placeholders: tuple[tuple[str, str], ...],
    *,
    reason: Reason,
    detail: str,
    code: str,
    payload: str,
    attempts: Sequence[Mapping[str, Any]],
) -> DeadRecipient:
    """What is filed for a recipient of a job; its id follows from them, so that filing it twice files it once."""
    return DeadRecipient(
        intent_id=str(uuid.uuid5(uuid.UUID(job.id), f"{to}\0{identifier}")),
        body=job.template.intent(to, identifier, locale=locale, placeholders=placeholders).to_json(),
        application=job.application,
        reason=str(reason),
        detail=detail,
        code=code,
        payload=payload,
        attempts=attempts,
    )
