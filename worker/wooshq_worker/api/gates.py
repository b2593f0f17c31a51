"""What answers say of an application's gates: remembered in this process at once, told to the ledger soon."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from wooshq.ledger.gates import Shut
from wooshq.ledger.intents import IntentLedger
from wooshq.settings import Settings
from wooshq_worker.api.verdict import Dead, Hold, Retry, Sent, Unknown, Verdict
from wooshq_worker.ledger_client import LedgerClient
from wooshq_worker.observe.sentry import Reporter

log = structlog.get_logger("wooshq.gates")


@dataclass
class _Remembered:
    """A gate that an answer shut. told_at: when the ledger had heard of it; what it lets go afterwards, it lets go knowingly."""

    gate: str
    until: float
    told_at: float | None = None


class LocalGates:
    """
    A hundred calls are under way when the first answer says that it was too much: the others need not find out one by one.

    Moments are monotonic seconds. The ledger decides; this only bridges the moment until it has heard.
    """

    def __init__(
        self, settings: Settings, ledger: IntentLedger, client: LedgerClient, report_kind: Reporter, news: Callable[[], None]
    ) -> None:
        """news: called where there is something to tell."""
        self._s = settings
        self._ledger = ledger
        self._client = client
        self._report_kind = report_kind
        self._news = news
        self._remembered: dict[str, _Remembered] = {}
        self._failed_in_row: dict[str, int] = {}
        self._well: Counter[str] = Counter()
        self._failed: Counter[str] = Counter()
        self._shuts: dict[str, dict[str, Shut]] = {}
        self._watched: set[str] = set()  # applications whose gates want to hear of successes

    def gate_shut_for(self, application: str) -> str | None:
        """The gate that this process knows to be shut; None where it knows of none."""
        known = self._remembered.get(application)
        return known.gate if known is not None and time.monotonic() < known.until else None

    def admitted(self, application: str, asked_at: float, *, probe: bool) -> None:
        """The ledger, asked at that moment, let calls of an application go: what was told to it before is past."""
        if probe:
            self._watched.add(application)
        known = self._remembered.get(application)
        if known is not None and (probe or (known.told_at is not None and known.told_at <= asked_at)):
            del self._remembered[application]

    def on_verdict(self, application: str, verdict: Verdict) -> None:
        """How a call went. Enough failures in a row stop this process at once; the ledger's circuit breaker follows."""
        match verdict:
            case Sent() | Dead():  # the API is there, and answers
                self._failed_in_row.pop(application, None)
                if application in self._watched:
                    self._well[application] += 1
                    self._news()
            case Hold():
                self.shut(application, verdict.gate, verdict.detail, verdict.not_before_s or 0.0)
            case Retry(application_waits=True):
                self.shut(application, "not_before", verdict.detail, verdict.not_before_s or 0.0)
            case Unknown() | Retry(costs_attempt=True):
                failed = self._failed_in_row[application] = self._failed_in_row.get(application, 0) + 1
                self._failed[application] += 1
                self._watched.add(application)
                self._news()
                if failed >= self._s.breaker_failures:
                    self._remember(application, "circuit", self._s.breaker_open_s)

    def shut(self, application: str, gate: str, why: str, not_before_s: float = 0.0) -> None:
        """Shut a gate; of several answers about one, the longest counts."""
        self._remember(application, gate, max(not_before_s, self._s.breaker_open_s))
        known = self._shuts.setdefault(application, {}).get(gate)
        if known is None or not_before_s > known.not_before_s:
            self._shuts[application][gate] = Shut(gate, why, not_before_s)
        self._watched.add(application)
        self._news()

    def _remember(self, application: str, gate: str, for_s: float) -> None:
        self._remembered[application] = _Remembered(gate, time.monotonic() + for_s)

    @property
    def has_news(self) -> bool:
        """Whether there is something that the ledger has not heard."""
        return bool(self._shuts or self._failed or self._well)

    async def tell(self) -> None:
        """Tell the ledger. Raises LedgerUnavailable; then it is told again."""
        for application in {*self._well, *self._failed, *self._shuts}:
            well, failed = self._well[application], self._failed[application]
            shuts = dict(self._shuts.get(application, {}))  # more may come while they are told
            remembered = self._remembered.get(application)
            events = await self._client.do(self._ledger.gates.report(application, well=well, failed=failed, shuts=list(shuts.values())))
            # only now: had the ledger been away, they would have to be told again
            self._well[application] -= well
            self._failed[application] -= failed
            if self._shuts.get(application) == shuts:
                self._shuts.pop(application, None)
            if remembered is not None:
                remembered.told_at = time.monotonic()
            for event in events:
                log.warning("gate_" + event.split()[0], gate=event.split()[1], application=application)
                if event.startswith("shut"):
                    self._report_kind(kind="gate_shut", reason=event.split()[1], code="", application=application, lane="")
            if well and not failed and not shuts:
                self._watched.discard(application)
        self._well += Counter()  # drops zeros
        self._failed += Counter()
