"""An application's gates in this process: shut at once when an answer says so, and reported to the ledger soon."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from wooshq.ledger.gates import IN_DOUBT_SHUT, NOT_UNDERSTOOD_PEOPLE_SHUT, NOT_UNDERSTOOD_SHUT, Heard, Shut
from wooshq.ledger.intents import IntentLedger
from wooshq.settings import Settings
from wooshq_worker.api.verdict import Dead, Hold, Retry, Sent, Unknown, Verdict
from wooshq_worker.ledger_client import LedgerClient
from wooshq_worker.observe.few import few
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
        self._since_well: defaultdict[str, Heard] = defaultdict(Heard)  # what this process heard since the API's last good answer
        # Not yet reported, by application: what was heard, and gates that answers shut.
        self._heard: dict[str, Heard] = {}
        self._shuts: dict[str, dict[str, Shut]] = {}
        self.on_opened: Callable[[], object] = lambda: None  #: called when a gate opens: what waited may leave
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

    def on_verdict(self, application: str, verdict: Verdict, recipients: Callable[[], int]) -> None:
        """
        Note how a call ended. Enough failures in a row shut a gate here at once; the ledger's gate follows. recipients: of the call.

        An answer that was not understood counts for the gate `answers`. A refusal that the API itself did not write is no sign that the API
        answers.
        """
        match verdict:
            case Sent() | Dead(by_api=True):
                self._since_well.pop(application, None)
                if application in self._watched:
                    self._hear(application, Heard(well=1))
            case Hold():
                self.shut(application, verdict.gate, verdict.detail, verdict.not_before_s or 0.0)
            case Retry(application_waits=True):
                self.shut(application, "not_before", verdict.detail, verdict.not_before_s or 0.0)
            case Unknown(understood=False):
                heard = Heard(
                    not_understood=1, not_understood_people=recipients(), sample=f"the API's answers are not understood: {verdict.detail}"
                )
                so_far = self._failed(application, heard)
                if so_far.not_understood >= NOT_UNDERSTOOD_SHUT or so_far.not_understood_people >= NOT_UNDERSTOOD_PEOPLE_SHUT:
                    self._shut(application, "answers", self._s.breaker_open_s)
            case Unknown() | Dead() | Retry(costs_attempt=True):
                heard = Heard(failed=1, in_doubt=recipients() if isinstance(verdict, Unknown) else 0)
                so_far = self._failed(application, heard)
                if so_far.failed >= self._s.breaker_failures or so_far.in_doubt >= IN_DOUBT_SHUT:
                    self._shut(application, "circuit", self._s.breaker_open_s)

    def _failed(self, application: str, heard: Heard) -> Heard:
        """Note a failure. What failed since the API's last good answer."""
        self._watched.add(application)
        self._hear(application, heard)
        so_far = self._since_well[application] = self._since_well[application].plus(heard)
        return so_far

    def _hear(self, application: str, heard: Heard) -> None:
        self._heard[application] = self._heard.get(application, Heard()).plus(heard)
        self._on_news()

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
        return bool(self._shuts or self._heard)

    async def report(self) -> None:
        """Report the news to the ledger; one round trip for each application with news. Raises LedgerUnavailable; call again then."""
        for application in {*self._heard, *self._shuts}:
            await self._report(application)

    async def _report(self, application: str) -> None:
        heard = self._heard.pop(application, Heard())
        shuts = dict(self._shuts.get(application, {}))  # more may come during the round trip
        shut_here = self._shut_here.get(application)
        try:
            events = await self._client.do(self._ledger.gates.report(application, heard, list(shuts.values())))
        except BaseException:  # it must be reported again
            self._heard[application] = heard.plus(self._heard.get(application, Heard()))
            raise
        if self._shuts.get(application) == shuts:
            self._shuts.pop(application, None)
        if shut_here is not None:
            shut_here.reported_at = time.monotonic()
        for event in events:
            what, gate = event.split()
            known = shuts.get(gate)
            self._note(application, what, gate, known.why if known is not None and what == "shut" else "")
        if heard.well and not (heard.failed or heard.not_understood or shuts):
            self._watched.discard(application)

    def _note(self, application: str, what: str, gate: str, why: str) -> None:
        """A gate was opened or shut by this report. why: what this worker was told, or ''."""
        tell = log.info if what == "opened" else log.warning
        few(tell, f"gate_{what}", {"gate": gate}, application=application, why=why or None)
        if what == "opened":
            self.on_opened()
        if what == "shut":
            if application not in self._shut_here:  # calls that were admitted before wait in this process
                self._shut_here[application] = _ShutHere(gate, time.monotonic() + self._s.breaker_open_s, time.monotonic())
            self._report_kind(kind="gate_shut", reason=gate, code="", application=application, lane="")
