"""Settle: write down how claims ended, in small groups as the answers come. No end is lost while the ledger is unavailable."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

import structlog

from wooshq.errors import LedgerUnavailable
from wooshq.ledger.intents import IntentLedger, Settlement
from wooshq.ledger.states import Event
from wooshq.settings import Settings
from wooshq.tracing import trace_id_of
from wooshq_worker.api.gates import LocalGates
from wooshq_worker.ledger_client import LedgerClient
from wooshq_worker.observe.few import few
from wooshq_worker.observe.metrics.measures import Measures, off
from wooshq_worker.observe.sentry import Reporter

if TYPE_CHECKING:
    from wooshq_worker.observe.tracing.spans import Spans

log = structlog.get_logger("wooshq.settler")

_GROUP: Final = 64
"""Settlements in one round trip. A crash between an answer and its settle leaves at most these, and the calls in progress, in doubt."""
_GROUP_BYTES: Final = 1024 * 1024
"""Redis serves no other client while a script runs."""
_BUSY: Final = 32
_GATHER_S: Final = 0.004
"""While so many calls are in progress, an answer waits so long for others: a round trip costs as much for one settlement as for ten."""
_RETRY_S: Final = 0.2
_LOG_SOON_S: Final = 1.0
_LOG_EVERY_S: Final = 10.0
"""What was settled is logged a second after the first settlement, and while there are more, every ten seconds."""
_SAID: Final = {
    Event.ACCEPTED: "sent",
    Event.FAILED: "retrying",
    Event.HANDED_BACK: "handed_back",
    Event.GIVEN_UP: "dead",
    Event.EXPIRE: "expired",
}
"""What became of an intent, in the words of `status`."""


class Settler:
    """
    Takes settlements without waiting, and writes them in order of arrival. The next group gathers during a round trip: under load the
    groups are large, and when idle each settlement goes at once.

    What the ledger cannot take is kept here and retried until it can: an answer must not be lost.
    """

    def __init__(
        self,
        settings: Settings,
        ledger: IntentLedger,
        client: LedgerClient,
        report_kind: Reporter,
        measures: Measures = off,
        spans: Spans | None = None,
    ) -> None:
        """spans: None if tracing is off."""
        self.gates = LocalGates(settings, ledger, client, report_kind, self._wake)
        self._ledger = ledger
        self._client = client
        self._report_kind = report_kind
        self._measures = measures
        self._spans = spans
        self._waiting: list[Settlement] = []
        self._most = _GROUP
        self._has_work = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._not_logged: Counter[str] = Counter()
        self._logged_at = 0.0  #: monotonic
        self._not_logged_since = 0.0  #: monotonic
        self.calls_in_progress: Callable[[], int] = lambda: 0

    def add(self, settlement: Settlement) -> None:
        """Have it written soon."""
        self._waiting.append(settlement)
        self._wake()

    def _wake(self) -> None:
        self._idle.clear()
        self._has_work.set()

    @property
    def unsettled(self) -> int:
        """Settlements that are not written yet."""
        return len(self._waiting)

    async def settled(self, within_s: float) -> bool:
        """Wait until everything is written. False if it takes longer than `within_s`."""
        try:
            async with asyncio.timeout(within_s):
                await self._idle.wait()
        except TimeoutError:
            return False
        return True

    async def run(self) -> None:
        """Write for ever."""
        while True:
            await self._has_work.wait()
            self._has_work.clear()
            while self._waiting or self.gates.has_news:
                if len(self._waiting) < _BUSY < self.calls_in_progress() and not self.gates.has_news:
                    await asyncio.sleep(_GATHER_S)
                try:
                    await self._report_gates()  # one round trip an application. First: intents that will wait for a gate must find it shut.
                    await self._write(self._next_group())  # one round trip
                except LedgerUnavailable:
                    await asyncio.sleep(_RETRY_S)
                except Exception:  # a bug must not end this task
                    log.error("settle_failed", exc_info=True)
                    await asyncio.sleep(_RETRY_S)
            self._idle.set()

    async def _report_gates(self) -> None:
        """If a report fails by a bug, settlements still go on: an answer that is not recorded means another call. Raises LedgerUnavailable."""
        try:
            await self.gates.report()
        except LedgerUnavailable:
            raise
        except Exception:
            log.error("gates_not_reported", exc_info=True)
            await asyncio.sleep(_RETRY_S)

    def _next_group(self) -> list[Settlement]:
        """The oldest settlements, as many as one round trip may carry."""
        group: list[Settlement] = []
        size = 0
        for settlement in self._waiting[: self._most]:
            size += len(settlement.payload or "")
            if group and size > _GROUP_BYTES:
                break
            group.append(settlement)
        return group

    async def _write(self, group: Sequence[Settlement]) -> None:
        if not group:
            return
        asked_at = time.monotonic()
        try:
            written = await self._client.do(self._ledger.settle(group))
        except LedgerUnavailable:
            raise
        except Exception:
            self._find_the_bad_one(group)
            return
        self._most = _GROUP
        del self._waiting[: len(group)]
        self._measures.settled(group, written, time.monotonic() - asked_at)
        if self._spans is not None:
            self._spans.settled(group, written, asked_at)
        if not self._not_logged:
            self._log_later(asked_at)
        for settlement, is_written in zip(group, written, strict=True):
            self._note(settlement, is_written=is_written)
        ends = [one.claim.intent_id for one, ok in zip(group, written, strict=True) if ok and one.event is Event.EXPIRE]
        if ends:
            log.info("expired", n=len(ends), intent_ids=ends)

    def _find_the_bad_one(self, group: Sequence[Settlement]) -> None:
        """The group cannot be written, by a bug: write one at a time. The bad one is dropped; when its lease ends, it is in doubt."""
        if len(group) == 1:
            log.error("settle_given_up", intent_id=group[0].claim.intent_id, settlement=group[0].event.value, exc_info=True)
            del self._waiting[:1]
            if self._spans is not None:
                self._spans.dropped(group[0])
        self._most = 1

    def _note(self, settlement: Settlement, *, is_written: bool) -> None:
        if not is_written:  # another worker has the intent by now
            few(log.warning, "settled_late", {"settlement": settlement.event.value}, intent_id=settlement.claim.intent_id)
            return
        self._not_logged[_SAID.get(settlement.event, settlement.event.value)] += 1
        if settlement.event in (Event.GIVEN_UP, Event.FAILED):
            _log_worse(settlement)
        if settlement.event is Event.GIVEN_UP:
            self._report_kind(
                kind="dead_letter",
                reason=str(settlement.reason),
                code=settlement.code,
                application=settlement.claim.application,
                lane=settlement.claim.lane,
            )

    def log_settled(self) -> None:
        """Log what was settled since the last time: one line for many. What got worse has lines of its own."""
        if self._not_logged:
            now = time.monotonic()
            over_s = max(now - self._not_logged_since, 0.001)
            per_s = round(self._not_logged.total() / max(over_s, 1.0), 1)
            log.info("settled", **self._not_logged, per_s=per_s, over_s=round(over_s, 1), in_progress=self.calls_in_progress())
            self._not_logged, self._logged_at = Counter(), now

    def _log_later(self, since: float) -> None:
        """since: when the first of those was asked for that are not logged yet, monotonic."""
        self._not_logged_since = max(since, self._logged_at)
        is_busy = since - self._logged_at < _LOG_EVERY_S
        asyncio.get_running_loop().call_later(_LOG_EVERY_S if is_busy else _LOG_SOON_S, self.log_settled)


def _log_worse(settlement: Settlement) -> None:
    """An intent that is dead, or waits for another attempt."""
    claim, last = settlement.claim, settlement.attempts[-1] if settlement.attempts else {}
    alike: dict[str, object] = {"reason": str(settlement.reason)} if settlement.reason is not None else {}
    alike |= {"code": settlement.code or last.get("code"), "http_status": last.get("http_status"), "application": claim.application}
    own = {
        "intent_id": claim.intent_id,
        "attempts": claim.attempts + len(settlement.attempts),
        "latency_ms": last.get("latency_ms"),
        "trace_id": trace_id_of(settlement.trace) or None,
    }
    if settlement.event is Event.GIVEN_UP:
        few(log.warning, "intent_dead", alike, **own)
    else:
        alike["waits_for"] = settlement.waits_for or None
        few(log.warning, "intent_retrying", alike, **own, wait_s=round(settlement.wait_ms / 1000, 1))
