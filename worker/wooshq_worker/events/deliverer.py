"""Delivers events: to each webhook one at a time or a few, to each hook in batches. One receiver that hangs holds up no other."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Final

import structlog

from wooshq.errors import LedgerUnavailable
from wooshq.events.ledger import HOOK, LEASE_MS, WEBHOOK, Came, SubscriberLedger, Taken
from wooshq.events.signature import headers
from wooshq.ledger.steps import as_json
from wooshq.settings import Settings
from wooshq.settings.allowed import Allowed
from wooshq_worker.events.answer import Answer
from wooshq_worker.events.hooks import Hooks
from wooshq_worker.events.passing_on import PassingOn, rest
from wooshq_worker.events.waits import TRIES_OF_A_HOOK, wait_s
from wooshq_worker.ledger_client import LedgerClient

if TYPE_CHECKING:
    from wooshq_worker.events.receiver import Receivers

log = structlog.get_logger("wooshq.events")

_AT_ONCE: Final = 4
"""Deliveries to one webhook at the same time."""
_OF_A_HOOK: Final = 100
"""Events that a hook gets in one call."""
_LOOK_EVERY_S: Final = 0.25
_ASLEEP_S: Final = 1.0
_END_WITHIN_S: Final = 2.0
_RECORD_AGAIN_S: Final = 0.5
_NAME: Final = "wooshq"


class Deliverer:
    """
    Any number of processes may do it at the same time: what one of them has taken, no other is given for a minute. Killed at any moment, it
    leaves deliveries that another process makes, under the same id.

    jitter: uniform in [0, 1).
    """

    def __init__(
        self,
        settings: Settings,
        client: LedgerClient,
        passing_on: PassingOn,
        hooks: Hooks,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._settings = settings
        self._client = client
        self._ledger = SubscriberLedger(settings)
        self._passing_on = passing_on
        self._hooks = hooks
        self._jitter = jitter
        self._receivers: Receivers | None = None
        self._serving: dict[str, asyncio.Task[None]] = {}
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """Take nothing more."""
        self._stopping.set()

    async def run(self) -> None:
        """Until `stop`. Deliveries in progress get a moment to end."""
        try:
            while not self._stopping.is_set():
                if not self._passing_on.is_wanted:
                    await rest(self._stopping, _ASLEEP_S)
                    continue
                try:
                    self._serve(await self._client.do(self._ledger.due()))
                except LedgerUnavailable:
                    await rest(self._stopping, _ASLEEP_S)
                except Exception:  # a bug must not end this task
                    log.error("events_deliver_failed", exc_info=True)
                    await rest(self._stopping, _ASLEEP_S)
                await rest(self._stopping, _LOOK_EVERY_S)
        finally:
            await self._end()

    def _serve(self, names: Sequence[str]) -> None:
        """A task for each subscriber that has something to get, and no task yet."""
        for name in names:
            if name in self._serving:
                continue
            if name.startswith(WEBHOOK):
                work = self._webhook(name)
            elif name.startswith(HOOK) and self._hooks.may_call(name.removeprefix(HOOK)):
                work = self._hook(name)
            else:
                continue
            self._serving[name] = task = asyncio.create_task(work)
            task.add_done_callback(lambda _, name=name: self._serving.pop(name, None))  # type: ignore[misc]

    async def _end(self) -> None:
        tasks = list(self._serving.values())
        if tasks:
            await asyncio.wait(tasks, timeout=_END_WITHIN_S)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._receivers is not None:
            await self._receivers.close()

    # Webhooks

    async def _webhook(self, name: str) -> None:
        """Deliver what is due to one webhook, a few events at the same time, until nothing is."""
        in_progress: set[asyncio.Task[None]] = set()
        try:
            rows = await self._client.do(self._ledger.rows(name))
            while rows:
                taken = (
                    []
                    if self._stopping.is_set()
                    else await self._client.do(self._ledger.claim(name, _AT_ONCE - len(in_progress), self._passing_on.tag))
                )
                in_progress |= {asyncio.create_task(self._deliver(name, rows[0][1], one)) for one in taken}
                if not in_progress:
                    return
                _, in_progress = await asyncio.wait(in_progress, return_when=asyncio.FIRST_COMPLETED)
                rows = await self._client.do(self._ledger.rows(name))  # it may have been paused, or has another secret
        except LedgerUnavailable:
            pass  # what was taken is delivered again
        except Exception:  # a bug must not hold up the others
            log.error("events_deliver_failed", webhook=name.removeprefix(WEBHOOK), exc_info=True)
        finally:
            for task in in_progress:
                if self._stopping.is_set():
                    task.cancel()
            await asyncio.gather(*in_progress, return_exceptions=True)

    async def _deliver(self, name: str, row: Mapping[str, str], taken: Taken) -> None:
        if self._receivers is None:
            from wooshq_worker.events.receiver import Receivers  # its HTTP client is loaded when there is something to deliver

            self._receivers = Receivers(Allowed.read(self._settings.webhooks_allow or ""), self._settings.webhooks_timeout_s)
        body, now = taken.event.text.encode(), time.time()
        signed = headers(_secrets(row, now * 1000), taken.event.id, int(now), body)
        answer = await self._receivers.post(row["url"], {"content-type": "application/json", "user-agent": _NAME, **signed}, body)
        await self._record(name, came_of(answer, taken, now * 1000, self._jitter(), int(self._settings.webhooks_retry_s * 1000)))

    # Hooks

    async def _hook(self, name: str) -> None:
        """Give a hook what is due, a batch a call, until nothing is."""
        called = name.removeprefix(HOOK)
        try:
            while not self._stopping.is_set() and self._hooks.may_call(called):
                taken = await self._client.do(self._ledger.claim(name, _OF_A_HOOK, self._passing_on.tag))
                if not taken:
                    return
                began = time.monotonic()
                error = await self._hooks.call(called, [one.event.read() for one in taken])
                answer = Answer(None if error else 200, round((time.monotonic() - began) * 1000, 1), error)
                for came in came_of_hook(answer, taken, time.time() * 1000, self._jitter()):
                    await self._record(name, came)
        except LedgerUnavailable:
            pass
        except Exception:
            log.error("events_deliver_failed", hook=called, exc_info=True)

    async def _record(self, name: str, came: Came) -> None:
        """Again while the ledger is away, as long as nobody else is given the event."""
        ends = time.monotonic() + LEASE_MS / 2000
        while True:
            try:
                state = await self._client.do(self._ledger.record(name, came))
            except LedgerUnavailable:
                if self._stopping.is_set() or time.monotonic() > ends:
                    return
                await asyncio.sleep(_RECORD_AGAIN_S)
            else:
                break
        kind, _, called = name.partition("/")
        if came.result != "delivered":
            hint = "it is paused. Resume it when the receiver is well: wooshq webhooks resume" if state == "paused" else ""
            event = {"kind": kind, "name": called, "result": came.result, "error": came.error, "retry_in_s": round(came.wait_ms / 1000, 1)}
            (log.error if state == "paused" or came.result == "dropped" else log.warning)("event_not_delivered", **event, hint=hint)


def _secrets(row: Mapping[str, str], now_ms: float) -> list[str]:
    """Those that sign now."""
    before = row.get("secret_before")
    return [row["secret"], before] if before and float(row.get("before_till") or 0) > now_ms else [row["secret"]]


def came_of(answer: Answer, taken: Taken, now_ms: float, jitter: float, pause_after_ms: int) -> Came:
    """What the ledger is told about a delivery to a webhook."""
    if answer.is_success:
        return Came("delivered", [(taken.event, _line(answer, taken, now_ms, "delivered", None))])
    wait_ms = int(1000 * wait_s(taken.tries + 1, jitter, asked_s=answer.retry_after_s if answer.status in (429, 503) else None))
    pause = "the receiver answered HTTP 410: it wants no more events" if answer.is_gone else ""
    line = _line(answer, taken, now_ms, "failed", now_ms + wait_ms)
    return Came("failed", [(taken.event, line)], wait_ms, answer.why, pause, pause_after_ms)


def came_of_hook(answer: Answer, taken: Sequence[Taken], now_ms: float, jitter: float) -> list[Came]:
    """What the ledger is told about a call of a hook: some of its events may be tried again, and some not any more."""
    if answer.is_success:
        return [Came("delivered", [(one.event, _line(answer, one, now_ms, "delivered", None)) for one in taken])]
    found = []
    over = [one for one in taken if one.tries + 1 >= TRIES_OF_A_HOOK]
    if over:
        found.append(Came("dropped", [(one.event, _line(answer, one, now_ms, "dropped", None)) for one in over], error=answer.why))
    if again := [one for one in taken if one.tries + 1 < TRIES_OF_A_HOOK]:
        wait_ms = int(1000 * wait_s(max(one.tries for one in again) + 1, jitter, of_hook=True))
        found.append(
            Came("failed", [(one.event, _line(answer, one, now_ms, "failed", now_ms + wait_ms)) for one in again], wait_ms, answer.why)
        )
    return found


def _line(answer: Answer, taken: Taken, now_ms: float, result: str, next_ms: float | None) -> str:
    """A delivery as the log keeps it."""
    line = {
        "id": taken.event.id,
        "type": taken.event.type,
        "at": int(now_ms),
        "n": taken.tries + 1,
        "result": result,
        "status": answer.status,
        "ms": answer.latency_ms,
        "error": answer.why if result != "delivered" else None,
        "next": None if next_ms is None else int(next_ms),
    }
    return as_json({name: value for name, value in line.items() if value is not None})
