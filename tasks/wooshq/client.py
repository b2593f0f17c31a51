"""wooshq on one configuration: the calls that producers and operators make."""

from __future__ import annotations

import builtins
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

import redis

from wooshq.errors import LedgerUnavailable
from wooshq.installation.connect import client, until
from wooshq.installation.installation import Installation
from wooshq.intents.accept import (
    IntentLike,
    accept_batch,
    accept_one,
    batches,
    entry_of,
    new_by_lane,
    not_accepted,
    note,
    with_report,
)
from wooshq.intents.report import Report
from wooshq.intents.status import Status, as_row, status
from wooshq.jobs.calls import Jobs
from wooshq.ledger.gates import EVERY, Gate
from wooshq.ledger.intents import IntentLedger
from wooshq.ledger.run import run
from wooshq.ledger.steps import Ask, Steps
from wooshq.letters import find as letters
from wooshq.letters.discard import Discarded
from wooshq.letters.discard import discard as discard_letters
from wooshq.letters.edit import edit as edit_letter
from wooshq.letters.filter import Filter
from wooshq.letters.letter import Group, Letter, WholeLetter
from wooshq.letters.replay import Replayed, ReplayRules, replay
from wooshq.settings import Settings

T = TypeVar("T")


class DeadLetters:
    """The dead letters' calls; filters are those of `Filter`, by name."""

    def __init__(self, owner: Wooshq) -> None:
        self._w = owner

    def list(self, *, most: int | None = None, **wanted: Any) -> list[Letter]:
        """Letters that fit, the newest first."""
        return self._w.do(letters.find(self._w.ledger.keys, Filter(**wanted), most=most))

    def groups(self, **wanted: Any) -> builtins.list[Group]:
        """Open letters (or those of the `state` given) by reason, detail and application."""
        return self._w.do(letters.groups(self._w.ledger.keys, Filter(**{"state": "open", **wanted})))

    def show(self, letter_id: str) -> WholeLetter:
        """Everything about one. Raises LetterUnknown."""
        return self._w.do(letters.show(self._w.ledger.keys, letter_id))

    def edit(self, letter_id: str, patch: Mapping[str, Any]) -> tuple[Any, Any]:
        """Change what a replay will send (RFC 7396 merge patch): the intent before and after. Raises LetterUnknown, IntentInvalid."""
        return self._w.do(edit_letter(self._w.ledger.letters, self._w.settings, letter_id, patch))

    def replay(
        self,
        *ids: str,
        dry_run: bool = False,
        to_application: str | None = None,
        to_lane: str | None = None,
        rate: float | None = None,
        in_doubt: bool = True,
        **wanted: Any,
    ) -> Replayed:
        """
        Send letters again: those of `ids`, or all open ones that fit; at once, or `rate` of them a second.

        to_application, to_lane: instead of a letter's own. in_doubt: False leaves out whom the API may have reached (reasons `unknown`,
        `poison`). Raises ValueError for an empty filter.
        """
        if not ids:
            wanted.setdefault("state", "open")
        filter_ = Filter(ids=ids, **wanted) if ids else Filter(**wanted)
        done = self._w.do(
            replay(self._w.ledger.letters, self._w.settings, filter_, ReplayRules(dry_run, to_application, to_lane, rate, in_doubt))
        )
        for intent_id, lane in done.lanes.items():
            self._w.installation.publisher.hand_over(lane, [intent_id])
        return done

    def discard(self, *ids: str, why: str = "", dry_run: bool = False, **wanted: Any) -> Discarded:
        """Say that letters need not be sent. Raises ValueError for an empty filter."""
        if not ids:
            wanted.setdefault("state", "open")
        filter_ = Filter(ids=ids, **wanted) if ids else Filter(**wanted)
        return self._w.do(discard_letters(self._w.ledger.letters, filter_, why=why, dry_run=dry_run))


class Wooshq:
    """
    All calls on one configuration; the module's functions are those of one made from the environment.

    Threads may share it, and forked processes too. Nothing is opened before the first call.
    """

    def __init__(self, settings: Settings | None = None) -> None:
        self.installation = Installation(settings)
        self.dead_letters = DeadLetters(self)
        self.bulk = Jobs(self)
        self.fan_out = self.bulk.fan_out
        self._ledger: IntentLedger | None = None
        self._redis: redis.Redis | None = None

    @property
    def settings(self) -> Settings:
        return self.installation.settings

    @property
    def ledger(self) -> IntentLedger:
        if self._ledger is None:
            self._ledger = IntentLedger(self.settings)
        return self._ledger

    def do(self, steps: Steps[T]) -> T:
        """Carry out steps, each within `accept_within_s`. Raises LedgerUnavailable."""
        within_s = self.settings.accept_within_s
        places_ = self.installation.reach(within_s)
        if self._redis is None:
            self._redis = client(places_.redis_url, within_s)
        return run(steps, self._redis, places_.where, bounded=partial(until.within, within_s))

    def _bounded(self, steps: Steps[T]) -> T:
        """Carry out steps, all of them together within `accept_within_s`."""
        with until.within(self.settings.accept_within_s):
            return self.do(steps)

    def enqueue(self, intent: IntentLike) -> str:
        """
        Accept one intent: when this returns its id, it is in the ledger and will end as sent, dead, expired or cancelled.

        Takes at most about `accept_within_s`. Raises IntentInvalid (every problem), Conflict (id or idempotency key with another body),
        NotAccepted (Redis out of reach; carries the id with which to call again).
        """
        entry = entry_of(intent, self.settings)
        try:
            intent_id = self._bounded(accept_one(self.ledger, entry))
        except LedgerUnavailable as error:
            raise not_accepted(error, [entry.intent_id]) from error
        self.installation.publisher.hand_over(entry.lane, [intent_id])
        return intent_id

    def enqueue_many(self, intents: Iterable[IntentLike]) -> Report:
        """
        Accept an iterable of intents, in batches of `accept_batch`, one round trip each; a bad one is reported by index and stops no other.

        Memory: one batch, 16 bytes an intent for its id, and the problems of the first 10,000 bad ones.
        Raises NotAccepted when Redis goes out of reach; its `report` says what had been accepted, its `intent_ids` are the batch in doubt.
        What the iterable itself raises comes through with a note that says how many were accepted, and with the `report`.
        """
        if isinstance(intents, (str, bytes, Mapping)):
            raise TypeError("enqueue_many takes an iterable of intents; for one intent use enqueue")
        report = Report()
        for batch in with_report(batches(intents, self.settings), report):
            try:
                done = self._bounded(accept_batch(self.ledger, batch))
            except LedgerUnavailable as error:
                good = [(c.index, c.entry.intent_id) for c in batch if c.entry]
                raise not_accepted(error, [i for _, i in good], report, [index for index, _ in good]) from error
            note(report, done)
            for lane, ids in new_by_lane(done).items():
                self.installation.publisher.hand_over(lane, ids)
        return report

    def status(self, intent_id: str) -> Status | None:
        """Where an intent is, with every attempt; None where the id is unknown or forgotten. Raises LedgerUnavailable."""
        return self.do(status(self.ledger.keys, intent_id.lower()))

    def cancel(self, intent_id: str) -> str | None:
        """Take an intent back that has not left. The state it is in now (`cancelled`, or what came first); None where it is unknown."""
        application = self.do(self.ledger.fields([intent_id], "app"))[0][0]
        state = self.do(self.ledger.cancel(intent_id, application or ""))
        return None if state == "gone" else state

    def gates(self) -> list[Gate]:
        """Every gate that is not simply open."""
        return self.do(self.ledger.gates.every())

    def shut_gate(self, name: str, application: str = EVERY, why: str = "shut by hand") -> Gate:
        """Hold back an application's sends (or everyone's) until the gate is opened. Raises ValueError for an unknown name."""
        return self.do(self.ledger.gates.shut(name, application, why))

    def open_gate(self, name: str, application: str = EVERY) -> bool:
        """Open a gate, whoever shut it. False where it was open."""
        return self.do(self.ledger.gates.open(name, application))

    def counts(self) -> dict[str, int]:
        """How often each thing happened since the ledger was made, and how many intents are where now (`now_…`)."""
        keys = self.ledger.keys
        asked = [("HGETALL", keys.fixed("counts")), *(("ZCARD", q) for q in keys.queues)]
        asked += [("ZCARD", keys.fixed(n)) for n in ("leases", "due")]
        answer = self.do(_ask(asked))
        held = self.do(_ask([("SMEMBERS", keys.fixed("held_applications"))]))[0]
        names = ("now_queued_transactional", "now_queued_bulk", "now_sending", "now_retrying")
        counts = {k: int(v) for k, v in as_row(answer[0]).items()} | dict(zip(names, map(int, answer[1:]), strict=True))
        waits = self.do(_ask([("ZCARD", keys.held(a.decode() if isinstance(a, bytes) else a)) for a in held])) if held else []
        return counts | {"now_held": sum(map(int, waits))}

    def flush(self, within_s: float = 5.0) -> bool:
        """Wait until the broker heard of everything accepted here. Never needed for safety. False where the time was not enough."""
        return self.installation.publisher.flush(within_s)

    def close(self) -> None:
        """Publish what waits, close connections, let go of the embedded Redis."""
        self.installation.close()
        if self._redis is not None:
            self._redis.close()
            self._redis = None

    def __enter__(self) -> Wooshq:
        """Whoever opens it like this may wait until an embedded Redis has loaded its file. Raises EmbeddedRedisError, SettingsInvalid."""
        _ = self.installation.places
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _ask(commands: Sequence[tuple[Any, ...]]) -> Steps[list[Any]]:
    return (yield Ask(commands))  # type: ignore[no-any-return]
