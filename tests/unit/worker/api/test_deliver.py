"""Delivering: one call, and its short retries inside one claim."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wooshq_worker.api.attempt import Attempt
from wooshq_worker.api.deliver import Delivery, ShortRetries, Withheld, deliver
from wooshq_worker.api.outcome import Answer, Break, Broke, Outcome
from wooshq_worker.api.secrets import secrets_of_body
from wooshq_worker.api.verdict import Dead, Hold, Retry, Sent, Unknown, Verdict

START = datetime(2026, 5, 1, 12, 0, 0, 123456, tzinfo=UTC)
SUCCESS = Answer(200, {}, b'{"message_code": "C-1"}')
POLICY = ShortRetries(tries=3, total_s=3.0, base_s=0.25)


def an_error(status: int, **headers: str) -> Answer:
    return Answer(status, {name.replace("_", "-"): [value] for name, value in headers.items()}, b"")


class World:
    """A clock that moves only in calls and waits, and an API that answers from a list and repeats the last answer."""

    def __init__(self, answers: Sequence[Outcome | Exception], *, call_takes_s: float = 0.05) -> None:
        self.answers = list(answers)
        self.call_takes_s = call_takes_s
        self.clock_s = 0.0
        self.slept: list[float] = []
        self.calls = 0

    async def call(self) -> Outcome:
        self.calls += 1
        self.clock_s += self.call_takes_s
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.clock_s += seconds

    async def deliver(
        self,
        *,
        policy: ShortRetries = POLICY,
        may_go: Callable[[], str | None] = lambda: None,
        on_verdict: Callable[[Verdict], None] = lambda verdict: None,
        ledger_takes_s: float = 0.0,
        dice: float = 0.5,
        secret: str = "",
    ) -> Delivery:
        async def may_repeat(attempts: Sequence[Attempt]) -> bool:
            self.clock_s += ledger_takes_s
            return True

        return await deliver(
            self.call,
            policy=policy,
            retry_after_ceiling_s=3600,
            may_go=may_go,
            on_verdict=on_verdict,
            may_repeat=may_repeat,
            secrets=lambda: [secret] if secret else [],
            now=lambda: START + timedelta(seconds=self.clock_s),
            monotonic=lambda: self.clock_s,
            sleep=self.sleep,
            dice=lambda: dice,
        )


def outcomes(delivery: Delivery) -> list[str]:
    return [attempt.outcome for attempt in delivery.attempts]


class WhenTheFirstCallIsEnough:
    @pytest.mark.parametrize(
        ("answer", "kind"),
        [
            (SUCCESS, Sent),
            (an_error(400), Dead),
            (an_error(401), Hold),
            (an_error(504), Unknown),
            (an_error(502), Unknown),
            (Break(Broke.DISCONNECTED), Unknown),
            (Break(Broke.TLS), Hold),
        ],
    )
    async def test_there_is_one_call_and_no_wait(self, answer: Outcome, kind: type) -> None:
        world = World([answer])
        delivery = await world.deliver()
        assert isinstance(delivery.verdict, kind)
        assert (world.calls, world.slept, len(delivery.attempts)) == (1, [], 1)

    async def test_tenacity_is_not_used(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("wooshq_worker.api.deliver.AsyncRetrying", None)
        assert isinstance((await World([SUCCESS]).deliver()).verdict, Sent)

    async def test_unknown_is_never_retried_here_because_the_message_may_be_sent_twice(self) -> None:
        for kind in (Broke.SILENT, Broke.RESET, Broke.DEADLINE, Broke.MALFORMED, Broke.STRANGE):
            world = World([Break(kind), SUCCESS])
            assert isinstance((await world.deliver()).verdict, Unknown)
            assert world.calls == 1


class WhenAShortRetryMayHelp:
    async def test_it_is_retried_and_every_attempt_is_recorded(self) -> None:
        world = World([an_error(503), Break(Broke.REFUSED, "refused"), SUCCESS])
        delivery = await world.deliver()
        assert delivery.verdict == Sent("C-1")
        assert outcomes(delivery) == ["retry", "retry", "sent"]
        assert [attempt.code for attempt in delivery.attempts] == ["HTTP_503", "REFUSED", None]
        assert [attempt.http_status for attempt in delivery.attempts] == [503, None, 200]
        assert world.slept == [0.125, 0.25]

    async def test_each_verdict_is_seen_as_it_comes_and_may_stop_the_next_call(self) -> None:
        seen: list[Verdict] = []
        world = World([an_error(503)])
        delivery = await world.deliver(on_verdict=seen.append, may_go=lambda: "gate circuit" if seen else None)
        assert world.calls == 1
        assert seen == [delivery.verdict]

    async def test_it_ends_after_the_given_tries_with_the_last_verdict(self) -> None:
        world = World([an_error(503), an_error(500), an_error(507), SUCCESS])
        delivery = await world.deliver()
        assert isinstance(delivery.verdict, Retry)
        assert delivery.verdict.code == "HTTP_507"
        assert world.calls == 3

    async def test_a_later_verdict_that_a_wait_cannot_improve_ends_it(self) -> None:
        for answer, kind in ((an_error(400), Dead), (an_error(401), Hold), (an_error(502), Unknown), (an_error(429), Retry)):
            world = World([an_error(503), answer, SUCCESS])
            assert isinstance((await world.deliver()).verdict, kind)
            assert world.calls == 2

    async def test_one_try_means_one_call(self) -> None:
        world = World([an_error(503), SUCCESS])
        await world.deliver(policy=ShortRetries(tries=1, total_s=3))
        assert world.calls == 1

    async def test_a_retry_after_that_fits_is_waited_for(self) -> None:
        world = World([an_error(503, retry_after="2"), SUCCESS])
        assert isinstance((await world.deliver()).verdict, Sent)
        assert world.slept == [2.0]

    async def test_a_longer_retry_after_is_given_back_at_once(self) -> None:
        world = World([an_error(503, retry_after="4"), SUCCESS])
        delivery = await world.deliver()
        assert isinstance(delivery.verdict, Retry)
        assert delivery.verdict.not_before_s == 4.0
        assert (world.calls, world.slept) == (1, [])

    async def test_two_waits_together_stay_within_the_budget(self) -> None:
        world = World([an_error(503, retry_after="2"), an_error(503, retry_after="2"), SUCCESS])
        assert isinstance((await world.deliver()).verdict, Retry)
        assert (world.calls, world.slept) == (2, [2.0])

    async def test_a_retry_of_the_whole_application_is_given_back_at_once(self) -> None:
        world = World([an_error(429, retry_after="1"), SUCCESS])
        delivery = await world.deliver()
        assert isinstance(delivery.verdict, Retry)
        assert delivery.verdict.application_waits
        assert world.calls == 1

    async def test_a_full_pool_of_our_own_is_given_back_at_once_and_costs_no_attempt(self) -> None:
        world = World([Break(Broke.POOL), SUCCESS])
        delivery = await world.deliver()
        assert isinstance(delivery.verdict, Retry)
        assert not delivery.verdict.costs_attempt
        assert world.calls == 1

    @settings(deadline=None)
    @given(
        statuses=st.lists(st.sampled_from([200, 400, 401, 429, 500, 502, 503, 504]), min_size=1, max_size=12),
        waits=st.lists(st.integers(0, 5), min_size=12, max_size=12),
        tries=st.integers(1, 10),
        total_s=st.floats(0, 10),
        dice=st.floats(0, 1, exclude_max=True),
    )
    def test_never_more_calls_or_longer_waits_than_allowed(
        self, statuses: list[int], waits: list[int], tries: int, total_s: float, dice: float
    ) -> None:
        answers = [SUCCESS if status == 200 else an_error(status, retry_after=str(waits[n])) for n, status in enumerate(statuses)]
        world = World(answers)
        delivery = asyncio.run(world.deliver(policy=ShortRetries(tries, total_s), dice=dice))
        assert world.calls == len(delivery.attempts) <= tries
        assert sum(world.slept) <= total_s
        assert not isinstance(delivery.verdict, Withheld)
        assert delivery.attempts[-1].outcome == delivery.verdict.outcome
        for slept, answer in zip(world.slept, answers, strict=False):
            assert slept >= float(answer.headers["retry-after"][0])


class WhenItMayNotGo:
    async def test_there_is_no_call(self) -> None:
        world = World([SUCCESS])
        assert await world.deliver(may_go=lambda: "lease ends in 2 s") == Delivery(Withheld("lease ends in 2 s"), ())
        assert world.calls == 0

    async def test_it_is_asked_before_every_call_and_the_last_verdict_counts(self) -> None:
        world = World([an_error(503), an_error(500), SUCCESS])
        asked: list[int] = []

        def may_go() -> str | None:
            asked.append(world.calls)
            return "expired" if world.calls == 2 else None

        delivery = await world.deliver(may_go=may_go)
        assert asked == [0, 1, 1, 2]
        assert isinstance(delivery.verdict, Retry)
        assert delivery.verdict.code == "HTTP_500"
        assert outcomes(delivery) == ["retry", "retry"]

    async def test_it_is_asked_again_after_the_ledger_because_the_message_may_have_expired_meanwhile(self) -> None:
        world = World([an_error(503), SUCCESS])
        delivery = await world.deliver(may_go=lambda: "expired" if world.clock_s > 10 else None, ledger_takes_s=20)
        assert (world.calls, outcomes(delivery)) == (1, ["retry"])


class WhenSomethingInsideBreaks:
    async def test_a_bug_is_unknown_and_its_message_is_not_quoted(self) -> None:
        delivery = await World([ValueError("ann@example.com")]).deliver()
        assert isinstance(delivery.verdict, Unknown)
        assert delivery.verdict.code == "BUG"
        assert not delivery.verdict.understood, "the next call would end in the same way"
        assert "ann" not in str(delivery)
        assert "ValueError" in delivery.verdict.detail

    async def test_a_cancelled_call_stays_cancelled(self) -> None:
        started = asyncio.Event()

        async def never() -> Outcome:
            started.set()
            await asyncio.get_running_loop().create_future()
            raise AssertionError("it is never answered")

        task = asyncio.create_task(deliver(never, policy=POLICY, retry_after_ceiling_s=60))
        await started.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    async def test_a_timeout_around_a_delivery_that_always_fails_ends_it(self) -> None:
        async def refused() -> Outcome:
            return Break(Broke.REFUSED)

        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await deliver(refused, policy=ShortRetries(10, 1e9, base_s=1e6), retry_after_ceiling_s=60, dice=lambda: 0.9)

    async def test_if_it_is_cancelled_between_two_tries_there_is_no_further_call(self) -> None:
        world = World([an_error(503)])
        waiting = asyncio.Event()

        async def sleep(_: float) -> None:
            waiting.set()
            await asyncio.get_running_loop().create_future()

        task = asyncio.create_task(deliver(world.call, policy=POLICY, retry_after_ceiling_s=60, sleep=sleep))
        await waiting.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert world.calls == 1


class TestAnAttempt:
    async def test_it_has_exactly_the_documented_keys(self) -> None:
        delivery = await World([an_error(400)], call_takes_s=0.31249).deliver()
        assert [attempt.as_dict() for attempt in delivery.attempts] == [
            {
                "at": "2026-05-01T12:00:00.123Z",
                "outcome": "dead",
                "http_status": 400,
                "code": "HTTP_400",
                "latency_ms": 312.5,
                "error": "refused as a bad request",
            }
        ]
        assert list(delivery.attempts[0].as_dict()) == ["at", "outcome", "http_status", "code", "latency_ms", "error"]

    async def test_one_that_was_sent_has_no_code_and_no_error(self) -> None:
        (attempt,) = (await World([SUCCESS]).deliver()).attempts
        assert (attempt.outcome, attempt.code, attempt.error) == ("sent", None, None)

    def test_its_time_is_shown_in_utc(self) -> None:
        elsewhere = START.astimezone(tz=None)
        assert Attempt(elsewhere, "sent", 200, None, 1.0, None).as_dict()["at"] == "2026-05-01T12:00:00.123Z"

    async def test_it_contains_no_secret(self) -> None:
        echo = Answer(400, {}, b'{"code": 3, "message": "no user ann@example.com"}')
        delivery = await World([echo]).deliver(secret="ann@example.com")
        assert "ann" not in str(delivery)


class TestTheSecretsOfACall:
    def test_they_are_the_token_the_recipients_and_the_values_of_placeholders(self) -> None:
        payload = {
            "transactional": {
                "users": {"list": ["u1", "u2"]},
                "hwids": {"list": ["h1"]},
                "dynamic_content_placeholders": {"name": "Ann Smith", "empty": ""},
            }
        }
        assert secrets_of_body(payload, "the-token") == {"the-token", "u1", "u2", "h1", "Ann Smith"}

    @pytest.mark.parametrize(
        "payload", [{}, {"segment": None}, {"transactional": {"users": ["u1"]}}, {"transactional": {"users": {"list": 5}}}]
    )
    def test_an_odd_payload_does_no_harm(self, payload: dict[str, object]) -> None:
        assert "the-token" in secrets_of_body(payload, "the-token")
