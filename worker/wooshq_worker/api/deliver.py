"""Deliver: one call, and a few short retries of it while the claim lasts."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import ClassVar

from tenacity import AsyncRetrying, RetryCallState, retry_if_result

from wooshq_worker.api.attempt import Attempt, attempt_of
from wooshq_worker.api.backoff import Backoff, wait_before
from wooshq_worker.api.judge import judge
from wooshq_worker.api.outcome import Answer, Outcome
from wooshq_worker.api.verdict import Retry, Unknown, Verdict


@dataclass(frozen=True, slots=True)
class ShortRetries:
    """
    tries: calls in one claim, the first included. total_s: all waits together; a longer wait belongs to the due set.
    base_s: ceiling of the first wait; it doubles with every try.
    """

    tries: int
    total_s: float
    base_s: float = 0.25


@dataclass(frozen=True, slots=True)
class Withheld:
    """No call was made. why: the answer of `may_go`."""

    outcome: ClassVar[str] = "withheld"
    why: str


@dataclass(frozen=True, slots=True)
class Delivery:
    """verdict: of the last call. attempts: every call, in order; empty if the verdict is Withheld."""

    verdict: Verdict | Withheld
    attempts: tuple[Attempt, ...]


def _utc_now() -> datetime:
    return datetime.now(UTC)


def _always() -> str | None:
    return None


def _ignore(verdict: Verdict) -> None:
    return None


async def _no_note(attempts: Sequence[Attempt]) -> None:
    return None


async def _yes(attempts: Sequence[Attempt]) -> bool:
    return True


async def deliver(
    call: Callable[[], Awaitable[Outcome]],
    *,
    policy: ShortRetries,
    retry_after_ceiling_s: float,
    may_go: Callable[[], str | None] = _always,
    on_verdict: Callable[[Verdict], None] = _ignore,
    secrets: Callable[[], Collection[str]] = tuple,
    on_wait: Callable[[Sequence[Attempt]], Awaitable[None]] = _no_note,
    may_repeat: Callable[[Sequence[Attempt]], Awaitable[bool]] = _yes,
    now: Callable[[], datetime] = _utc_now,
    monotonic: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    dice: Callable[[], float] = random.random,
) -> Delivery:
    """
    Call until there is a verdict that a short wait cannot improve. Raises only CancelledError.

    may_go: asked just before each request is written (rest of the lease, expiry, gates). It returns a reason not to call, or None.
    on_verdict: given each verdict as it comes, so that a hundred calls in progress do not each find out the same, three times.
    secrets: token and recipients; asked only if an answer is quoted.
    on_wait: given the calls so far before the wait for another one. may_repeat: given them after the wait, before the request is written;
    False if the call must not be made.

    A Retry is tried again here only if its wait fits into what is left of `policy.total_s`. Three verdicts are returned at once: a Retry
    with a longer Retry-After (it waits in the due set), a Retry that concerns the whole application, and Unknown (another call may send
    the message twice: `on_unknown` decides that).
    """
    if (why := may_go()) is not None:
        return Delivery(Withheld(why), ())
    attempts: list[Attempt] = []

    async def once() -> Verdict:
        at, started = now(), monotonic()
        status: int | None = None
        verdict: Verdict
        try:
            outcome = await call()
            status = outcome.status if isinstance(outcome, Answer) else None
            verdict = judge(outcome, now=now(), retry_after_ceiling_s=retry_after_ceiling_s, secrets=secrets)
        except Exception as error:  # a bug in wooshq; its message may quote a recipient, so only its type is kept
            verdict = Unknown("BUG", f"{type(error).__name__} in wooshq's own code: the request may have been sent", understood=False)
        attempts.append(attempt_of(verdict, at=at, http_status=status, took_s=monotonic() - started))
        on_verdict(verdict)
        return verdict

    verdict = await once()
    if _may_retry_soon(verdict) and policy.tries > 1:
        verdict = await _retry(
            verdict,
            once,
            policy=policy,
            may_go=may_go,
            before_wait=lambda: on_wait(tuple(attempts)),
            after_wait=lambda: may_repeat(tuple(attempts)),
            sleep=sleep,
            dice=dice,
        )
    return Delivery(verdict, tuple(attempts))


async def _retry(
    first: Verdict,
    once: Callable[[], Awaitable[Verdict]],
    *,
    policy: ShortRetries,
    may_go: Callable[[], str | None],
    before_wait: Callable[[], Awaitable[None]],
    after_wait: Callable[[], Awaitable[bool]],
    sleep: Callable[[float], Awaitable[None]],
    dice: Callable[[], float],
) -> Verdict:
    """
    The calls after the first. Only here is Tenacity entered: it costs some 60 µs of CPU, and the first call needs 9 without it.

    It retries by result, never by exception: a cancelled call stays cancelled (jd/tenacity#529).
    """
    backoff = Backoff(base_s=policy.base_s, ceiling_s=max(policy.total_s, policy.base_s))
    latest, rounds, must_stop = first, 0, False

    async def again() -> Verdict:
        nonlocal latest, rounds, must_stop
        rounds += 1
        if rounds > 1:  # the first round is the call that was already made
            # Asked again: the ledger may take half a minute to answer, and meanwhile the message can expire, or the lease can end.
            must_stop = may_go() is not None or not await after_wait() or may_go() is not None
            if not must_stop:
                latest = await once()
        return latest

    def wait(state: RetryCallState) -> float:
        asked_for_s = latest.not_before_s if isinstance(latest, Retry) else None
        return max(asked_for_s or 0.0, wait_before(state.attempt_number + 1, backoff, jitter=dice()))

    def stop(state: RetryCallState) -> bool:
        return must_stop or state.attempt_number >= policy.tries or state.idle_for + state.upcoming_sleep > policy.total_s

    async def note_and_sleep(seconds: float) -> None:
        await before_wait()
        await sleep(seconds)

    retrying = AsyncRetrying(
        retry=retry_if_result(_may_retry_soon),
        wait=wait,
        stop=stop,
        sleep=note_and_sleep,
        reraise=True,
        retry_error_callback=lambda _: latest,  # no tries left is not an error: the verdict counts
    )
    return await retrying(again)


def _may_retry_soon(verdict: Verdict) -> bool:
    """Whether a short wait may improve it."""
    return isinstance(verdict, Retry) and not verdict.application_waits and verdict.costs_attempt
