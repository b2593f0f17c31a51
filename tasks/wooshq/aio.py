"""The calls of `wooshq` for asyncio, under the same names. Both faces carry out the same descriptions."""

from __future__ import annotations

import asyncio
import builtins
import time
from collections.abc import AsyncIterable, AsyncIterator, Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from wooshq.client import Wooshq
from wooshq.errors import LedgerUnavailable, Problem
from wooshq.events.faces import AsyncWebhooks
from wooshq.finding.faces import AsyncFindCalls
from wooshq.gates.faces import AsyncLimits
from wooshq.history.reading import AskHistory, Reading
from wooshq.installation import forks
from wooshq.installation.installation import Installation
from wooshq.installation.loops import LoopClients, in_thread, in_thread_or_here
from wooshq.installation.places import LOOK_AGAIN_S, RESTARTS_WITHIN_S
from wooshq.intents.accept import accept_intent, accept_intents
from wooshq.intents.cancel import cancel_intent
from wooshq.intents.entry import IntentLike
from wooshq.intents.find import whereabouts
from wooshq.intents.report import Report
from wooshq.intents.resend import resend_intent
from wooshq.intents.status import Status
from wooshq.jobs import calls
from wooshq.jobs.check import Checks, Given, Refused
from wooshq.jobs.feed import FedJob, JobOptions, Listeners, start_job
from wooshq.jobs.preview import Preview, preview_job
from wooshq.jobs.show import InDoubt, Job, Page, find_job, in_doubt_page, list_jobs, recount_job, unknown_identifiers_page
from wooshq.jobs.unreached import Unreached, dead_recipients, doubted_of, note_continued, prepare_continue, unreached_page
from wooshq.ledger.intents import IntentLedger
from wooshq.ledger.jobs import JobLedger
from wooshq.ledger.run import aask, acarry_out
from wooshq.ledger.steps import AskWhetherAway, AsyncStream, CallTurns, FindInSpool, Flow, Keep, Pull, Ring, Sleep, Wanted, Within
from wooshq.letters.faces import AsyncDeadLetters, AsyncReplays
from wooshq.letters.replays.start import Replayed
from wooshq.overview.faces import AsyncOverviewCalls
from wooshq.people.faces import AsyncPeopleCalls
from wooshq.settings import Settings
from wooshq.spool.spooling import Spooling
from wooshq.tokens.faces import AsyncTokens
from wooshq_schemas.recipients.notes import Notes
from wooshq_schemas.recipients.rules import ALL_COLUMNS, RowRules

T = TypeVar("T")


class AsyncWooshq(AsyncFindCalls, AsyncOverviewCalls, AsyncPeopleCalls):
    """`wooshq.Wooshq` for asyncio. It may be used from several event loops: each has its own connections."""

    def __init__(self, settings: Settings | None = None) -> None:
        self.installation = Installation(settings)
        self.dead_letters = AsyncDeadLetters(self)
        self.replays = AsyncReplays(self)
        self.bulk = AsyncJobs(self)
        self.fan_out = self.bulk.fan_out
        self.limits = AsyncLimits(self)
        self.tokens = AsyncTokens(self)
        self.webhooks = AsyncWebhooks(self)
        self._spooling = Spooling(self.installation, self._mover_client)
        self._reading = Reading(lambda: self.settings)
        self._moves: Wooshq | None = None
        self._ledger: IntentLedger | None = None
        self._clients = LoopClients()

    @property
    def settings(self) -> Settings:
        """The configuration. Raises SettingsInvalid if the environment's is not valid."""
        return self.installation.settings

    @property
    def ledger(self) -> IntentLedger:
        """The ledger's scripts for intents."""
        if self._ledger is None:
            self._ledger = IntentLedger(self.settings)
        return self._ledger

    async def enqueue(self, intent: IntentLike) -> str:
        """
        Accept one intent. When this returns its id, it is in the ledger and will end as sent, dead, expired or cancelled.

        Takes at most about `accept_within_s`. Raises IntentInvalid (with every problem), Conflict (the id or idempotency key was used with
        different content), NotAccepted (Redis cannot be reached; the error has the id to retry with). If `spool_dir` is set, an intent waits
        there while Redis cannot be reached, and NotAccepted is raised only if it is full or cannot be written within `accept_within_s` more.
        """
        return await self.do(accept_intent(self.ledger, self.settings, intent))

    async def enqueue_many(self, intents: Iterable[IntentLike] | AsyncIterable[IntentLike]) -> Report:
        """
        Accept an iterable of intents, in batches of `accept_batch`, one round trip each. An invalid intent is reported by its index and
        does not stop the others.

        Memory: one batch, 16 bytes an intent for its id, and the problems of the first 10,000 invalid ones. Raises NotAccepted if Redis
        cannot be reached: its `report` has the accepted intents, its `intent_ids` are the batch in doubt; `spool_dir` counts as in `enqueue`. An
        error of the iterable itself is raised unchanged, with a note that says how many were accepted, and with the `report`.
        """
        return await self.do(accept_intents(self.ledger, self.settings, AsyncStream(intents)))

    async def status(self, intent_id: str, *, application: str | None = None) -> Status | None:
        """
        The state of an intent, with every attempt. None if the id is unknown, or the intent is no longer kept. Also finds what is in the spool
        of this machine (`spool_dir`), and in the history. Raises LedgerUnavailable, HistoryAway.

        intent_id: the id, or the id of the Celery task `wooshq.submit`, or an idempotency key. application: the one that an idempotency key
        was used with (default: PUSHWOOSH_APPLICATION).
        """
        application = application or self.settings.application or ""
        return await self.do(whereabouts(self.ledger.keys, self.settings, intent_id, application))

    async def cancel(self, intent_id: str, *, why: str = "", by: str | None = None) -> str | None:
        """
        Cancel an intent that has not been sent. Returns the state it is in now (`cancelled`, or an earlier end); None if unknown.
        by, why: for the audit log; without `by` it is not noted there.

        `cancelling`: it was sent, and Pushwoosh keeps it until its schedule. A worker asks Pushwoosh to cancel it, and `status` says what
        Pushwoosh answered. After that this returns `cancelled`, or asks again.
        """
        return await self.do(cancel_intent(self.ledger, intent_id, why, by))

    async def resend(self, intent_id: str, why: str, *, by: str | None = None) -> str | None:
        """
        Send again what was sent already, as a new intent: its recipients get it twice, unless they did not get it. Returns the new id; None
        if the id is unknown.

        why, by: in the audit log, and among the doubles; by: None for the user and host. Raises IntentInvalid if it was not sent, is not
        valid today or has expired; ValueError without a reason.
        """
        return await self.do(resend_intent(self.ledger, self.settings, intent_id, why, by))

    async def flush(self, within_s: float = 5.0) -> bool:
        """Wait until the broker was told of everything accepted here. Safety does not need it. False if the time was not enough."""
        return await asyncio.to_thread(self.installation.flush, within_s)

    async def close(self) -> None:
        """Publish what waits, close connections, and release the embedded Redis."""
        await asyncio.to_thread(self._stop_moving)
        await asyncio.to_thread(self.installation.close)
        await self._clients.close()

    async def reset(self) -> None:
        """
        Close everything, and read the settings of the environment again at the next call. For tests, and for programs that change them.

        Settings that were given to this object stay. Call it while no other call is in progress.
        """
        await asyncio.to_thread(self._stop_moving)
        await asyncio.to_thread(self.installation.reset)
        await self._clients.close()
        self._ledger = self.bulk._ledger = self._moves = None

    async def __aenter__(self) -> AsyncWooshq:
        """Opens Redis now, and waits until an embedded one has loaded its file. Raises EmbeddedRedisError, SettingsInvalid."""
        await asyncio.to_thread(self.installation.open)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def do(self, flow: Flow[T]) -> T:
        """Carry out a described call. Each round trip takes at most `accept_within_s`. Raises LedgerUnavailable."""
        forks.check()
        return await acarry_out(flow, self._carry_out)

    async def _carry_out(self, wanted: Wanted) -> Any:
        match wanted:
            case Sleep():
                await asyncio.sleep(wanted.seconds)
            case Ring():
                self.installation.ring(wanted.lane)
            case CallTurns():
                self.installation.call_turns(wanted.n)
            case Pull(stream=AsyncStream() as stream):
                return await stream.pull(wanted.into)
            case AskWhetherAway():
                self._spooling.before_asking()
            case Keep() | FindInSpool():
                return await in_thread_or_here(lambda: self._spooling.answer(wanted))
            case AskHistory():
                return await in_thread_or_here(lambda: self._reading.ask(wanted.ask))
            case Within():
                return await self._within(wanted)
            case _:
                return await self._ask(wanted)

    def _stop_moving(self) -> None:
        self._spooling.close()
        self._reading.close()
        if self._moves is not None:
            self._moves._close_redis()

    def _mover_client(self) -> Wooshq:
        """What the spool's thread moves with. It has no event loop, and shares the installation."""
        if self._moves is None:
            self._moves = Wooshq()
            self._moves.installation = self.installation
        return self._moves

    async def _within(self, wanted: Within) -> Any:
        try:
            async with asyncio.timeout(wanted.seconds):
                return await self.do(wanted.flow)
        except TimeoutError:
            why = f"Redis at {self.installation.where} did not answer for {wanted.seconds:g} s"
            raise LedgerUnavailable(why, maybe_done=True) from None

    async def _ask(self, wanted: Wanted) -> Any:
        if (memory := self.installation.memory) is not None:
            await asyncio.sleep(0)  # other tasks get their turn, as they do while a Redis answers
            return memory.ask(wanted)
        within_s = self.settings.accept_within_s
        reach = self.installation.reach
        places = await in_thread(lambda: reach(within_s)) if self.installation.opens_slowly else reach(within_s)
        restart_by = time.monotonic() + min(within_s, RESTARTS_WITHIN_S)
        while True:
            try:
                return await aask(wanted, await self._clients.get(places.redis_url, within_s), places.where)
            except LedgerUnavailable as error:
                if not places.restarts(error) or time.monotonic() > restart_by:
                    raise
                await asyncio.sleep(LOOK_AGAIN_S)


class AsyncJobs:
    """The calls for fan-out jobs: start, list, show, pause, resume, cancel, and what is kept of single recipients."""

    def __init__(self, owner: AsyncWooshq) -> None:
        self._w = owner
        self._ledger: JobLedger | None = None

    @property
    def ledger(self) -> JobLedger:
        """The ledger's scripts for jobs."""
        if self._ledger is None:
            self._ledger = JobLedger(self._w.settings)
        return self._ledger

    async def fan_out(
        self,
        template: Any,
        recipients: Iterable[Given] | AsyncIterable[Given],
        *,
        rate: float | None = None,
        steps: str | Sequence[int | str] = (),
        total: int | None = None,
        stop_at: float | None = None,
        step_wait_s: float | None = None,
        allow_missing: bool = False,
        also: Collection[str] | None = None,
        max_rejects: str | int = "1%",
        limit: int | None = None,
        rows: RowRules = ALL_COLUMNS,
        resume: str | None = None,
        refused: Callable[[Refused], object] | None = None,
        opened: Callable[[str], object] = lambda job_id: None,
        fed: Callable[[], object] = lambda: None,
        noted: Callable[[str], object] = lambda sentence: None,
        source: str = "",
    ) -> AsyncJobHandle:
        """
        Send a template (an intent without `to`) to each recipient once. When this returns, all recipients are in the ledger.

        recipients: any iterable of mappings (`{"user": "u1", "name": "Ann"}`) or user ids, or a `RecipientsFile`. Memory does not grow with
        them; if the workers are slower, this waits. rows: how their columns are read, see `RowRules`. Only values
        that the texts name are sent, and those of `also`. rate: calls a second. steps, total, stop_at, step_wait_s: a roll-out, see
        `JobRules` and `rollout_of`. allow_missing: start although a text names a value that no recipient has. max_rejects: how many of the
        first 2,000 may be no recipients: a number, or a percentage (at least 10 may be). limit: take only so many recipients, the first ones.
        resume: id of a job whose feeding was interrupted; give the same recipients, and no rules. source: kept with the job, for people.
        refused: called with each item that is not a recipient; such items stop nothing. opened: called with the job's id. fed: called now
        and then while this waits. noted: called, before the job begins, with a sentence if one identifier or one fault repeats among the
        first recipients, if some of them have no value that a text names, or if a text has `{{name}}` instead of `{name}`.

        Raises TypeError (recipients is not a stream of recipients), IntentInvalid (the template), ValueError (the rules), JobRefused (the
        first recipients do not fit the template), RecipientsUnreadable (a file), Conflict (the idempotency key was used with another
        template), NotAccepted (Redis is out of reach; no job was started), FeedInterrupted (later; carries the id to resume with),
        RecipientsChanged, JobUnknown.
        """
        options = JobOptions(
            rate, steps, total, stop_at, step_wait_s, resume, source, Checks(allow_missing, also, max_rejects), limit, rows
        )
        listeners = Listeners(refused, opened, fed, noted)
        job = await self._w.do(start_job(self.ledger, self._w.settings, template, AsyncStream(recipients), options, listeners))
        return AsyncJobHandle(self, job)

    async def preview(
        self,
        template: Any,
        recipients: Iterable[Given] | AsyncIterable[Given],
        *,
        allow_missing: bool = False,
        also: Collection[str] | None = None,
        max_rejects: str | int = "1%",
        limit: int | None = None,
        rows: RowRules = ALL_COLUMNS,
        refused: Callable[[Refused], object] | None = None,
        columns: Collection[str] = (),
    ) -> Preview:
        """
        What `fan_out` would do with the same arguments, without doing it: calls, recipients by locale, some messages. It reads all
        recipients, needs no Redis, and sends nothing.

        Its `problems` say why the job would not start. columns: names of more columns that the recipients have. Raises TypeError, ValueError
        and IntentInvalid as `fan_out` does.
        """
        checks = Checks(allow_missing, also, max_rejects)
        return await self._w.do(
            preview_job(
                self._w.settings, template, AsyncStream(recipients), checks, limit=limit, rows=rows, refused=refused, columns=columns
            )
        )

    async def list(self, *, most: int | None = None) -> builtins.list[Job]:
        """Jobs, the newest first, at most `most`."""
        return await self._w.do(list_jobs(self.ledger.keys, most=most))

    async def show(self, job_id: str) -> Job:
        """The state of a job, with its counters. Raises JobUnknown."""
        return await self._w.do(find_job(self.ledger.keys, job_id))

    async def pause(self, job_id: str, why: str = "paused manually", *, by: str | None = None) -> Job:
        """Pause a job. Calls in progress end; `gone_out` says how many recipients they reached. Raises JobUnknown."""
        return await self._w.do(calls.pause(self.ledger, job_id, why, by))

    async def resume(self, job_id: str, why: str = "", *, by: str | None = None) -> Job:
        """Resume a job that was paused or stopped; a roll-out starts its next step. Raises JobUnknown."""
        return await self._w.do(calls.resume(self.ledger, job_id, why, by))

    async def cancel(self, job_id: str, why: str = "", *, by: str | None = None) -> Job:
        """Cancel a job. Recipients not yet sent to are skipped; `gone_out` says how many were sent to. Raises JobUnknown."""
        return await self._w.do(calls.cancel(self.ledger, job_id, why, by))

    async def set_rate(self, job_id: str, rate: float | None, *, why: str = "", by: str | None = None) -> Job:
        """Change a job's own limit, in calls a second; None for none. It counts at once. Raises JobUnknown, ValueError."""
        return await self._w.do(calls.set_rate(self.ledger, job_id, rate, why, by))

    async def retry_failed(
        self, job_id: str, *, dry_run: bool = False, rate: float | None = None, in_doubt: bool = False, why: str = "", by: str | None = None
    ) -> Replayed:
        """
        Replay the job's open dead letters. Those with the same text share calls, and the counters of the job follow: see `dead_letters.replay`.
        Recipients that received the message are skipped. Raises JobUnknown.

        in_doubt: True also replays letters in doubt (reasons `unknown`, `poison`): their recipients may receive the message twice. why, by: kept with
        the replay; by: None for the user and host.
        """
        return await self._w.do(
            calls.retry_failed(self.ledger, self._w.settings, job_id, dry_run=dry_run, rate=rate, in_doubt=in_doubt, why=why, by=by)
        )

    async def recount(self, job_id: str) -> dict[str, int]:
        """The job's counters, counted again from its chunks. Raises JobUnknown if they are no longer kept."""
        return await self._w.do(recount_job(self.ledger.keys, job_id))

    def unknown_identifiers(self, job_id: str) -> AsyncIterator[str]:
        """Every identifier of the job that the API did not know. Raises JobUnknown."""
        return self._paged(lambda start: unknown_identifiers_page(self.ledger.keys, job_id, start))

    async def unreached(self, job_id: str, *, dead: bool = True) -> AsyncIterator[Unreached]:
        """
        Every recipient of a job that was neither sent to nor is in doubt, of a job that was cancelled, has expired, is paused or stopped.

        dead: also those with an open dead letter; they come last. Recipients that were never given to the job are not among them (`Job.is_fed`).
        Raises JobUnknown (also if they are no longer kept), ValueError while recipients are being sent to.
        """
        doubted = await self._w.do(doubted_of(self.ledger.keys, job_id))
        start: int | None = 0
        while start is not None:
            page, start = await self._w.do(unreached_page(self.ledger.keys, job_id, start, doubted))
            for one in page:
                yield one
        if dead:
            for one in await self._w.do(dead_recipients(self.ledger.keys, job_id, doubted)):
                yield one

    async def continue_job(
        self,
        job_id: str,
        *,
        patch: Mapping[str, Any] | None = None,
        rate: float | None = None,
        why: str = "",
        by: str | None = None,
    ) -> AsyncJobHandle:
        """
        Start a job for those whom another job did not reach: see `unreached`, without the dead, which have letters (`retry_failed`).

        A job that is paused or stopped is cancelled first, so that nobody resumes it. patch: a JSON merge patch for its template. An
        `expires_at` that has come is left out. Called again, it goes on with the same new job: nobody is sent to twice. why, by: for the audit
        log. Raises JobUnknown, ValueError (recipients are being sent to, or nobody is left), Conflict (called again with another patch), and
        what `fan_out` raises.
        """
        continued = await self._w.do(prepare_continue(self.ledger, job_id, patch, why, by))
        recipients = (one.as_recipient async for one in self.unreached(job_id, dead=False))
        options = JobOptions(rate=rate, checks=Checks(allow_missing=True), source=f"the recipients that job {job_id} did not reach")
        job = await self._w.do(start_job(self.ledger, self._w.settings, continued.template, AsyncStream(recipients), options, Listeners()))
        started = await self.show(job.id)
        await self._w.do(note_continued(self.ledger.keys, job_id, job.id, started.total, continued))
        return AsyncJobHandle(self, job)

    def in_doubt(self, job_id: str) -> AsyncIterator[InDoubt]:
        """Every recipient of the job that is in doubt, the oldest case first. Raises JobUnknown."""
        return self._paged(lambda start: in_doubt_page(self.ledger.keys, job_id, start))

    async def wait(self, job_id: str, within_s: float | None = None, watch: Callable[[Job], object] = lambda job: None) -> Job:
        """Wait until a job has ended, or is paused or stopped. watch: called with the job meanwhile. Raises JobUnknown."""
        return await self._w.do(calls.wait(self.ledger, job_id, within_s, watch))

    async def _paged(self, page_from: Callable[[str | None], Flow[Page[T]]]) -> AsyncIterator[T]:
        start: str | None = None
        while True:
            page = await self._w.do(page_from(start))
            for item in page.items:
                yield item
            if (start := page.following) is None:
                return


class AsyncJobHandle:
    """A job to watch, pause and cancel. refused, duplicates, errors, notes: what was found in the stream that it was made from."""

    def __init__(self, jobs: AsyncJobs, job: FedJob) -> None:
        self._jobs = jobs
        self.id = job.id
        self.is_new = job.is_new
        """False if it was started earlier: resumed, or known by the template's idempotency key."""
        self.refused = job.refused
        """Items that are not recipients."""
        self.duplicates = job.duplicates
        """Recipients that came again; each was taken once."""
        self.errors: dict[int, tuple[Problem, ...]] = job.errors
        """Place in the stream → problems, for the first 10,000 items that are not recipients."""
        self.notes: Notes = job.notes
        """What was noted about recipients that were taken, such as a locale that Pushwoosh does not know."""
        self.columns_not_sent = job.columns_not_sent
        """Columns that the first recipients have, and that are not sent because no text names them."""
        self.limit = job.limit
        """How many recipients the job takes, the first ones; None for all."""

    async def show(self) -> Job:
        """Where the job is. Raises JobUnknown."""
        return await self._jobs.show(self.id)

    async def pause(self, why: str = "paused manually", *, by: str | None = None) -> Job:
        """Pause the job. Calls in progress end."""
        return await self._jobs.pause(self.id, why, by=by)

    async def resume(self, why: str = "", *, by: str | None = None) -> Job:
        """Resume the job; a roll-out starts its next step."""
        return await self._jobs.resume(self.id, why, by=by)

    async def cancel(self, why: str = "", *, by: str | None = None) -> Job:
        """Cancel the job. Recipients not yet sent to are skipped."""
        return await self._jobs.cancel(self.id, why, by=by)

    async def wait(self, within_s: float | None = None, watch: Callable[[Job], object] = lambda job: None) -> Job:
        """Wait until the job has ended, or is paused or stopped. watch: called with the job meanwhile."""
        return await self._jobs.wait(self.id, within_s, watch)

    def __repr__(self) -> str:
        return f"<AsyncJobHandle {self.id}>"


_default = AsyncWooshq()
bulk = _default.bulk
cancel = _default.cancel
dead_letters = _default.dead_letters
enqueue = _default.enqueue
enqueue_many = _default.enqueue_many
fan_out = _default.fan_out
find = _default.find
gates = _default.gates
limits = _default.limits
pause = _default.pause
replays = _default.replays
reset = _default.reset
resume = _default.resume
status = _default.status

__all__ = [
    "AsyncWooshq",
    "bulk",
    "cancel",
    "dead_letters",
    "enqueue",
    "enqueue_many",
    "fan_out",
    "find",
    "gates",
    "limits",
    "pause",
    "replays",
    "reset",
    "resume",
    "status",
]
