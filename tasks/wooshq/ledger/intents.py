"""Intents in the ledger: what each script is given, and what its answer means."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from wooshq.ledger.entry import Entry
from wooshq.ledger.gates import SLOTS_AHEAD_MS, GateLedger
from wooshq.ledger.keys import Keys
from wooshq.ledger.letters import LetterLedger
from wooshq.ledger.replies import as_kept, as_row, without_letter
from wooshq.ledger.replies import text as _text
from wooshq.ledger.states import Event, Reason
from wooshq.ledger.steps import Ask, RunScript, Steps, Together, as_json
from wooshq.settings import Settings
from wooshq_schemas import MODEL_VERSION

TAKE_BYTES: Final = 4 * 1024 * 1024
"""Bytes of bodies in one take, which takes at least one body. Redis serves nobody else while a script runs."""
AWAKE_MS: Final = 250
"""For how long a worker that took something counts as awake: it looks again long before that, and nobody rings meanwhile."""
BELL_LOST_MS: Final = 1000
"""A bell that no worker has answered for so long is lost."""

KEEPER_S: Final = 3.0
"""For how long a worker is the keeper if it does not ask again."""
MOST_HELD_MS: Final = 366 * 24 * 3600 * 1000
"""An intent with a schedule further ahead than this is forgotten before Pushwoosh sends it."""


@dataclass(frozen=True, slots=True)
class AcceptOutcome:
    """What `accept` did with an entry."""

    intent_id: str  #: its own, or the id under which it was accepted earlier
    new: bool
    clash: bool = False  #: `intent_id` was accepted earlier with different content


@dataclass(frozen=True, slots=True)
class Accepted:
    """What `accept` did with each entry. bells: lanes whose bells the caller must ring."""

    outcomes: Sequence[AcceptOutcome]
    bells: Sequence[str]


@dataclass(frozen=True, slots=True)
class Claim:
    """An intent that this worker, and no other, may send until the lease ends."""

    intent_id: str
    token: str
    body: str
    version: int
    lane: str
    application: str
    accepted_at_ms: int
    expires_at_ms: int | None
    fence: int  #: how often it was taken, this time included
    lost: int  #: how many workers were lost while they held it
    attempts: int  #: calls made for it so far
    rounds: int  #: how often it failed and went to the due set
    doubts: int = 0  #: calls made for it that got no answer; a lost worker's do not count
    failed_at_ms: int | None = None  #: when it first failed: since then its age counts
    waited_ms: int = 0  #: how long it has waited for gates and slots since: this is not a part of its age
    leaves_ms: int = 0  #: in how many ms it may leave: its slot under the application's rate
    probe: bool = False  #: its answer may open a gate
    token_of: str = ""  #: the application whose token is used instead of its own; '' for its own
    trace: str = ""  #: the context of who accepted it, see `wooshq.tracing`
    traced: str = ""  #: the context of the last send: of its own, or of what it replays or resends


@dataclass(frozen=True, slots=True)
class Taken:
    """
    What one take gave. has_more: more may leave now. again_ms: in how many ms something may leave that may not leave now; None if nothing.
    suspects: how many of the lane may be sent now. must_ring: this worker must wake another one. expired: ids of intents that it ended. asked_at: when
    the ledger was asked, on the caller's monotonic clock.
    """

    now_ms: int
    claims: list[Claim]
    has_more: bool
    again_ms: int | None
    suspects: int
    must_ring: bool
    expired: Sequence[str]
    asked_at: float = 0.0


@dataclass(frozen=True, slots=True)
class Settlement:
    """How one claim ended."""

    claim: Claim
    event: Event
    attempts: Sequence[Mapping[str, Any]] = ()  #: the calls made, as `status` shows them
    doubt: str | None = None  #: why it is in doubt
    message_code: str = ""
    unknown_identifiers: Sequence[str] = ()
    held_ms: int = 0  #: how long Pushwoosh holds the message until its schedule; the row is kept so much longer
    reason: Reason | None = None
    detail: str = ""
    code: str = ""
    payload: str | None = None
    wait_ms: int = 0
    trace: str = ""  #: the context of this send, for the next one, see `wooshq.tracing`; '' for none
    span: object = None  #: the worker's own note of it; the ledger does not read it
    waits_for: str = ""  #: of `failed`: it did not fail, and waits for this; then it costs neither a round of the backoff nor age

    def how(self, retention_ms: int) -> str:
        """How it ended, as settle.lua reads it. retention_ms: how long an ended intent is kept."""
        attempts = [as_kept(attempt) for attempt in self.attempts]
        has_more = self.unknown_identifiers or self.held_ms or self.doubt or self.trace or not re.fullmatch(r"[^{\s]\S*", self.message_code)
        if self.event is Event.ACCEPTED and len(attempts) == 1 and not has_more:
            return f"{self.message_code} {attempts[0]}"  # nearly all of them
        return self._as_json(attempts, retention_ms)

    def _as_json(self, attempts: list[str], retention_ms: int) -> str:
        out: dict[str, Any] = {"event": self.event.value, "attempts": attempts}
        if self.event is Event.ACCEPTED:
            out["code"] = self.message_code
            if self.unknown_identifiers:
                out["unknown"] = json.dumps(list(self.unknown_identifiers), ensure_ascii=False)
            if self.held_ms > 0:
                out["keep_ms"] = retention_ms + min(self.held_ms, MOST_HELD_MS)
        elif self.event is Event.GIVEN_UP:
            out |= {"reason": str(self.reason), "detail": self.detail, "code": self.code}
            if self.payload is not None:
                out["payload"] = self.payload
        elif self.event is Event.FAILED:
            out["wait_ms"] = self.wait_ms
            if self.waits_for:
                out["waits_for"] = self.waits_for
        if self.doubt:
            out["doubt"] = self.doubt
        if self.trace:
            out["trace"] = self.trace
        if not self.attempts:
            out["unsent"] = str(int(self.claim.probe))
        return as_json(out)


@dataclass(frozen=True, slots=True)
class TakenCancel:
    """
    A sent intent whose message the API is to be asked to cancel, by this process and no other until the lease ends.

    lost: earlier requests whose answer was lost: one of them may have cancelled it. tries: requests so far, with the one that comes now.
    until_ms: when Pushwoosh sends the message.
    """

    intent_id: str
    token: str
    application: str
    message_code: str
    lost: int
    tries: int
    until_ms: int


@dataclass(frozen=True, slots=True)
class CancelOutcome:
    """
    What came of one request to cancel. outcome: `again` if it must be asked again after `wait_ms`. was_answered: False if the request may
    have been carried out although no answer says so.
    """

    outcome: Literal["cancelled", "refused", "unknown", "again"]
    detail: str
    was_answered: bool = True
    wait_ms: int = 0


class IntentLedger:
    """Every script that moves an intent, with the settings that bound it. Makes steps; `run` and `arun` carry them out."""

    def __init__(self, settings: Settings) -> None:
        self.keys = Keys(settings.namespace)
        self.letters = LetterLedger(settings)
        self.gates = GateLedger(settings)
        self._s = settings
        self._retention_ms = int(settings.retention_s * 1000)
        self._dead_ms = int(settings.dead_retention_s * 1000)
        k = self.keys
        self._accept = (k.fixed("expiry"), k.fixed("counts"), k.fixed("bells"))
        self._take = tuple(k.fixed(n) for n in ("leases", "expiry", "counts", "gates", "bells"))
        self._settle = tuple(k.fixed(n) for n in ("leases", "due", "expiry", "letters", "doubts", "counts", "gates"))
        self._take_rules: dict[str, Any] = {
            "bytes": TAKE_BYTES,
            "poison_after": settings.poison_after,
            "lease_ms": int(settings.lease_s * 1000),
            "probes": settings.probes,
            "probe_ms": self.gates.probe_ms,
            "share": settings.transactional_share,
            "ahead_ms": SLOTS_AHEAD_MS,
            "awake_ms": AWAKE_MS,
            "keep_ms": self._retention_ms,
            "letter_ms": self._dead_ms,
            **self.gates.ceilings(),
        }

    # What a producer does

    def accept(self, entries: Sequence[Entry]) -> Steps[Accepted]:
        """Take entries into the ledger; one round trip. If two entries share an idempotency key, the first one counts."""
        rows = [self.keys.intent(e.intent_id) for e in entries]
        named = [self.keys.idempotency(e.application, e.idempotency_key) for e in entries if e.idempotency_key is not None]
        keys = (*self._accept, *rows, *named)
        args: list[str | int] = [self._retention_ms, *(e.as_text() for e in entries)]
        bells, *answers = yield RunScript("intents/accept", keys, args)
        return Accepted([_accepted(e, a) for e, a in zip(entries, answers, strict=True)], _text(bells).split())

    # What a worker does: the hot path

    def take(self, lane: str, most: int, *, token: str, taker: str, suspects: bool = False, woken: bool = False) -> Steps[Taken]:
        """
        Take intents of a lane that may leave now; one round trip.

        most: how many; 0 tells the ledger that this worker does not look any more until it is woken. token: unique to this call. taker:
        who calls, one call at a time. suspects: take a group of suspects, and nothing else. woken: the worker slept until it heard a bell.

        The ledger records that a request may leave before it leaves. So a worker that is lost later leaves an intent in doubt.
        """
        k = self.keys
        rules = as_json({**self._take_rules, "token": token, "lane": lane, "most": most, "suspects": suspects, "woken": woken})
        keys = (*self._take, k.ring(lane), k.suspects(lane), k.took(taker), k.fixed("limits"))
        now, more, again, waiting, ring, expired, heads, *rows = yield RunScript("intents/take", keys, (rules,))
        claims = [_claim(head, row, token) for head, row in zip(_text(heads).split("\n") if rows else (), rows, strict=True)]
        return Taken(int(now), claims, bool(more), None if int(again) < 0 else int(again), int(waiting), bool(ring), _text(expired).split())

    def note(self, claim: Claim, attempts: Sequence[Mapping[str, Any]], *, waits: bool) -> Steps[bool]:
        """
        Record the calls of a claim so far. waits: no call is in progress; otherwise the next one begins. False if another worker holds it.

        May be repeated. `settle` is given all calls of the claim all the same, and records the others.
        """
        args = (claim.token, "waits" if waits else "calls", *map(as_kept, attempts))
        return _text((yield RunScript("intents/note", (self.keys.intent(claim.intent_id),), args))) == "noted"

    def settle(self, settlements: Sequence[Settlement]) -> Steps[list[bool]]:
        """Record how these claims ended; one round trip. False if another worker holds the intent by now: then nothing was changed."""
        keys: list[str] = [*self._settle]
        args: list[str | int] = [self._retention_ms, self._dead_ms, self._s.suspect_after]
        for s in settlements:
            keys.append(self.keys.intent(s.claim.intent_id))
            args += (s.claim.token, s.how(self._retention_ms))
        answer = yield RunScript("intents/settle", keys, args)
        return [_text(a) == "settled" for a in answer]

    # What the keeper does

    def be_keeper(self, token: str, for_s: float) -> Steps[bool]:
        """Become the keeper, or stay it. False if another worker is the keeper."""
        return bool((yield RunScript("intents/be_keeper", (self.keys.fixed("keeper"),), (token, int(for_s * 1000)))))

    def has_keeper(self) -> Steps[bool]:
        """Whether a worker is running. Every worker runs a keeper, and one of them holds this lock; it ends three seconds after that worker."""
        return bool((yield Ask([("EXISTS", self.keys.fixed("keeper"))]))[0])

    def come_due(self, name: str, limit: int) -> Steps[list[str]]:
        """Members of `leases`, `due`, `expiry` and the like whose time has come, the longest due first."""
        return [_text(i) for i in (yield RunScript("intents/come_due", (self.keys.fixed(name),), (limit,)))]

    def due(self, ids: Sequence[str]) -> Steps[list[str]]:
        """Put retries whose time has come back into their lanes. Returns those that are queued now."""
        k = self.keys
        answer = yield RunScript("intents/due", (k.fixed("due"), *map(k.intent, ids)), (self._s.suspect_after, *ids))
        return [_text(i) for i in answer]

    def take_over(self, ids: Sequence[str], on_unknown: Mapping[str, str]) -> Steps[list[str]]:
        """Put intents of lost workers back into their lanes, or end them. Returns those that are queued. on_unknown: id → `resend` or `dead_letter`."""
        k = self.keys
        args: list[str | int] = [self._s.suspect_after, self._s.poison_after, self._dead_ms, int(self._s.suspect_rest_s * 1000)]
        for i in ids:
            args += (i, on_unknown.get(i, self._s.on_unknown))
        keys = [k.fixed(n) for n in ("leases", "letters", "expiry", "doubts", "counts")]
        return [_text(i) for i in (yield RunScript("intents/take_over", (*keys, *map(k.intent, ids)), args))]

    def expire(self, ids: Sequence[str]) -> Steps[list[str]]:
        """End intents that still wait after their `expires_at`. Returns the ids of those that ended."""
        k = self.keys
        keys = (k.fixed("expiry"), k.fixed("due"), k.fixed("counts"), k.fixed("gates"), *map(k.intent, ids))
        return [_text(i) for i in (yield RunScript("intents/expire", keys, (self._retention_ms, self._dead_ms, *ids)))]

    def ring(self) -> Steps[list[str]]:
        """See `ring`."""
        return ring(self.keys, self._s)

    def take_in(self, name: str, limit: int) -> Steps[int]:
        """Move intents of the version before into the queues, at most `limit` of them. name: `queued:<lane>` or `held:<application>`."""
        k, before = self.keys, self.keys.before_queues(name)
        ids = [_text(i) for i in (yield Ask([("ZRANGE", before, 0, limit - 1)]))[0]]
        if not ids:
            return 0
        yield RunScript("intents/take_in", (before, *map(k.intent, ids)), (self._s.suspect_after, *ids))
        return len(ids)

    def bodies(self, ids: Sequence[str]) -> Steps[list[str | None]]:
        """The bodies of several intents, None for a missing one; one round trip."""
        return [row.get("body") for row in (yield from read_rows(self.keys, ids)).rows]

    # What a caller does

    def cancel(self, intent_id: str, why: str = "", by: str = "") -> Steps[str]:
        """Cancel an intent. Its state now, or 'gone'. by: '' if it is no act of an operator, and not noted."""
        k = self.keys
        keys = (k.intent(intent_id), *map(k.fixed, ("due", "expiry", "counts", "changes")))
        return _text((yield RunScript("intents/cancel", keys, (intent_id, self._retention_ms, self._dead_ms, why, by))))

    def try_now(self, intent_id: str, why: str, by: str) -> Steps[str]:
        """End the wait of a retry: it is due now. The state that the intent is in, or 'gone'."""
        k = self.keys
        keys = (k.intent(intent_id), k.fixed("due"), k.fixed("changes"))
        return _text((yield RunScript("acts/try_now", keys, (intent_id, why, by))))

    def tried_again(self, causes: Mapping[str, str]) -> Steps[None]:
        """Note as doubts that these intents, id → cause, may have been sent before somebody had them moved here again."""
        ids = list(causes)
        keys = (self.keys.fixed("counts"), self.keys.fixed("doubts"), *map(self.keys.intent, ids))
        yield RunScript("acts/tried_again", keys, (self._dead_ms, *(part for i in ids for part in (i, causes[i]))))

    def resend(self, intent_id: str, new: Entry, why: str, by: str, *, was_sent: bool = False) -> Steps[str]:
        """
        Send again what was sent, as the intent `new`: 'resent', 'gone', or the state that the intent is in. was_sent: the history says that it was
        sent, if the ledger does not have it any more.
        """
        k = self.keys
        said = {
            "old": intent_id,
            "id": new.intent_id,
            "lane": new.lane,
            "app": new.application,
            "body": new.body,
            "v": MODEL_VERSION,
            "why": why,
            "by": by,
            "keep_ms": self._dead_ms,
            "was_sent": was_sent,
            **({"expires": new.expires_at_ms} if new.expires_at_ms is not None else {}),
            **({"ttl": new.ttl_ms} if new.ttl_ms is not None else {}),
            **({"trace": new.trace} if new.trace else {}),
        }
        keys = (k.intent(intent_id), k.intent(new.intent_id), *map(k.fixed, ("expiry", "counts", "doubts", "changes")))
        return _text((yield RunScript("intents/resend", keys, (as_json(said),))))

    # Cancelling what was sent, while Pushwoosh holds it

    def ask_cancel(self, intent_id: str, until_ms: int, why: str = "", by: str = "") -> Steps[str]:
        """Have the API asked to cancel a sent intent's message: 'asked', 'cancelled' (it has been), 'gone', or the intent's state."""
        keys = (self.keys.intent(intent_id), self.keys.fixed("cancels"), self.keys.fixed("changes"))
        return _text((yield RunScript("acts/ask_cancel", keys, (intent_id, until_ms, self._retention_ms, why, by))))

    def take_cancels(self, ids: Sequence[str], token: str) -> Steps[list[TakenCancel]]:
        """Take those of `ids` whose time has come. token: unique to this call. Those of forgotten intents are dropped."""
        if not ids:
            return []
        cancels = self.keys.fixed("cancels")
        args: list[str | int] = [token, int(self._s.lease_s * 1000), *ids]
        taken = []
        for row in (yield RunScript("acts/take_cancel", (cancels, *map(self.keys.intent, ids)), args)):
            intent_id, application, code, lost, tries, until_ms = map(_text, row)
            if application:
                taken.append(TakenCancel(intent_id, token, application, code, int(lost), int(tries), int(until_ms)))
            else:
                yield from self.record_cancel(TakenCancel(intent_id, token, "", "", 0, 0, 0), CancelOutcome("refused", ""))
        return taken

    def record_cancel(self, cancel: TakenCancel, answer: CancelOutcome) -> Steps[str]:
        """Record what the API answered: 'recorded', 'lost' (another process took it over, or it has ended) or 'gone'."""
        keys = (self.keys.intent(cancel.intent_id), self.keys.fixed("cancels"), self.keys.fixed("counts"))
        args = (cancel.intent_id, cancel.token, answer.outcome, answer.detail, int(answer.was_answered), answer.wait_ms)
        return _text((yield RunScript("acts/record_cancel", keys, args)))


def _accepted(entry: Entry, raw: Any) -> AcceptOutcome:
    if not raw:
        return AcceptOutcome(entry.intent_id, new=True)
    answer = _text(raw)
    if answer.startswith("!"):
        return AcceptOutcome(answer[1:], new=False, clash=True)
    return AcceptOutcome(answer, new=False)


#: What a row says that has no fields: it was never taken.
_FRESH: Final = ("1", "0", "0", "0", "0", "-", "0", "-")


def _claim(head: str, row: Any, token: str) -> Claim:
    moments, lane, application, version, _, body = _text(row).split("\n", 5)
    at, expires = moments.split(" ")
    head, *traces = head.split("\t")
    intent_id, leaves_ms, probe, *more = head.split(" ")
    fence, lost, attempts, rounds, doubts, failed_at, waited_ms, token_of = more or _FRESH
    return Claim(
        intent_id,
        token,
        without_letter(body),
        int(version),
        lane,
        application,
        int(at),
        None if expires == "-" else int(float(expires)),
        int(fence),
        int(lost),
        int(attempts),
        int(rounds),
        int(doubts),
        None if failed_at == "-" else int(failed_at),
        int(waited_ms),
        int(leaves_ms),
        probe == "1",
        "" if token_of == "-" else token_of,
        *traces,
    )


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of intents as they were read, {} for one that is not there; the gates and the time at that moment, ms."""

    rows: list[dict[str, str]]
    gates: dict[str, str]
    now_ms: int


_READ: Final = 16
"""Rows in one run of read.lua: Redis serves no other client while a script runs."""


def read_rows(keys: Keys, ids: Sequence[str]) -> Steps[Rows]:
    """The rows of several intents, in one round trip. Everything outside of scripts that reads a row reads it here."""
    gates = keys.fixed("gates")
    pages = [ids[at : at + _READ] for at in range(0, len(ids), _READ)] or [()]
    answers = yield Together([RunScript("intents/read", (gates, *map(keys.intent, page))) for page in pages])
    rows = [as_row(row) for _, _, *found in answers for row in found]
    now_ms, flat, *_ = answers[-1]
    return Rows(rows, as_row(flat), int(now_ms))


def ring(keys: Keys, settings: Settings) -> Steps[list[str]]:
    """Lanes that have intents which may leave now, and no worker that knows of them. Their bells count as rung: the caller must ring them."""
    parts = (keys.ring("transactional"), keys.ring("bulk"), keys.suspects("transactional"), keys.suspects("bulk"))
    answer = yield RunScript("intents/ring", (keys.fixed("bells"), keys.fixed("gates"), *parts), (BELL_LOST_MS, settings.probes))
    return [_text(lane) for lane in answer]
