"""Intents in the ledger: what each script is given, and what its answer means."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from wooshq.ledger.entry import Entry
from wooshq.ledger.gates import SLOTS_AHEAD_MS, GateLedger
from wooshq.ledger.keys import LANES, Keys
from wooshq.ledger.letters import LetterLedger
from wooshq.ledger.replies import text as _text
from wooshq.ledger.states import Event, Reason
from wooshq.ledger.steps import Ask, RunScript, Steps, as_json
from wooshq.settings import Settings
from wooshq_schemas import MODEL_VERSION

CLAIM_LEASE_S: Final = 15.0
"""How long a claim holds before it is admitted: reading, rendering and one round trip."""
CLAIM_BYTES: Final = 4 * 1024 * 1024
"""Bytes of bodies in one claim, which takes at least one body. Redis serves nobody else while a script runs."""


MOST_HELD_MS: Final = 366 * 24 * 3600 * 1000
"""An intent with a schedule further ahead than this is forgotten before Pushwoosh sends it."""


@dataclass(frozen=True, slots=True)
class AcceptOutcome:
    """What `accept` did with an entry."""

    intent_id: str  #: its own, or the id under which it was accepted earlier
    new: bool
    clash: bool = False  #: `intent_id` was accepted earlier with different content


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
    fence: int  #: how often it was claimed, this time included
    lost: int  #: how many workers were lost while they held it
    attempts: int  #: calls made for it so far
    rounds: int  #: how often it failed and went to the due set
    doubts: int = 0  #: calls made for it that got no answer; a lost worker's do not count
    waited_ms: int = 0  #: how long it waited for gates and for slots: this is not a part of its age


@dataclass(frozen=True, slots=True)
class Claims:
    """
    What a claim of several ids took. refused: (id, state) of intents that another worker holds, that are final or unknown; this is harmless.
    left: ids that are still queued, because the bodies before them were large.
    """

    now_ms: int
    claimed: list[Claim]
    refused: list[tuple[str, str]]
    left: list[str]


@dataclass(frozen=True, slots=True)
class Admission:
    """Whether a claim may leave. wait_ms: until it leaves (`go`, `probe`), or until the next question (`wait`). gate: that holds it."""

    outcome: Literal["go", "probe", "wait", "held", "expired", "lost"]
    wait_ms: int = 0
    gate: str = ""


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
    waits_for: str = ""  #: of `failed`: it did not fail, and waits for this; then it costs neither a round of the backoff nor age
    gate: str = ""

    def as_json(self, retention_ms: int) -> str:
        """As settle.lua reads it. retention_ms: how long an ended intent is kept."""
        out: dict[str, Any] = {
            "id": self.claim.intent_id,
            "token": self.claim.token,
            "event": self.event.value,
            "app": self.claim.application,
            "attempts": [as_json(attempt) for attempt in self.attempts],
        }
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
        elif self.event is Event.SHUT:
            out["gate"] = self.gate
        if self.doubt:
            out["doubt"] = self.doubt
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


@dataclass(frozen=True, slots=True)
class Suspect:
    """An intent that workers held when they were lost: it may be the cause. lost: how many workers."""

    lane: str
    intent_id: str
    lost: int


@dataclass(frozen=True, slots=True)
class Taken:
    """Intents that the keeper put back into their lanes."""

    by_lane: dict[str, list[str]] = field(default_factory=lambda: {lane: [] for lane in LANES})
    suspects: list[Suspect] = field(default_factory=list)

    def __len__(self) -> int:
        return sum(map(len, self.by_lane.values())) + len(self.suspects)


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
        self._accept = (*k.queues, k.fixed("expiry"), k.fixed("counts"))
        self._claim = (k.fixed("leases"), k.fixed("taken"), *k.queues)
        self._admit = (k.fixed("leases"), k.fixed("gates"), k.fixed("expiry"), k.fixed("held_applications"), k.fixed("counts"))
        self._settle = (
            *(k.fixed(n) for n in ("leases", "due", "expiry", "letters", "doubts", "counts", "held_applications")),
            *k.queues,
        )

    # What a producer does

    def accept(self, entries: Sequence[Entry]) -> Steps[list[AcceptOutcome]]:
        """Take entries into the ledger; one round trip. If two entries share an idempotency key, the first one counts."""
        keys: list[str] = [*self._accept]
        args: list[str | int] = [self._retention_ms, MODEL_VERSION]
        for e in entries:
            row = self.keys.intent(e.intent_id)
            keys += (row, self.keys.idempotency(e.application, e.idempotency_key) if e.idempotency_key is not None else row)
            expires = "" if e.expires_at_ms is None else e.expires_at_ms
            ttl = "" if e.ttl_ms is None else e.ttl_ms
            args.append(f"{e.intent_id}\n{e.digest}\n{e.lane}\n{e.application}\n{expires}\n{ttl}\n{e.body}")
        answers = yield RunScript("intents/accept", keys, args)
        return [_accepted(e, a) for e, a in zip(entries, answers, strict=True)]

    # What a worker does: the hot path

    def claim(self, ids: Sequence[str], token: str) -> Steps[Claims]:
        """
        Claim those of `ids` that can be claimed; one round trip. token: the claim token, unique to this call.

        The lease is short: `admit` sets its full length, and an intent whose worker is lost before that is soon found.
        """
        rows = [self.keys.intent(i) for i in ids]
        lease_ms = int(min(CLAIM_LEASE_S, self._s.lease_s) * 1000)
        answer = yield RunScript("intents/claim", (*self._claim, *rows), (token, lease_ms, CLAIM_BYTES, *ids))
        claims = Claims(int(answer[0]), [], [], [])
        for row in answer[1:]:
            if len(row) > 2:
                claims.claimed.append(_claim(row, token))
            elif row[1] in (b"left", "left"):
                claims.left.append(_text(row[0]))
            else:
                claims.refused.append((_text(row[0]), _text(row[1])))
        return claims

    def admit(self, claims: Sequence[Claim], token: str) -> Steps[list[Admission]]:
        """
        Which of these may leave now, in order; one round trip.

        The ledger records that a request may leave before it leaves. So a worker that is lost later leaves an intent in doubt, and a worker
        that is lost earlier does not.
        """
        keys: list[str] = [*self._admit]
        args: list[str | int | float] = [
            token,
            self._s.probes,
            self.gates.probe_ms,
            self._retention_ms,
            self._s.transactional_share,
            SLOTS_AHEAD_MS,
            int(self._s.lease_s * 1000),
            self._dead_ms,
        ]
        for c in claims:
            keys += (self.keys.intent(c.intent_id), self.keys.held(c.application), self.keys.pace(c.application))
            args += (c.intent_id, c.application, self.gates.ceiling(c.application))
        answer = yield RunScript("intents/admit", keys, args)
        return [_admission(_text(outcome)) for outcome in answer[1:]]

    def note(self, claim: Claim, attempts: Sequence[Mapping[str, Any]], *, waits: bool) -> Steps[bool]:
        """
        Record the calls of a claim so far. waits: no call is in progress; otherwise the next one begins. False if another worker holds it.

        May be repeated. `settle` is given all calls of the claim all the same, and records the others.
        """
        args = (claim.token, "waits" if waits else "calls", *(as_json(attempt) for attempt in attempts))
        return _text((yield RunScript("intents/note", (self.keys.intent(claim.intent_id),), args))) == "noted"

    def settle(self, settlements: Sequence[Settlement]) -> Steps[list[bool]]:
        """Record how these claims ended; one round trip. False if another worker holds the intent by now: then nothing was changed."""
        keys: list[str] = [*self._settle]
        args: list[str | int] = [self._retention_ms, self._dead_ms]
        for s in settlements:
            keys += (self.keys.intent(s.claim.intent_id), self.keys.held(s.claim.application))
            args.append(s.as_json(self._retention_ms))
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

    def due(self, ids: Sequence[str]) -> Steps[Taken]:
        """Put retries whose time has come back into their lanes."""
        k = self.keys
        answer = yield RunScript("intents/due", (k.fixed("due"), *k.queues, *map(k.intent, ids)), ids)
        return _by_lane(ids, answer)

    def take_over(self, ids: Sequence[str], on_unknown: Mapping[str, str]) -> Steps[Taken]:
        """Put intents of lost workers back into their lanes, or end them. on_unknown: id → `resend` or `dead_letter`."""
        k = self.keys
        args: list[str | int] = [self._s.poison_after, self._dead_ms]
        for i in ids:
            args += (i, on_unknown.get(i, self._s.on_unknown))
        keys = [k.fixed(n) for n in ("leases", "letters", "expiry", "doubts", "counts")]
        answer = yield RunScript("intents/take_over", (*keys, *k.queues, *map(k.intent, ids)), args)
        taken = Taken()
        for i, moved in zip(ids, answer, strict=True):
            if moved:
                self.sort(taken, i, _text(moved[0]), int(moved[1]))
        return taken

    def sort(self, taken: Taken, intent_id: str, lane: str, lost: int) -> None:
        """Add a queued intent to its lane, or to the suspects."""
        if lost >= self._s.suspect_after:
            taken.suspects.append(Suspect(lane, intent_id, lost))
        else:
            taken.by_lane[lane].append(intent_id)

    def expire(self, waiting: Sequence[tuple[str, str]]) -> Steps[list[str]]:
        """End intents that still wait after their `expires_at`. waiting: (id, application). Returns the ids of those that ended."""
        k = self.keys
        keys = [k.fixed("expiry"), k.fixed("due"), k.fixed("counts"), *k.queues]
        for i, application in waiting:
            keys += (k.intent(i), k.held(application))
        ended = yield RunScript("intents/expire", keys, (self._retention_ms, self._dead_ms, *(i for i, _ in waiting)))
        return [_text(i) for i in ended]

    def release(self, application: str, ids: Sequence[str]) -> Steps[Taken]:
        """Put held intents back into their lanes."""
        k = self.keys
        keys = (k.held(application), k.fixed("held_applications"), *k.queues, *map(k.intent, ids))
        return _by_lane(ids, (yield RunScript("intents/release", keys, (application, *ids))))

    def stale(self, lane: str, *, lane_is_empty: bool, limit: int) -> Steps[list[str]]:
        """Ids of queued intents whose message the broker must have lost."""
        args = (lane, int(lane_is_empty), int(self._s.republish_after_s * 1000), int(self._s.overtaken_s * 1000), limit)
        return [_text(i) for i in (yield RunScript("intents/stale", (self.keys.queued(lane), self.keys.fixed("taken")), args))]

    def fields(self, ids: Sequence[str], *names: str) -> Steps[list[list[str | None]]]:
        """Fields of several rows, None for a missing one; one round trip."""
        if not ids:
            return []
        answer = yield Ask([("HMGET", self.keys.intent(i), *names) for i in ids])
        return [[None if v is None else _text(v) for v in row] for row in answer]

    # What a caller does

    def cancel(self, intent_id: str, application: str) -> Steps[str]:
        """Cancel an intent. Its state now, or 'gone'."""
        k = self.keys
        keys = (k.intent(intent_id), k.fixed("due"), k.fixed("expiry"), k.fixed("counts"), *k.queues, k.held(application))
        return _text((yield RunScript("intents/cancel", keys, (intent_id, self._retention_ms, self._dead_ms))))

    # Cancelling what was sent, while Pushwoosh holds it

    def ask_cancel(self, intent_id: str, until_ms: int) -> Steps[str]:
        """Have the API asked to cancel a sent intent's message: 'asked', 'cancelled' (it has been), 'gone', or the intent's state."""
        keys = (self.keys.intent(intent_id), self.keys.fixed("cancels"))
        return _text((yield RunScript("cancels/ask", keys, (intent_id, until_ms, self._retention_ms))))

    def take_cancels(self, ids: Sequence[str], token: str) -> Steps[list[TakenCancel]]:
        """Take those of `ids` whose time has come. token: unique to this call. Those of forgotten intents are dropped."""
        if not ids:
            return []
        cancels = self.keys.fixed("cancels")
        args: list[str | int] = [token, int(self._s.lease_s * 1000), *ids]
        taken = []
        for row in (yield RunScript("cancels/take", (cancels, *map(self.keys.intent, ids)), args)):
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
        return _text((yield RunScript("cancels/record", keys, args)))


def _accepted(entry: Entry, raw: Any) -> AcceptOutcome:
    if not raw:
        return AcceptOutcome(entry.intent_id, new=True)
    answer = _text(raw)
    if answer.startswith("!"):
        return AcceptOutcome(answer[1:], new=False, clash=True)
    return AcceptOutcome(answer, new=False)


def _claim(row: Sequence[Any], token: str) -> Claim:
    i, body, version, lane, application, at, expires, fence, lost, attempts, rounds, doubts, waited_ms = map(_text, row)
    return Claim(
        i,
        token,
        body,
        int(version),
        lane,
        application,
        int(at),
        int(float(expires)) if expires else None,
        int(fence),
        int(lost),
        int(attempts),
        int(rounds),
        int(doubts),
        int(waited_ms),
    )


def _admission(answer: str) -> Admission:
    outcome, _, rest = answer.partition(" ")
    if outcome == "held":
        return Admission("held", gate=rest)
    return Admission(outcome, int(rest or 0))  # type: ignore[arg-type]


def _by_lane(ids: Sequence[str], lanes: Sequence[Any]) -> Taken:
    taken = Taken()
    for i, lane in zip(ids, lanes, strict=True):
        if lane:
            taken.by_lane[_text(lane)].append(i)
    return taken
