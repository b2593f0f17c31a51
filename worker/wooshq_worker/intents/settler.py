"""Writing down how calls ended: in small groups as the answers come, and never forgetting one while the ledger is away."""

from __future__ import annotations

import asyncio
from collections import Counter

import structlog

from wooshq.errors import LedgerUnavailable
from wooshq.ledger.intents import IntentLedger, Settlement
from wooshq.ledger.states import Event
from wooshq.settings import Settings
from wooshq_worker.api.gates import LocalGates
from wooshq_worker.ledger_client import LedgerClient
from wooshq_worker.observe.sentry import Reporter

log = structlog.get_logger("wooshq.settler")

#: Settlements in one round trip: a crash between an answer and its settle leaves at most these, and what is on the wire, unknown.
_GROUP = 64
#: A script holds up everybody who asks Redis for as long as it runs.
_GROUP_BYTES = 1024 * 1024
_AGAIN_S = 0.2
_TELL_EVERY_S = 1.0


class Settler:
    """
    Takes settlements without waiting, writes them in order of arrival. While one round trip is under way the next group gathers:
    under load groups are large, when idle each goes at once.

    What the ledger cannot take is kept here and tried again until it is back (an answer must not be lost with it).
    """

    def __init__(self, settings: Settings, ledger: IntentLedger, client: LedgerClient, report_kind: Reporter) -> None:
        self.gates = LocalGates(settings, ledger, client, report_kind, self._wake)
        self._ledger = ledger
        self._client = client
        self._report_kind = report_kind
        self._waiting: list[Settlement] = []
        self._ended: Counter[str] = Counter()
        self._size = _GROUP
        self._changed = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()

    def add(self, settlement: Settlement) -> None:
        """Have it written soon."""
        self._waiting.append(settlement)
        self._wake()

    def _wake(self) -> None:
        self._idle.clear()
        self._changed.set()

    @property
    def unsettled(self) -> int:
        return len(self._waiting)

    async def settled(self, within_s: float) -> bool:
        """Wait until everything is written. False where the time was not enough."""
        try:
            async with asyncio.timeout(within_s):
                await self._idle.wait()
        except TimeoutError:
            return False
        return True

    async def run(self) -> None:
        """Write for ever."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            while self._waiting or self.gates.has_news:
                try:
                    await self.gates.tell()  # first: what is about to wait for a gate must find it shut
                    await self._write()
                except LedgerUnavailable:
                    await asyncio.sleep(_AGAIN_S)
                except Exception:  # a bug must not end the one task that must not end
                    log.error("settle_failed", exc_info=True)
                    await asyncio.sleep(_AGAIN_S)
            self._idle.set()

    async def _write(self) -> None:
        group = self._group()
        if not group:
            return
        try:
            settled = await self._client.do(self._ledger.settle(group))
        except LedgerUnavailable:
            raise
        except Exception:
            if len(group) == 1:  # its lease ends, and then it is a record as `unknown`; the others must not wait for it
                log.error("settle_given_up", intent_id=group[0].claim.intent_id, settlement=group[0].event.value, exc_info=True)
                del self._waiting[:1]
            self._size = 1
            return
        self._size = _GROUP
        del self._waiting[: len(group)]
        if not self._ended:
            asyncio.get_running_loop().call_later(_TELL_EVERY_S, self.tell)
        for settlement, done in zip(group, settled, strict=True):
            if not done:
                log.warning("settled_late", intent_id=settlement.claim.intent_id, settlement=settlement.event.value)
                continue
            self._ended[settlement.event.value] += 1
            if settlement.event is Event.GIVEN_UP:
                self._report_kind(
                    kind="dead_letter",
                    reason=str(settlement.reason),
                    code=settlement.code,
                    application=settlement.claim.application,
                    lane=settlement.claim.lane,
                )

    def _group(self) -> list[Settlement]:
        """What is written next: as many as fit, by number and by size."""
        group: list[Settlement] = []
        size = 0
        for settlement in self._waiting[: self._size]:
            size += len(settlement.payload or "")
            if group and size > _GROUP_BYTES:
                break
            group.append(settlement)
        return group

    def tell(self) -> None:
        """Log what was settled since the last time: one line for many; whose fate turned worse has a line of its own beside it."""
        if self._ended:
            log.info("settled", **self._ended)
            self._ended = Counter()
