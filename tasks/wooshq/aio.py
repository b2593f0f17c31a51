"""The same calls for asyncio, under the same names; every decision is shared with the sync ones."""

from __future__ import annotations

import asyncio
import builtins
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

import redis.asyncio as aredis

from wooshq.errors import LedgerUnavailable
from wooshq.installation.connect import aclient
from wooshq.installation.installation import Installation
from wooshq.intents.accept import (
    Checked,
    IntentLike,
    accept_batch,
    accept_one,
    batches,
    check_one,
    entry_of,
    new_by_lane,
    not_accepted,
    note,
    tell_report,
)
from wooshq.intents.report import Report
from wooshq.intents.status import Status
from wooshq.intents.status import status as status_of
from wooshq.jobs.aio_calls import AsyncJobs
from wooshq.ledger.gates import EVERY, Gate
from wooshq.ledger.intents import IntentLedger
from wooshq.ledger.run import arun
from wooshq.ledger.steps import Steps
from wooshq.letters import find as letters
from wooshq.letters.discard import Discarded
from wooshq.letters.discard import discard as discard_letters
from wooshq.letters.edit import edit as edit_letter
from wooshq.letters.filter import Filter
from wooshq.letters.letter import Group, Letter, WholeLetter
from wooshq.letters.replay import Replayed, ReplayRules, replay
from wooshq.settings import Settings

T = TypeVar("T")


class AsyncDeadLetters:
    """The dead letters' calls; filters are those of `Filter`, by name."""

    def __init__(self, owner: AsyncWooshq) -> None:
        self._w = owner

    async def list(self, *, most: int | None = None, **wanted: Any) -> list[Letter]:
        """Letters that fit, the newest first."""
        return await self._w.do(letters.find(self._w.ledger.keys, Filter(**wanted), most=most))

    async def groups(self, **wanted: Any) -> builtins.list[Group]:
        """Open letters (or those of the `state` given) by reason, detail and application."""
        return await self._w.do(letters.groups(self._w.ledger.keys, Filter(**{"state": "open", **wanted})))

    async def show(self, letter_id: str) -> WholeLetter:
        """Everything about one. Raises LetterUnknown."""
        return await self._w.do(letters.show(self._w.ledger.keys, letter_id))

    async def edit(self, letter_id: str, patch: Mapping[str, Any]) -> tuple[Any, Any]:
        """Change what a replay will send (RFC 7396 merge patch): the intent before and after. Raises LetterUnknown, IntentInvalid."""
        return await self._w.do(edit_letter(self._w.ledger.letters, self._w.settings, letter_id, patch))

    async def replay(
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
        done = await self._w.do(
            replay(self._w.ledger.letters, self._w.settings, filter_, ReplayRules(dry_run, to_application, to_lane, rate, in_doubt))
        )
        for intent_id, lane in done.lanes.items():
            self._w.installation.publisher.hand_over(lane, [intent_id])
        return done

    async def discard(self, *ids: str, why: str = "", dry_run: bool = False, **wanted: Any) -> Discarded:
        """Say that letters need not be sent. Raises ValueError for an empty filter."""
        if not ids:
            wanted.setdefault("state", "open")
        filter_ = Filter(ids=ids, **wanted) if ids else Filter(**wanted)
        return await self._w.do(discard_letters(self._w.ledger.letters, filter_, why=why, dry_run=dry_run))


class AsyncWooshq:
    """`wooshq.Wooshq` for asyncio. One may be used from several event loops: each has connections of its own."""

    def __init__(self, settings: Settings | None = None) -> None:
        self.installation = Installation(settings)
        self.dead_letters = AsyncDeadLetters(self)
        self.bulk = AsyncJobs(self)
        self.fan_out = self.bulk.fan_out
        self._ledger: IntentLedger | None = None
        self._clients: WeakKeyDictionary[asyncio.AbstractEventLoop, aredis.Redis] = WeakKeyDictionary()

    @property
    def settings(self) -> Settings:
        return self.installation.settings

    @property
    def ledger(self) -> IntentLedger:
        if self._ledger is None:
            self._ledger = IntentLedger(self.settings)
        return self._ledger

    async def do(self, steps: Steps[T]) -> T:
        """Carry out steps within `accept_within_s`. Raises LedgerUnavailable."""
        within = self.settings.accept_within_s
        places = (
            await asyncio.to_thread(self.installation.reach, within) if self.installation.is_closed else self.installation.reach(within)
        )
        loop = asyncio.get_running_loop()
        client = self._clients.get(loop)
        if client is None:
            client = self._clients[loop] = aclient(places.redis_url, within)
        return await arun(steps, client, places.where)

    async def _bounded(self, steps: Steps[T]) -> T:
        within = self.settings.accept_within_s
        try:
            async with asyncio.timeout(within):
                return await self.do(steps)
        except TimeoutError:
            raise LedgerUnavailable(f"Redis at {self.installation.where} did not answer for {within:g} s", maybe_done=True) from None

    async def enqueue(self, intent: IntentLike) -> str:
        """Accept one intent; see `wooshq.enqueue`."""
        entry = entry_of(intent, self.settings)
        try:
            intent_id = await self._bounded(accept_one(self.ledger, entry))
        except LedgerUnavailable as error:
            raise not_accepted(error, [entry.intent_id]) from error
        self.installation.publisher.hand_over(entry.lane, [intent_id])
        return intent_id

    async def enqueue_many(self, intents: Iterable[IntentLike] | AsyncIterable[IntentLike]) -> Report:
        """Accept an iterable, sync or async, of intents; see `wooshq.enqueue_many`. Other tasks get their turn between the batches."""
        report = Report()
        async for batch in _with_report(_batches(intents, self.settings), report):
            try:
                done = await self._bounded(accept_batch(self.ledger, batch))
            except LedgerUnavailable as error:
                good = [(c.index, c.entry.intent_id) for c in batch if c.entry]
                raise not_accepted(error, [i for _, i in good], report, [index for index, _ in good]) from error
            note(report, done)
            for lane, ids in new_by_lane(done).items():
                self.installation.publisher.hand_over(lane, ids)
        return report

    async def status(self, intent_id: str) -> Status | None:
        """Where an intent is; see `wooshq.status`."""
        return await self.do(status_of(self.ledger.keys, intent_id.lower()))

    async def cancel(self, intent_id: str) -> str | None:
        """Take an intent back that has not left. The state it is in now (`cancelled`, or what came first); None where it is unknown."""
        application = (await self.do(self.ledger.fields([intent_id], "app")))[0][0]
        state = await self.do(self.ledger.cancel(intent_id, application or ""))
        return None if state == "gone" else state

    async def gates(self) -> list[Gate]:
        """Every gate that is not simply open."""
        return await self.do(self.ledger.gates.every())

    async def shut_gate(self, name: str, application: str = EVERY, why: str = "shut by hand") -> Gate:
        """Hold back an application's sends (or everyone's) until the gate is opened. Raises ValueError for an unknown name."""
        return await self.do(self.ledger.gates.shut(name, application, why))

    async def open_gate(self, name: str, application: str = EVERY) -> bool:
        """Open a gate, whoever shut it. False where it was open."""
        return await self.do(self.ledger.gates.open(name, application))

    async def close(self) -> None:
        """Publish what waits, close connections, let go of the embedded Redis."""
        await asyncio.to_thread(self.installation.close)
        client = self._clients.pop(asyncio.get_running_loop(), None)
        if client is not None:
            await client.aclose()

    async def __aenter__(self) -> AsyncWooshq:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


async def _with_report(batches: AsyncIterator[T], report: Report) -> AsyncIterator[T]:
    try:
        async for batch in batches:
            yield batch
    except Exception as error:
        tell_report(error, report)
        raise


async def _batches(intents: Iterable[Any] | AsyncIterable[Any], settings: Settings) -> AsyncIterator[list[Checked]]:
    if not isinstance(intents, AsyncIterable):
        for batch in batches(intents, settings):
            yield batch
            await asyncio.sleep(0)
        return
    waiting: list[Any] = []
    start = 0
    async for intent in intents:
        waiting.append(intent)
        if len(waiting) >= settings.accept_batch:
            yield _checked(waiting, start, settings)
            start += len(waiting)
            waiting = []
    if waiting:
        yield _checked(waiting, start, settings)


def _checked(intents: list[Any], start: int, settings: Settings) -> list[Checked]:
    now = datetime.now(UTC)
    return [check_one(start + i, intent, settings, now) for i, intent in enumerate(intents)]


_default = AsyncWooshq()
dead_letters = _default.dead_letters
enqueue = _default.enqueue
enqueue_many = _default.enqueue_many
bulk = _default.bulk
fan_out = _default.fan_out
status = _default.status
cancel = _default.cancel
gates = _default.gates

__all__ = ["AsyncWooshq", "cancel", "dead_letters", "enqueue", "enqueue_many", "gates", "status"]
