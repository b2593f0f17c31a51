"""Hooks of apps: functions that get events in a worker's process, and can hurt nothing."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Sequence
from importlib import metadata
from types import ModuleType
from typing import Any

import pytest
from structlog.testing import capture_logs

from tests.integration.worker.events.conftest import KEYS, Post, until
from tests.rig import GENEROUS_S
from wooshq.events.event import Event, Messages
from wooshq.events.ledger import HOOKS
from wooshq_worker.events.hooks import Hooks, find_hooks
from wooshq_worker.events.waits import TRIES_OF_A_HOOK


async def test_a_hook_gets_the_events_in_batches_beside_the_webhooks(post: Post) -> None:
    shop, got = post.receiver(), list[Event]()
    async with post.delivering(mine=got.extend):
        await until(lambda: [one.kind for one in post.wooshq.webhooks.list()] == ["hook", "webhook"])
        sent = post.settled(n=3)
        await until(lambda: got and shop.got)
    (event,) = got
    assert isinstance(event.data, Messages)
    assert sorted(event.data.ids) == sent
    assert event.id == shop.got[0].id


async def test_a_coroutine_function_may_be_a_hook(post: Post) -> None:
    got: list[Event] = []

    async def mine(events: Sequence[Event]) -> None:
        await asyncio.sleep(0)
        got.extend(events)

    async with post.delivering(mine=mine):
        await until(lambda: post.wooshq.webhooks.list())
        post.settled()
        await until(lambda: got)


async def test_a_hook_that_fails_is_called_again_a_few_times_and_then_no_more(post: Post) -> None:
    calls: list[int] = []

    def mine(events: Sequence[Event]) -> None:
        calls.append(len(events))
        raise RuntimeError("u1")

    with capture_logs() as logs:
        async with post.delivering(mine=mine):
            await until(lambda: post.wooshq.webhooks.list())
            post.settled()
            for n in range(1, TRIES_OF_A_HOOK + 1):
                await until(lambda n=n: len(calls) >= n, lambda: calls)
                await until(lambda n=n: hook(post).failed >= n)
                due = KEYS.subscriber_part("hook/mine", "due")
                for entry in post.redis.zrange(due, 0, -1):
                    post.redis.zadd(due, {entry: 1}, xx=True)
                post.redis.hdel(KEYS.subscriber("hook/mine"), "quiet_till")
            await until(lambda: hook(post).dropped == 1)
    assert (hook(post).waiting, hook(post).failing_why) == (0, "RuntimeError")
    assert [one["hook"] for one in logs if one["event"] == "hook_failed"] == ["mine"] * TRIES_OF_A_HOOK


def hook(post: Post) -> Any:
    return next(one for one in post.wooshq.webhooks.list() if one.kind == "hook")


async def test_a_hook_that_hangs_holds_up_nothing_and_is_not_called_a_second_time_meanwhile() -> None:
    release, calls = threading.Event(), []

    def mine(events: Sequence[Event]) -> None:
        calls.append(events)
        release.wait(60)

    hooks = Hooks({"mine": mine}, within_s=0.05)
    assert hooks.may_call("mine")
    assert await hooks.call("mine", []) == "did not return within 0.05 s"
    assert not hooks.may_call("mine")
    release.set()
    await until(lambda: hooks.may_call("mine"))
    assert not hooks.may_call("another")
    assert len(calls) == 1


async def test_a_hook_that_ends_its_thread_has_failed_and_is_called_again() -> None:
    hooks = Hooks({"mine": lambda events: sys.exit(3)}, within_s=GENEROUS_S)
    for _ in range(2):
        assert hooks.may_call("mine")
        assert await hooks.call("mine", []) == "SystemExit"


def test_hooks_are_found_by_entry_points_and_a_broken_one_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("an_app")
    module.mine = lambda events: None  # type: ignore[attr-defined]
    module.wrong = 5  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "an_app", module)
    points = [metadata.EntryPoint(name, f"an_app:{name}", HOOKS) for name in ("mine", "wrong", "missing")]
    monkeypatch.setattr(metadata, "entry_points", lambda *, group: points if group == HOOKS else [])
    with capture_logs() as logs:
        assert [*find_hooks()] == ["mine"]
    assert [(one["event"], one["hook"]) for one in logs] == [("hook_not_loaded", "wrong"), ("hook_not_loaded", "missing")]
