"""An application's gates in this process: shut at once when an answer says so, and reported to the ledger soon."""

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
class _ShutHere:
    """A gate that an answer shut. reported_at: since when the ledger knows; what it admits later, it admits knowingly."""

    gate: str
    until: float
    reported_at: float | None = None


class LocalGates:
    """
    A hundred calls are in progress when the first answer says "too many": the next ones must not find it out one by one.

    Moments are monotonic seconds. The ledger decides; this only bridges the time until the ledger knows.
    """

    def __init__(
        self, settings: Settings, ledger: IntentLedger, client: LedgerClient, report_kind: Reporter, on_news: Callable[[], None]
    ) -> None:
        """on_news: called when there is something to report to the ledger."""
        self._s = settings
        self._ledger = ledger
        self._client = client
        self._report_kind = report_kind
        self._on_news = on_news
        self._shut_here: dict[str, _ShutHere] = {}
        self._failed_in_row: dict[str, int] = {}
        # Not yet reported, by application: successes, failures, and gates that answers shut.
        self._well: Counter[str] = Counter()
        self._failed: Counter[str] = Counter()
        self._shuts: dict[str, dict[str, Shut]] = {}
        self._watched: set[str] = set()  # applications whose successes the ledger must know: they may open a gate

    def gate_shut_for(self, application: str) -> str | None:
        """The gate that this process knows to be shut; None if it knows of none."""
        known = self._shut_here.get(application)
        return known.gate if known is not None and time.monotonic() < known.until else None

    def admitted(self, application: str, asked_at: float, *, probe: bool) -> None:
        """The ledger, asked at that moment, admitted calls of an application: the gates that it knew of then are open."""
        if probe:
            self._watched.add(application)
        known = self._shut_here.get(application)
        if known is not None and (probe or (known.reported_at is not None and known.reported_at <= asked_at)):
            del self._shut_here[application]

    def on_verdict(self, application: str, verdict: Verdict) -> None:
        """Note how a call ended. Enough failures in a row shut the circuit here at once; the ledger's circuit breaker follows."""
        match verdict:
            case Sent() | Dead():  # the API answers
                self._failed_in_row.pop(application, None)
                if application in self._watched:
                    self._well[application] += 1
                    self._on_news()
            case Hold():
                self.shut(application, verdict.gate, verdict.detail, verdict.not_before_s or 0.0)
            case Retry(application_waits=True):
                self.shut(application, "not_before", verdict.detail, verdict.not_before_s or 0.0)
            case Unknown() | Retry(costs_attempt=True):
                failed = self._failed_in_row[application] = self._failed_in_row.get(application, 0) + 1
                self._failed[application] += 1
                self._watched.add(application)
                self._on_news()
                if failed >= self._s.breaker_failures:
                    self._shut(application, "circuit", self._s.breaker_open_s)

    def shut(self, application: str, gate: str, why: str, not_before_s: float = 0.0) -> None:
        """Shut a gate here now, and in the ledger soon. If several answers shut it, the longest wait counts."""
        self._shut(application, gate, max(not_before_s, self._s.breaker_open_s))
        known = self._shuts.setdefault(application, {}).get(gate)
        if known is None or not_before_s > known.not_before_s:
            self._shuts[application][gate] = Shut(gate, why, not_before_s)
        self._watched.add(application)
        self._on_news()

    def shut_without_token(self, application: str) -> None:
        """Shut the gate `token` of an application that has no API token: its messages wait until there is one."""
        self.shut(
            application, "token", f"no token is set for the application {application}: set PUSHWOOSH_API_TOKEN and restart the worker"
        )

    def _shut(self, application: str, gate: str, for_s: float) -> None:
        self._shut_here[application] = _ShutHere(gate, time.monotonic() + for_s)

    @property
    def has_news(self) -> bool:
        """Whether there is something to report to the ledger."""
        return bool(self._shuts or self._failed or self._well)

    async def report(self) -> None:
        """Report the news to the ledger; one round trip for each application with news. Raises LedgerUnavailable; call again then."""
        for application in {*self._well, *self._failed, *self._shuts}:
            await self._report(application)
        self._well += Counter()  # drops zeros
        self._failed += Counter()

    async def _report(self, application: str) -> None:
        well, failed = self._well[application], self._failed[application]
        shuts = dict(self._shuts.get(application, {}))  # more may come during the round trip
        shut_here = self._shut_here.get(application)
        events = await self._client.do(self._ledger.gates.report(application, well=well, failed=failed, shuts=list(shuts.values())))
        # Only now: if the ledger was unavailable, they must be reported again.
        self._well[application] -= well
        self._failed[application] -= failed
        if self._shuts.get(application) == shuts:
            self._shuts.pop(application, None)
        if shut_here is not None:
            shut_here.reported_at = time.monotonic()
        for event in events:
            what, gate = event.split()
            log.warning(f"gate_{what}", gate=gate, application=application)
            if what == "shut":
                self._report_kind(kind="gate_shut", reason=gate, code="", application=application, lane="")
        if well and not failed and not shuts:
            self._watched.discard(application)
