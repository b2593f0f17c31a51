"""wooshq on one configuration: the calls that producers and operators make."""

from __future__ import annotations

import builtins
import os
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

import redis
from pydantic import ValidationError
from pydantic_settings import SettingsError

from wooshq import gating, letters
from wooshq.accept import Checked, IntentLike, accept_batch, accept_one, batches, entry_of
from wooshq.bulk.client import Bulk
from wooshq.celery_app import WooshqApp, make_app
from wooshq.connect import Places, client, places, until
from wooshq.embedded import EmbeddedRedisError
from wooshq.errors import Conflict, LedgerUnavailable, NotAccepted, Problem, SettingsInvalid, explain_settings
from wooshq.gating import EVERY, Gate
from wooshq.ledger.ledger import Accepted, Ledger
from wooshq.ledger.steps import Ask, Steps, run
from wooshq.letters import Discarded, Filter, Group, Letter, WholeLetter
from wooshq.publish import Publisher
from wooshq.replay import Replayed, Rules, replay
from wooshq.report import Report
from wooshq.settings import Settings
from wooshq.statuses import Status, as_row, status

T = TypeVar("T")


def load_settings() -> Settings:
    """The settings of the environment. Raises SettingsInvalid, a line a problem."""
    try:
        settings = Settings()
    except ValidationError as error:
        raise SettingsInvalid("\n".join(explain_settings(error))) from None
    except SettingsError as error:  # its cause may quote the value
        field = re.search(r'field "(\w+)"', str(error))
        name = field[1] if field else ""
        variable = f"PUSHWOOSH_{name.upper()}" if name.startswith("api_token") else f"WOOSHQ_{name.upper()}"
        raise SettingsInvalid(f"{variable}: is not JSON") from None
    try:
        settings.platform_table  # noqa: B018 - a correction that names no platform must fail at start, not in mid send
    except ValueError as error:
        raise SettingsInvalid(f"WOOSHQ_PLATFORMS: {error}") from None
    return settings


class _Opening:
    """A thread that opens places: an embedded Redis that is frozen, or loads a long file, must not hold a producer up."""

    def __init__(self, open_: Callable[[], Places]) -> None:
        self.pid = os.getpid()
        self._open = open_
        self._done = threading.Event()
        self._places: Places | None = None
        self._error: Exception | None = None
        threading.Thread(target=self._run, name="wooshq-opening", daemon=True).start()

    def _run(self) -> None:
        try:
            self._places = self._open()
        except Exception as error:
            self._error = error
        self._done.set()

    @property
    def failed(self) -> bool:
        return self._error is not None

    def result(self, within_s: float) -> Places:
        """What it opened. Raises LedgerUnavailable where it could not, or not in time; SettingsInvalid where it never will."""
        if not self._done.wait(within_s):
            raise LedgerUnavailable(f"the embedded Redis was not ready within {within_s:g} s", maybe_done=False)
        if isinstance(self._error, EmbeddedRedisError):
            raise LedgerUnavailable(str(self._error), maybe_done=False) from self._error
        if self._error is not None:
            raise self._error
        assert self._places is not None
        return self._places


class Shared:
    """What the sync and the async client have in common: settings, places, the Celery app, the publisher. Opened at first use."""

    def __init__(self, settings: Settings | None = None) -> None:
        self._settings = settings
        self._lock = threading.RLock()
        self._places: Places | None = None
        self._opening: _Opening | None = None
        self._opening_lock = threading.Lock()
        self._publisher: Publisher | None = None
        self._app: WooshqApp | None = None

    @property
    def settings(self) -> Settings:
        if self._settings is None:
            self._settings = load_settings()
        return self._settings

    @property
    def places(self) -> Places:
        """Where Redis and the broker are; an embedded one may take half a minute to load its file. Raises EmbeddedRedisError."""
        if self._places is None:
            with self._lock:
                self._places = self._places or places(self.settings)
        return self._places

    @property
    def is_closed(self) -> bool:
        """Whether nothing was reached yet: the next one to ask may have to start an embedded Redis."""
        return self._places is None

    @property
    def where(self) -> str:
        """The ledger's Redis as it may be shown."""
        return self._places.where if self._places is not None else "the embedded Redis"

    def reach(self, within_s: float) -> Places:
        """
        `places` for who cannot wait so long: the opening goes on in a thread, and a later call finds it done.

        Raises LedgerUnavailable.
        """
        if self._places is not None:
            return self._places
        with self._opening_lock:
            opening = self._opening
            if opening is None or opening.pid != os.getpid() or opening.failed:
                opening = self._opening = _Opening(lambda: self.places)
        return opening.result(within_s)

    @property
    def app(self) -> WooshqApp:
        """The Celery app on which this client publishes."""
        if self._app is None:
            with self._lock:
                self._app = self._app or make_app(self.settings, self.places.broker_url)
        return self._app

    @property
    def publisher(self) -> Publisher:
        if self._publisher is None:
            with self._lock:
                self._publisher = self._publisher or Publisher(self.app, ids_per_message=self.settings.ids_per_message)
        return self._publisher

    def close_shared(self) -> None:
        """Publish what waits, and let go of the embedded Redis."""
        if self._publisher is not None:
            self._publisher.close()
            self._publisher = None
        if self._app is not None:
            self._app.close()
            self._app = None
        if self._places is not None:
            self._places.release()
            self._places = None
        self._opening = None


def not_accepted(
    error: LedgerUnavailable, intent_ids: Sequence[str], report: Report | None = None, indexes: Sequence[int] = ()
) -> NotAccepted:
    """The ledger's trouble as the producer must hear it."""
    if error.maybe_done and report is not None:
        advice = "Some may have been taken in all the same: give each its id again (the error's intent_ids) and it is still one message."
    elif error.maybe_done:
        advice = "It may have been taken in all the same: call again with the same id (the error's intent_id) and it is still one message."
    else:
        advice = "Nothing was accepted; it is safe to call again."
    done = f" Accepted before it: {report.accepted}." if report is not None and report.accepted else ""
    message = f"{error}. {advice}{done}"
    return NotAccepted(message, intent_ids=intent_ids, report=report, maybe_done=error.maybe_done, indexes=indexes)


def with_report(batches: Iterator[T], report: Report) -> Iterator[T]:
    """The batches; what goes wrong in the caller's own iterable must not take with it what is known of those before."""
    try:
        yield from batches
    except Exception as error:
        tell_report(error, report)
        raise


def tell_report(error: Exception, report: Report) -> None:
    """Make an error of somebody else's tell what had been accepted before it."""
    error.add_note(f"wooshq: {report.accepted} intents before this were accepted; the error's `report` has their ids")
    error.report = report  # type: ignore[attr-defined]


def note(report: Report, batch: Iterable[tuple[Checked, Accepted | None, Conflict | None]]) -> None:
    """Write a batch's outcome into the report."""
    for checked, accepted, clash in batch:
        if accepted is not None:
            report.took(accepted.intent_id)
        elif clash is not None:
            field, _, says = str(clash).partition(": ")
            problem = Problem(field, says, "Use another key, or the same body")
            report.refuse(checked.index, (problem,))
        else:
            report.refuse(checked.index, checked.problems)


def new_by_lane(batch: Iterable[tuple[Checked, Accepted | None, Conflict | None]]) -> dict[str, list[str]]:
    """What a batch brought that the broker has not heard of."""
    lanes: dict[str, list[str]] = {}
    for checked, accepted, _ in batch:
        if accepted is not None and accepted.new and checked.entry is not None:
            lanes.setdefault(checked.entry.lane, []).append(accepted.intent_id)
    return lanes


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
        return self._w.do(letters.edit(self._w.ledger.keys, self._w.settings, letter_id, patch))

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
        done = self._w.do(replay(self._w.ledger, self._w.settings, filter_, Rules(dry_run, to_application, to_lane, rate, in_doubt)))
        for intent_id, lane in done.lanes.items():
            self._w.shared.publisher.hand_over(lane, [intent_id])
        return done

    def discard(self, *ids: str, why: str = "", dry_run: bool = False, **wanted: Any) -> Discarded:
        """Say that letters need not be sent. Raises ValueError for an empty filter."""
        if not ids:
            wanted.setdefault("state", "open")
        filter_ = Filter(ids=ids, **wanted) if ids else Filter(**wanted)
        return self._w.do(letters.discard(self._w.ledger.keys, filter_, why=why, dry_run=dry_run))


class Wooshq:
    """
    All calls on one configuration; the module's functions are those of one made from the environment.

    Threads may share it, and forked processes too. Nothing is opened before the first call.
    """

    def __init__(self, settings: Settings | None = None) -> None:
        self.shared = Shared(settings)
        self.dead_letters = DeadLetters(self)
        self.bulk = Bulk(self)
        self.fan_out = self.bulk.fan_out
        self._ledger: Ledger | None = None
        self._redis: redis.Redis | None = None

    @property
    def settings(self) -> Settings:
        return self.shared.settings

    @property
    def ledger(self) -> Ledger:
        if self._ledger is None:
            self._ledger = Ledger(self.settings)
        return self._ledger

    def do(self, steps: Steps[T]) -> T:
        """Carry out steps, each within `accept_within_s`. Raises LedgerUnavailable."""
        within_s = self.settings.accept_within_s
        places_ = self.shared.reach(within_s)
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
        self.shared.publisher.hand_over(entry.lane, [intent_id])
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
                self.shared.publisher.hand_over(lane, ids)
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
        return self.do(gating.list_gates(self.ledger.keys))

    def shut_gate(self, name: str, application: str = EVERY, why: str = "shut by hand") -> Gate:
        """Hold back an application's sends (or everyone's) until the gate is opened. Raises ValueError for an unknown name."""
        return self.do(gating.shut_gate(self.ledger.keys, name, application, why))

    def open_gate(self, name: str, application: str = EVERY) -> bool:
        """Open a gate, whoever shut it. False where it was open."""
        return self.do(gating.open_gate(self.ledger.keys, name, application))

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
        return self.shared.publisher.flush(within_s)

    def close(self) -> None:
        """Publish what waits, close connections, let go of the embedded Redis."""
        self.shared.close_shared()
        if self._redis is not None:
            self._redis.close()
            self._redis = None

    def __enter__(self) -> Wooshq:
        """Whoever opens it like this may wait until an embedded Redis has loaded its file. Raises EmbeddedRedisError, SettingsInvalid."""
        _ = self.shared.places
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _ask(commands: Sequence[tuple[Any, ...]]) -> Steps[list[Any]]:
    return (yield Ask(commands))  # type: ignore[no-any-return]
