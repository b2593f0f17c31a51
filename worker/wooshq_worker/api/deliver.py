"""One intent's calls inside one claim: the first one straight, short retries through Tenacity."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import ClassVar, Final, Literal, TypedDict

from tenacity import AsyncRetrying, RetryCallState, retry_if_result

from wooshq_worker.api.backoff import Backoff, wait_before
from wooshq_worker.api.judge import judge
from wooshq_worker.api.outcome import Answer, Outcome
from wooshq_worker.api.verdict import Retry, Sent, Unknown, Verdict


@dataclass(frozen=True, slots=True)
class ShortRetries:
    """
    tries: calls in one claim, the first included. total_s: waiting between them, all together; what needs longer goes to the due set.
    base_s: ceiling of the first wait, doubles.
    """

    tries: int
    total_s: float
    base_s: float = 0.25


class AttemptRecord(TypedDict):
    """An attempt as machines read it. at: RFC 3339, UTC."""

    at: str
    outcome: Literal["sent", "retry", "dead", "hold", "unknown"]
    http_status: int | None
    code: str | None
    latency_ms: float
    error: str | None


@dataclass(frozen=True, slots=True)
class Attempt:
    """One call. at: aware UTC, before it. code: of the verdict, None where it was sent. error: scrubbed, for a person."""

    at: datetime
    outcome: Literal["sent", "retry", "dead", "hold", "unknown"]
    http_status: int | None
    code: str | None
    latency_ms: float
    error: str | None

    def as_dict(self) -> AttemptRecord:
        return {
            "at": f"{self.at.astimezone(UTC):%Y-%m-%dT%H:%M:%S}.{self.at.microsecond // 1000:03d}Z",
            "outcome": self.outcome,
            "http_status": self.http_status,
            "code": self.code,
            "latency_ms": self.latency_ms,
            "error": self.error,
        }


@dataclass(frozen=True, slots=True)
class Withheld:
    """No call was made. why: what `may_go` said."""

    outcome: ClassVar[Literal["withheld"]] = "withheld"
    why: str


@dataclass(frozen=True, slots=True)
class Delivery:
    """verdict: of the last call. attempts: every call, in order; empty where the verdict is Withheld."""

    verdict: Verdict | Withheld
    attempts: tuple[Attempt, ...]


def _utc_now() -> datetime:
    return datetime.now(UTC)


def _goes() -> str | None:
    return None


def _nobody(verdict: Verdict) -> None:
    return None


async def deliver(
    call: Callable[[], Awaitable[Outcome]],
    *,
    policy: ShortRetries,
    retry_after_ceiling_s: float,
    may_go: Callable[[], str | None] = _goes,
    heard: Callable[[Verdict], None] = _nobody,
    secrets: Callable[[], Collection[str]] = tuple,
    now: Callable[[], datetime] = _utc_now,
    monotonic: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    dice: Callable[[], float] = random.random,
) -> Delivery:
    """
    Call until there is a verdict that a short wait cannot better. Raises nothing but CancelledError.

    may_go: asked just before each call is written (rest of the lease, expiry, gates); a reason to stay stops every further one.
    heard: told of each call's verdict as it comes, so that a hundred neighbours need not find out the same, three times each.
    secrets: token and recipients, asked for only where an answer is quoted.

    Only a Retry whose wait fits into what is left of `policy.total_s` is tried again here. Given back at once: a longer Retry-After (the
    due set waits better), a Retry that concerns the whole application, and Unknown (whether a person may get it twice is not for us).
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
        except Exception as error:  # a bug of ours, after which the request may have left: its message may quote anybody, so only its type
            verdict = Unknown("BUG", f"{type(error).__name__} in wooshq's own code: the request may have left")
        attempts.append(_attempt(at, verdict, status, monotonic() - started))
        heard(verdict)
        return verdict

    verdict = await once()
    if _short(verdict) and policy.tries > 1:
        verdict = await _again(verdict, once, policy=policy, may_go=may_go, sleep=sleep, dice=dice)
    return Delivery(verdict, tuple(attempts))


async def _again(
    first: Verdict,
    once: Callable[[], Awaitable[Verdict]],
    *,
    policy: ShortRetries,
    may_go: Callable[[], str | None],
    sleep: Callable[[float], Awaitable[None]],
    dice: Callable[[], float],
) -> Verdict:
    """
    The calls after the first. Tenacity is entered only here: it costs some 60 µs of CPU; a message sent at once costs 9 without it.

    By result only, never by exception: a cancelled call stays cancelled (jd/tenacity#529).
    """
    backoff = Backoff(base_s=policy.base_s, ceiling_s=max(policy.total_s, policy.base_s))
    latest, rounds, stays = first, 0, False

    async def again() -> Verdict:
        nonlocal latest, rounds, stays
        rounds += 1
        if rounds > 1:  # the first round is the call that was already made
            stays = may_go() is not None
            if not stays:
                latest = await once()
        return latest

    def wait(state: RetryCallState) -> float:
        asked_for_s = latest.not_before_s if isinstance(latest, Retry) else None
        return max(asked_for_s or 0.0, wait_before(state.attempt_number + 1, backoff, jitter=dice()))

    def stop(state: RetryCallState) -> bool:
        return stays or state.attempt_number >= policy.tries or state.idle_for + state.upcoming_sleep > policy.total_s

    retrying = AsyncRetrying(
        retry=retry_if_result(_short),
        wait=wait,
        stop=stop,
        sleep=sleep,
        reraise=True,
        retry_error_callback=lambda _: latest,  # out of tries is no error: the verdict stands
    )
    return await retrying(again)


def _short(verdict: Verdict) -> bool:
    """Whether a short wait may better it."""
    return isinstance(verdict, Retry) and not verdict.gate and verdict.costs_attempt


def _attempt(at: datetime, verdict: Verdict, status: int | None, took_s: float) -> Attempt:
    latency_ms = round(took_s * 1000, 1)
    if isinstance(verdict, Sent):
        return Attempt(at, "sent", status, None, latency_ms, None)
    return Attempt(at, verdict.outcome, status, verdict.code, latency_ms, verdict.detail)


_LISTS: Final = ("users", "hwids", "push_tokens", "test_devices")


def secrets_of(payload: Mapping[str, object], token: str) -> frozenset[str]:
    """What no detail, log or report may quote of a call: the token, the recipients, the personal values of its placeholders."""
    found = {token}
    for kind in ("transactional", "segment"):
        request = payload.get(kind)
        if not isinstance(request, Mapping):
            continue
        for name in _LISTS:
            group = request.get(name)
            identifiers = group.get("list") if isinstance(group, Mapping) else None
            if isinstance(identifiers, list):
                found.update(one for one in identifiers if isinstance(one, str))
        values = request.get("dynamic_content_placeholders")
        if isinstance(values, Mapping):
            found.update(value for value in values.values() if isinstance(value, str))
    return frozenset(found - {""})


def secrets_of_call(identifiers: Collection[str], placeholders: Iterable[tuple[str, str]], token: str) -> frozenset[str]:
    """The same of a call of a fan-out, whose recipients and values are at hand."""
    return frozenset({token, *identifiers, *(value for _, value in placeholders)} - {""})
