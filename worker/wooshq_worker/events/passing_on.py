"""What the stream of events tells becomes events that are stored for everybody who wants them, each once."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Final

import structlog

from wooshq.errors import LedgerUnavailable, ReplayUnknown
from wooshq.events.ledger import GROUP, Facts, SubscriberLedger
from wooshq.events.stored import to_store
from wooshq.history.contract import History, HistoryAway, HistoryNewer
from wooshq.history.record import Kind
from wooshq.jobs.show import ended_job
from wooshq.ledger.replies import moment
from wooshq.ledger.states import FINAL
from wooshq.letters.replays.show import show_replay
from wooshq.settings import Settings
from wooshq_worker.events.making import Made, of_gate, of_job, of_letters, of_messages, of_replay
from wooshq_worker.keeper.history.ledger import LOST_AFTER_MS, Ended, Entry, EventLedger
from wooshq_worker.ledger_client import LedgerClient

log = structlog.get_logger("wooshq.events")

_ENTRIES: Final = 256
"""Entries of the stream in one take."""
_FACTS: Final = 500
_WANTED_EVERY_S: Final = 2.0
_LISTEN_EVERY_S: Final = 10.0
_LOOK_EVERY_S: Final = 0.25
"""Ends of this time are told together."""
_AWAY_S: Final = 1.0


class PassingOn:
    """
    Reads the stream while somebody wants events, and only then. Killed at any moment, it leaves entries that another process takes; each of them
    is passed on once, in the same step in which it is done.

    name: of the reader: the next process with this name goes on where the last one died. hooks: names of the hooks that this process has. history: what rows that have gone are looked up in; None if it is off.
    """

    def __init__(
        self,
        settings: Settings,
        client: LedgerClient,
        history: History | None,
        name: str,
        hooks: Sequence[str] = (),
        lost_after_ms: int = LOST_AFTER_MS,
    ) -> None:
        self._client = client
        self._ledger = SubscriberLedger(settings)
        self._events = EventLedger(settings, GROUP)
        self._history = history
        self._hooks = hooks
        self._lost_after_ms = lost_after_ms
        self._name = name
        self._is_new = True
        self._asked_at = self._listened_at = float("-inf")
        self._missed: int | None = None
        self._stopping = asyncio.Event()
        self.is_wanted = False
        self.tag = ""  #: of the ids of events

    def stop(self) -> None:
        """End after this round."""
        self._stopping.set()

    async def run(self) -> None:
        """Until `stop`."""
        while not self._stopping.is_set():
            try:
                goes_on = await self._round()
            except LedgerUnavailable:
                await rest(self._stopping, _AWAY_S)
            except Exception:  # a bug must not end this task
                log.error("events_round_failed", exc_info=True)
                await rest(self._stopping, _AWAY_S)
            else:
                await rest(self._stopping, 0 if goes_on else _LOOK_EVERY_S if self.is_wanted else _WANTED_EVERY_S)
        with contextlib.suppress(LedgerUnavailable):
            await self._client.do(self._events.leave(self._name))

    async def _round(self) -> bool:
        """Whether there may be more at once. Raises LedgerUnavailable."""
        if time.monotonic() - self._asked_at >= _WANTED_EVERY_S:
            self.is_wanted, self.tag = await self._client.do(self._ledger.want(self._hooks))
            self._asked_at = time.monotonic()
        if not self.is_wanted:
            return False
        if time.monotonic() - self._listened_at >= _LISTEN_EVERY_S:
            self._note_missed(await self._client.do(self._ledger.listen()))
            await self._client.do(self._ledger.pass_on(self._name, (), ()))  # what is too old leaves
            self._listened_at = time.monotonic()
        # At the start: what the process before it took, and did not pass on.
        entries = await self._client.do(self._events.take(self._name, _ENTRIES, self._lost_after_ms, own=self._is_new, alone=True))
        if entries is None:
            self._listened_at = float("-inf")  # a Redis that was emptied, or a group that was given up
            return True
        if self._is_new:
            self._is_new = bool(entries)
            return await self._pass_on(entries) or True
        return await self._pass_on(entries)

    async def _pass_on(self, entries: Sequence[Entry]) -> bool:
        """Whether there may be more."""
        if entries:
            now = moment(time.time() * 1000)
            events = [to_store(made.type, made.body, now) for made in await self._made(entries)]
            await self._client.do(self._ledger.pass_on(self._name, [entry.name for entry in entries], events))
        return len(entries) == _ENTRIES

    def _note_missed(self, missed: int) -> None:
        """Ends that left the stream before they were passed on: nobody is told."""
        if self._missed is not None and missed > self._missed:
            hint = "the stream was nearly full. Give it more room: WOOSHQ_EVENTS_MAX_BYTES"
            log.error("events_missed", ends=missed - self._missed, hint=hint)
        self._missed = missed

    # What an entry means

    async def _made(self, entries: Sequence[Entry]) -> list[Made]:
        ends = list(dict.fromkeys(one for entry in entries for one in entry.told if one.id not in entry.again))
        messages = [(one.kind, one.id) for one in ends if one.kind in FINAL]
        letters = [one.id for one in ends if one.kind == "letter"]
        made = list(of_messages(messages, await self._facts_of_ended("intent", [one for _, one in messages])))
        made += of_letters(letters, await self._facts_of_ended("letter", letters))
        made += await self._jobs([one for one in ends if one.kind == "job"])
        for entry in entries:
            made += [one async for one in self._moves(entry)]
        return made

    async def _facts(self, kind: str, ids: Sequence[str]) -> dict[str, Facts]:
        found: dict[str, Facts] = {}
        for start in range(0, len(ids), _FACTS):
            part = ids[start : start + _FACTS]
            facts = await self._client.do(self._ledger.facts("letter" if kind == "letter" else "intent", part))
            found |= zip(part, facts, strict=True)
        return found

    async def _facts_of_ended(self, kind: Kind, ids: Sequence[str]) -> dict[str, Facts]:
        """Also of rows that the ledger has forgotten since, because the history has them."""
        found = await self._facts(kind, ids)
        gone = [one for one, facts in found.items() if not facts.state]
        if gone and self._history is not None:
            history = self._history
            try:
                kept = await asyncio.get_running_loop().run_in_executor(None, history.read_many, gone, kind)
            except (HistoryAway, HistoryNewer) as error:
                log.warning("events_without_facts", of=kind, n=len(gone), why=str(error))
            else:
                found |= {one: Facts(record.state, record.app, record.lane, record.reason, record.ended_ms) for one, record in kept.items()}
        return found

    async def _jobs(self, ends: Sequence[Ended]) -> Iterator[Made]:
        rows = (await self._client.do(self._events.read(ends))) if ends else []
        return iter([of_job(ended_job(one.id, row)) for one, (row,) in zip(ends, rows, strict=False) if row and isinstance(row, dict)])

    async def _moves(self, entry: Entry) -> AsyncIterator[Made]:
        for one in entry.moves:
            if one.kind == "gate":
                if (made := of_gate(one.id, int(entry.name.partition("-")[0]))) is not None:
                    yield made
            else:
                try:
                    yield of_replay(await self._client.do(show_replay(self._ledger.keys, one.id)))
                except ReplayUnknown:
                    pass  # it is not kept any more


async def rest(stopping: asyncio.Event, seconds: float) -> None:
    """Not longer than until `stopping`."""
    try:
        await asyncio.wait_for(stopping.wait(), seconds)
    except TimeoutError:
        pass
