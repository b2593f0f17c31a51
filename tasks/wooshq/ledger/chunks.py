"""Chunks in the ledger: what each script is given, and what its answer means."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from wooshq.ledger.gates import SLOTS_AHEAD_MS, GateLedger
from wooshq.ledger.keys import Keys
from wooshq.ledger.lost_workers import PlaceRange, ranges_of
from wooshq.ledger.lost_workers import written as losses_as_text
from wooshq.ledger.replies import text as _text
from wooshq.ledger.steps import RunScript, Steps, Together, as_json
from wooshq.settings import Settings
from wooshq_schemas import MODEL_VERSION

STOP_UNPROVED: Final = 5
"""A job of which the API has accepted no call stops after so many recipients were refused in a row with the same words."""


@dataclass(frozen=True, slots=True)
class Fed:
    """The outcome of feeding a chunk: `fed`, `same`, `differs`, `gap`, `full`, `cancelled` or `gone`; see feed.lua."""

    outcome: str
    open_chunks: int


@dataclass(frozen=True, slots=True)
class ChunkName:
    """A chunk of a job."""

    job_id: str
    number: int

    def __str__(self) -> str:
        return f"{self.job_id} {self.number}"

    @classmethod
    def of(cls, member: Any) -> ChunkName:
        """From a member of `chunk_leases` or `chunk_due`."""
        job_id, _, number = _text(member).partition(" ")
        return cls(job_id, int(number))


@dataclass(frozen=True, slots=True)
class TakenChunk:
    """A chunk that this worker, and no other, may send until the lease ends. log: the calls that failed before, as JSON."""

    name: ChunkName
    token: str
    now_ms: int
    data: bytes
    marks: str
    losses: str  #: see `wooshq.ledger.lost_workers`
    rounds: int
    log: str
    proved: bool
    doubted: str = ""  #: calls without an answer, by place, in the form of `losses`
    later: str = ""  #: recipients that must wait for a Retry-After, see `Later`
    age_ms: int = 0  #: how long its recipients are retried already, without the time in the queue


@dataclass(frozen=True, slots=True)
class Later:
    """Recipients of a chunk that may not be sent to before a moment, because the API said so. until_ms: of the ledger's clock."""

    until_ms: int
    ranges: Sequence[PlaceRange]

    def __str__(self) -> str:
        return f"{self.until_ms} {','.join([f'{first}-{last}' for first, last in self.ranges])}"

    @classmethod
    def of(cls, text: str) -> Later | None:
        """From the field of a chunk's row; None for ''."""
        until, _, ranges = text.partition(" ")
        pairs = (part.partition("-") for part in ranges.split(",") if part)
        return cls(int(until), [(int(first), int(last)) for first, _, last in pairs]) if until else None


@dataclass(frozen=True, slots=True)
class Begun:
    """
    What may leave now. outcome: `go`, or why nothing may leave: `held`, `wait`, `step`, `expired`, `lost`, or the state of a job that does
    not run.

    calls: how many of the calls may leave. last: how many recipients of the last of them. start_ms: until the first call leaves. gap_ms:
    between two calls. wait_ms: until the next question. proved: the API has accepted a call of this job. probe: the answers may open a gate.
    """

    outcome: str
    calls: int = 0
    last: int = 0
    start_ms: float = 0
    gap_ms: float = 0
    wait_ms: int = 0
    gate: str = ""
    proved: bool = False
    probe: bool = False


@dataclass(frozen=True, slots=True)
class Doubt:
    """Recipients in doubt: why, and their identifiers."""

    cause: str
    identifiers: Sequence[str]

    def as_dict(self) -> dict[str, Any]:
        return {"cause": self.cause, "n": len(self.identifiers), "who": json.dumps(list(self.identifiers), ensure_ascii=False)}


@dataclass(frozen=True, slots=True)
class DeadRecipient:
    """The dead letter of a recipient that will not be reached. attempts: as `status` shows them."""

    intent_id: str
    body: str
    application: str
    reason: str
    detail: str
    code: str
    payload: str
    attempts: Sequence[Mapping[str, Any]] = ()
    locale: str | None = None
    trace: str = ""
    """The context of its last call, see `wooshq.tracing`; '' for none."""

    def as_dict(self) -> dict[str, Any]:
        more = {"locale": self.locale, "traced": self.trace or None}
        return {
            **{name: value for name, value in more.items() if value is not None},
            "id": self.intent_id,
            "body": self.body,
            "app": self.application,
            "reason": self.reason,
            "detail": self.detail,
            "code": self.code,
            "payload": self.payload,
            "attempts": [as_json(attempt) for attempt in self.attempts],
        }


@dataclass(slots=True)
class ChunkRecord:
    """
    The outcomes of calls since the last record. marks: (mark, first, last) of recipients, 0-based, both included.

    calls: how many were made. accepted: how many of them were accepted. streak: recipients refused since the last accepted call; streak_of:
    the words of the refusal. dead_in_doubt: recipients that are dead and in doubt. stop: why the job must stop. end: the worker releases the
    chunk, `back` into the queue, or `due` in wait_ms. doubted: calls without an answer, by place, as the chunk's row keeps it.
    behind: all recipients that are left are in doubt. later: recipients that must wait for a Retry-After. age_ms: how long its recipients are
    retried already. waits: of `due`: nothing failed, the chunk waits for a Retry-After.
    """

    marks: list[tuple[str, int, int]] = field(default_factory=list)
    calls: int = 0
    accepted: int = 0
    streak: int = 0
    streak_of: str = ""
    stop: str | None = None
    doubts: list[Doubt] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    letters: list[DeadRecipient] = field(default_factory=list)
    dead_in_doubt: int = 0
    end: Literal["back", "due"] | None = None
    wait_ms: int = 0
    log: str = ""
    doubted: str = ""
    behind: bool = False
    later: Later | None = None
    age_ms: int = 0
    waits: bool = False

    def __bool__(self) -> bool:
        return bool(self.marks or self.calls or self.stop or self.doubts or self.unknown or self.letters or self.end)


@dataclass(frozen=True, slots=True)
class Chunk:
    """A chunk to feed. number: its place in the job. calls: how many calls it needs. digest: of its recipients, for a resume to compare."""

    number: int
    size: int
    calls: int
    digest: str
    data: bytes


class ChunkLedger:
    """Every script that moves a chunk, with the settings that bound it. Makes steps; `run` and `arun` carry them out."""

    def __init__(self, settings: Settings) -> None:
        self.keys = Keys(settings.namespace)
        self._s = settings
        self._gates = GateLedger(settings)
        self._retention_ms = int(settings.retention_s * 1000)
        self._dead_ms = int(settings.dead_retention_s * 1000)

    def feed(self, job_id: str, chunk: Chunk) -> Steps[Fed]:
        """Add a chunk to a job; one round trip."""
        k = self.keys
        keys = (k.job(job_id), k.chunk(job_id, chunk.number), k.marks(job_id, chunk.number), k.job_part(job_id, "queued"), k.fixed("turns"))
        args = (job_id, chunk.number, chunk.size, chunk.calls, chunk.digest, chunk.data)
        outcome, open_chunks = yield RunScript("chunks/feed", keys, args)
        return Fed(_text(outcome), int(open_chunks))

    def take(self, name: ChunkName, token: str) -> Steps[TakenChunk | str]:
        """Take a chunk for `lease_s`, or say why it cannot be taken: `state`, `taken` or `unproved`; see take.lua."""
        k = self.keys
        keys = (
            k.job(name.job_id),
            k.job_part(name.job_id, "queued"),
            k.fixed("turns"),
            k.fixed("chunk_leases"),
            k.chunk(name.job_id, name.number),
            k.marks(name.job_id, name.number),
        )
        answer = yield RunScript("chunks/take", keys, (name.job_id, name.number, token, int(self._s.lease_s * 1000)))
        if not isinstance(answer, list):
            return _text(answer)
        now, data, marks, losses, rounds, log, proved, doubted, later, age_ms = answer
        return TakenChunk(
            name,
            token,
            int(now),
            data,
            _text(marks),
            _text(losses),
            int(rounds),
            _text(log),
            _text(proved) != "0",
            _text(doubted),
            _text(later),
            int(age_ms),
        )

    def record_and_begin(
        self,
        name: ChunkName,
        token: str,
        application: str,
        *,
        record: ChunkRecord | None,
        recorded_no: int,
        calls: Sequence[str],
        begin_no: int,
    ) -> Steps[tuple[bool, str, Begun | None]]:
        """
        Record the outcomes of calls, and ask whether more calls may leave; one round trip.

        calls: the recipients of each, as 'a-b,a-b'; if empty, nothing is asked. Returns (False if another worker has the chunk by now, the
        chunk's state, what may leave).
        """
        runs = []
        if record is not None:
            runs.append(self._record(name, token, record, recorded_no))
        if calls:
            runs.append(self._begin(name, token, application, calls, begin_no, after=recorded_no))
        answers = yield Together(runs)
        if calls and answers[-1][0] == b"early":
            answers[-1] = yield runs[-1]
        at, ours = "sending", True
        if record is not None:
            outcome, at = map(_text, answers[0])
            ours = outcome == "recorded"
        return ours, at, _begun(answers[-1]) if calls else None

    def _begin(self, name: ChunkName, token: str, application: str, calls: Sequence[str], number: int, *, after: int) -> RunScript:
        k = self.keys
        keys = (
            k.chunk(name.job_id, name.number),
            k.marks(name.job_id, name.number),
            k.job(name.job_id),
            k.fixed("chunk_leases"),
            k.fixed("gates"),
            k.pace(application),
            k.fixed("limits"),
        )
        args = (
            token,
            number,
            after,
            str(name),
            int(self._s.lease_s * 1000),
            application,
            self._s.probes,
            self._gates.probe_ms,
            self._s.transactional_share,
            SLOTS_AHEAD_MS,
            self._gates.ceiling(application),
            *calls,
        )
        return RunScript("chunks/begin", keys, args)

    def _record(self, name: ChunkName, token: str, record: ChunkRecord, number: int) -> RunScript:
        k, job = self.keys, name.job_id
        keys = (
            k.chunk(job, name.number),
            k.marks(job, name.number),
            k.job(job),
            k.fixed("chunk_leases"),
            k.fixed("chunk_due"),
            k.job_part(job, "queued"),
            k.fixed("turns"),
            k.fixed("letters"),
            k.fixed("expiry"),
            k.fixed("counts"),
            k.job_part(job, "doubts"),
            k.job_part(job, "unknown"),
            k.job_part(job, "room"),
            k.fixed("doubts"),
            *(k.intent(letter.intent_id) for letter in record.letters),
        )
        said: dict[str, Any] = {
            "job": job,
            "chunk": name.number,
            "token": token,
            "no": number,
            "lease_ms": int(self._s.lease_s * 1000),
            "keep_ms": self._retention_ms,
            "dead_ms": self._dead_ms,
            "v": MODEL_VERSION,
            "marks": " ".join([f"{mark}{first}-{last}" for mark, first, last in record.marks]),
            "calls": record.calls,
            "accepted": record.accepted,
            "streak": record.streak,
            "streak_of": record.streak_of,
            "stop_after": self._s.bulk_stop_after,
            "stop_unproved": STOP_UNPROVED,
            "doubts": [doubt.as_dict() for doubt in record.doubts],
            "unknown": record.unknown,
            "dead_in_doubt": record.dead_in_doubt,
            "letters": [letter.as_dict() for letter in record.letters],
        }
        if record.stop is not None:
            said["stop"] = record.stop
        if record.doubted:
            said["doubted"] = record.doubted
        if record.end is not None:
            said |= {"end": record.end, "wait_ms": record.wait_ms, "log": record.log}
            said |= {"age_ms": record.age_ms, "later": str(record.later or "")}
            said |= {name: True for name, is_so in (("behind", record.behind), ("waits", record.waits)) if is_so}
        return RunScript("chunks/record", keys, (as_json(said),))

    def revoke(self, name: ChunkName, token: str, seen: str, mine: str) -> Steps[bool]:
        """
        Take a lease that has ended for the keeper, before it files letters. seen: the marks as they were read. mine: the keeper's token.

        False if the lease was renewed, or the marks have changed.
        """
        k = self.keys
        keys = (k.chunk(name.job_id, name.number), k.marks(name.job_id, name.number), k.fixed("chunk_leases"))
        args = (str(name), token, seen, mine, int(self._s.lease_s * 1000))
        return _text((yield RunScript("chunks/revoke", keys, args))) == "revoked"

    def file_letters(self, name: ChunkName, token: str, letters: Sequence[DeadRecipient]) -> Steps[bool]:
        """File some letters of a chunk whose lease was revoked. The caller bounds how many. False if another worker has the chunk by now."""
        k = self.keys
        fixed = (k.fixed("letters"), k.fixed("expiry"), k.fixed("counts"))
        keys = (k.chunk(name.job_id, name.number), *fixed, *(k.intent(letter.intent_id) for letter in letters))
        said = {
            "job": name.job_id,
            "token": token,
            "dead_ms": self._dead_ms,
            "v": MODEL_VERSION,
            "letters": [letter.as_dict() for letter in letters],
        }
        return _text((yield RunScript("chunks/file_letters", keys, (as_json(said),)))) == "filed"

    def take_over(
        self,
        name: ChunkName,
        token: str,
        seen: str,
        *,
        cause: str,
        in_doubt: Sequence[str],
        losses: Mapping[int, int],
        dead: Sequence[int] = (),
    ) -> Steps[str]:
        """
        End a lease whose time is over: 'moved', 'held' or 'done'; see take_over.lua.

        seen: the marks as they were read. in_doubt: identifiers of the recipients that `seen` shows as being sent to. losses: as they are now.
        dead: places that will not be sent to again; if there are any, the lease was revoked, `token` is the keeper's, and their letters are
        filed.
        """
        k, job = self.keys, name.job_id
        keys = (
            k.chunk(job, name.number),
            k.marks(job, name.number),
            k.job(job),
            k.fixed("chunk_leases"),
            k.job_part(job, "queued"),
            k.fixed("turns"),
            k.fixed("counts"),
            k.job_part(job, "doubts"),
            k.job_part(job, "unknown"),
            k.job_part(job, "room"),
            k.fixed("doubts"),
        )
        said = {
            "job": job,
            "chunk": name.number,
            "token": token,
            "revoked": bool(dead),
            "seen": seen,
            "losses": losses_as_text(losses),
            "dead": " ".join([f"{first}-{last}" for first, last in ranges_of(dead)]),
            "dead_n": len(dead),
            "keep_ms": self._retention_ms,
            "dead_ms": self._dead_ms,
            **Doubt(cause, in_doubt).as_dict(),
        }
        return _text((yield RunScript("chunks/take_over", keys, (as_json(said),))))

    def set_aside(self, member: str, for_s: float) -> Steps[bool]:
        """Leave a chunk that cannot be read until later. member: of `chunk_leases`. False if the lease is gone."""
        keys = (self.keys.fixed("counts"), self.keys.fixed("chunk_leases"))
        return bool((yield RunScript("chunks/set_aside", keys, (member, int(for_s * 1000)))))

    def due(self, name: ChunkName) -> Steps[bool]:
        """Put a chunk whose time has come back into its queue."""
        k = self.keys
        keys = (
            k.fixed("chunk_due"),
            k.chunk(name.job_id, name.number),
            k.job(name.job_id),
            k.job_part(name.job_id, "queued"),
            k.fixed("turns"),
        )
        return bool((yield RunScript("chunks/due", keys, (name.job_id, name.number))))

    def sweep(self, name: ChunkName) -> Steps[int]:
        """End the chunk of a job that was cancelled, or whose time is over. Returns how many recipients were not sent to."""
        args = (name.job_id, name.number, self._retention_ms, self._dead_ms)
        return int((yield RunScript("chunks/sweep", keys_to_end(self.keys, name), args)))


def keys_to_end(keys: Keys, name: ChunkName) -> tuple[str, ...]:
    """The keys of a script that ends recipients of a chunk who were not sent to."""
    job = name.job_id
    return (
        keys.job(job),
        keys.job_part(job, "queued"),
        keys.fixed("chunk_due"),
        keys.job_part(job, "room"),
        keys.job_part(job, "unknown"),
        keys.job_part(job, "doubts"),
        keys.chunk(job, name.number),
        keys.marks(job, name.number),
        keys.fixed("turns"),
    )


def _begun(answer: Sequence[Any]) -> Begun:
    outcome, _, gate = _text(answer[0]).partition(" ")
    if outcome == "go":
        _, calls, last, start, gap, _, proved, probe, again = answer
        return Begun(
            "go", int(calls), int(last), float(_text(start)), float(_text(gap)), int(again), proved=bool(proved), probe=bool(probe)
        )
    return Begun(outcome, wait_ms=int(answer[1]) if len(answer) > 1 else 0, gate=gate)
