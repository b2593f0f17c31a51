"""
The public types, as a user writes them. mypy and pyright check this file; nothing runs it.

A line with `type: ignore` is one that must be an error: mypy reports an ignore that is not needed (`warn_unused_ignores`).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any, Literal, assert_type
from unittest import TestCase

from fastapi import FastAPI
from flask import Flask

import wooshq
import wooshq.aio
import wooshq.fastapi
import wooshq.flask
from wooshq import (
    Conflict,
    IntentInvalid,
    NotAccepted,
    Settings,
    Status,
    Wooshq,
    bulk,
    cancel,
    dead_letters,
    enqueue,
    enqueue_many,
    fan_out,
    gates,
    replays,
    reset,
    status,
)
from wooshq.problem_details import problem_details
from wooshq.testing import Enqueued, Outbox, OutboxMixin, SandboxOfTest, assert_enqueued, outbox, refute_enqueued, sandbox


def one_intent() -> None:
    assert_type(enqueue({"to": {"users": ["u1"]}, "message": {"preset": "A-1"}}), str)
    assert_type(enqueue('{"to": {"users": ["u1"]}}'), str)
    enqueue(5)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    found = status("018f6d0a-7d2c-7c54-9b1e-3a6f3c1d2e4f")
    assert_type(found, Status | None)
    if found is not None:
        assert_type(found.state, str)
        assert_type(found.message_codes, list[str])
        assert_type(found["state"], Any)
    assert_type(cancel("018f6d0a-7d2c-7c54-9b1e-3a6f3c1d2e4f"), str | None)


def errors() -> None:
    try:
        enqueue({})
    except IntentInvalid as error:
        assert_type(error.problems[0].field, str)
    except Conflict as error:
        assert_type(error.accepted_id, str)
    except NotAccepted as error:
        assert_type(error.intent_id, str | None)
        assert_type(error.maybe_done, bool)


def many_intents(intents: Iterator[dict[str, Any]]) -> None:
    report = enqueue_many(intents)
    assert_type(report.accepted, int)
    assert_type(report.ids[0], str | None)
    for problem in report.errors[0]:
        assert_type(problem.hint, str)


def letters() -> None:
    for letter in dead_letters.list(reason="rejected", since=datetime.now(UTC), most=5, ids=("a", "b")):
        assert_type(letter.attempts, int)
        assert_type(dead_letters.show(letter.id).attempts, list[dict[str, Any]])
    dead_letters.list(where='reason:rejected text:"INV-9981" since:2h')
    assert_type(dead_letters.groups(tag=("order", "77"))[0].count, int)
    assert_type(dead_letters.replay("id", dry_run=True).replayed, int)
    assert_type(dead_letters.replay(reason="rejected", rate=5).why, dict[str, str])
    done = dead_letters.replay(reason="rejected", patch={"lane": "bulk"}, first=10, stop_at=0.05, why="INC-7")
    assert_type(done.id, str | None)
    assert_type(done.left_out, dict[str, int])
    assert_type(replays.wait(done.id or "", within_s=1).sent, int)
    for one in replays.outcomes(done.id or "", outcome="dead"):
        assert_type(one.why, str | None)
    assert_type(dead_letters.discard(state="open", lane="bulk").discarded, int)
    dead_letters.list(reazon="rejected")  # type: ignore[call-arg] # pyright: ignore[reportCallIssue]
    dead_letters.list(since="2h")  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    dead_letters.replay(ids=("a",))  # type: ignore[call-arg] # pyright: ignore[reportCallIssue]


def found() -> None:
    page = wooshq.find("recipient:u1", most=10, after=None)
    assert_type(page.after, str | None)
    assert_type(page.not_searched, tuple[str, ...])
    for one in page.found:
        assert_type(one.kind, Literal["intent", "letter", "job"])
    assert_type(wooshq.Wooshq().count("state:sent").count, int)
    for case in wooshq.Wooshq().doubles(since=datetime.now(UTC), most=5).found:
        assert_type(case.recipients, tuple[str, ...])


def jobs() -> None:
    job = fan_out({"message": {"preset": "A-1"}}, ({"user": f"u{n}"} for n in range(3)), rate=5, steps="1%,100%", total=3)
    assert_type(job.id, str)
    done = job.wait(within_s=5, watch=lambda now: print(now.sent))
    assert_type(done.sent, int)
    assert_type(done.left_s, float | None)
    assert_type(bulk.show(job.id).state, str)
    for left in bulk.unreached(job.id, dead=False):
        assert_type(left.identifier, str)
    assert_type(bulk.continue_job(job.id, why="it is back").id, str)
    for identifier in bulk.unknown_identifiers(job.id):
        assert_type(identifier, str)


def a_configuration_of_ones_own(settings: Settings) -> None:
    with Wooshq(settings) as client:
        assert_type(client.enqueue({}), str)
        assert_type(client.counts(), dict[str, int])
        assert_type(client.open_gate("circuit"), bool)
        assert_type(client.pause(lane="bulk", why="noon").by, str | None)
        assert_type(client.limits.set("rate", None, why="noon").value, float | None)
        assert_type(client.resend("id", "she asked"), str | None)
        assert_type(client.tokens.make("shop", ["send"], why="the shop").secret, str)
        assert_type([token.scopes for token in client.tokens.list()], list[list[str]])
        assert_type(client.tokens.revoke("shop"), bool)
        assert_type(client.forget("u1", why="asked for it").left, int)
        assert_type([act.count for act in client.audit(by="ana").found], list[int | None])
        assert_type([change.what for change in client.changes(most=5)], list[str])
        for gate in gates():
            assert_type(gate.why, str)
    reset()


async def the_same_in_asyncio(settings: Settings, some: AsyncIterator[dict[str, Any]]) -> None:
    assert_type(await wooshq.aio.enqueue({}), str)
    await wooshq.aio.reset()
    assert_type((await wooshq.aio.enqueue_many(some)).accepted, int)
    assert_type(await wooshq.aio.status("id"), Status | None)
    assert_type((await wooshq.aio.dead_letters.replay(reason="rejected")).replayed, int)
    job = await wooshq.aio.fan_out({"message": {"preset": "A-1"}}, some)
    assert_type((await job.wait()).sent, int)
    async for one in wooshq.aio.bulk.in_doubt(job.id):
        assert_type(one.identifier, str)
    async with wooshq.aio.AsyncWooshq(settings) as client:
        assert_type(await client.counts(), dict[str, int])
        assert_type(await client.flush(), bool)
        assert_type(await client.resume(lane="bulk"), bool)
        assert_type([limit.origin for limit in await client.limits.list()], list[str])
        assert_type((await client.tokens.make("shop", ["read", "send"])).name, str)
    wooshq.aio.enqueue({}).upper()  # type: ignore[attr-defined] # pyright: ignore[reportAttributeAccessIssue]


def the_test_kit(wooshq_outbox: Outbox) -> None:
    assert_type(wooshq_outbox[0], Enqueued)
    assert_type(wooshq_outbox[:2], list[Enqueued])
    assert_type(wooshq_outbox[0].recipients, Sequence[str])
    assert_type(assert_enqueued(recipient="u1", message__push__title="Hi", count=1, within_s=1), Enqueued)
    refute_enqueued(job=fan_out({"message": {"preset": "A-1"}}, ["u1"]))
    assert_enqueued("u1")  # type: ignore[call-arg, arg-type] # pyright: ignore[reportCallIssue]
    with outbox() as box:
        assert_type(box, Outbox)


class ShopTests(OutboxMixin, TestCase):
    def test_it(self) -> None:
        assert_type(self.wooshq_outbox, Outbox)


def the_sandbox(wooshq_outbox: Outbox, wooshq_sandbox: SandboxOfTest) -> None:
    wooshq_sandbox.set_faults({"effect": "status", "status": 503})
    wooshq_outbox.advance(60)
    wooshq_outbox.drain(for_s=3600)
    assert_type(wooshq_sandbox.url, str)
    assert_type(wooshq_outbox.sandbox, SandboxOfTest)
    with sandbox() as box:
        assert_type(box, SandboxOfTest)


def web_apps(api: FastAPI, site: Flask) -> None:
    FastAPI(lifespan=wooshq.fastapi.lifespan)
    FastAPI(lifespan=partial(wooshq.fastapi.lifespan, settings=Settings()))
    wooshq.fastapi.answer_with_problem_details(api)
    wooshq.fastapi.answer_with_problem_details(site)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    extension = wooshq.flask.FlaskWooshq(site)
    assert_type(extension.client.enqueue({}), str)


async def a_path_operation(client: wooshq.fastapi.WooshqClient) -> None:
    assert_type(await client.enqueue({}), str)
    assert_type(problem_details(ValueError()).status, int)
