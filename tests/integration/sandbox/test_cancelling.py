"""`POST /messaging/v2/cancel` of the sandbox: pending, sent and unknown message codes, and every status that the reference lists."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.integration.sandbox.wire import TOKEN, Seen, call, request_bytes, send
from tests.unit.sandbox.bodies import a_body
from wooshq_worker.sandbox import Sandbox
from wooshq_worker.sandbox.router import CANCEL


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with Sandbox(token=TOKEN, seed=1) as running:
        yield running


async def cancel(sandbox: Sandbox, body: Any, **headers: str | None) -> tuple[int, Any]:
    seen: Seen = await send(sandbox, request_bytes(body, path=CANCEL, Connection="close", **headers))
    return seen.status, json.loads(seen.body)


async def sent(sandbox: Sandbox, **schedule: str) -> str:
    """The code of a new message."""
    body = a_body("u1")
    body["transactional"]["schedule"] = schedule
    answer = await call(sandbox, body)
    return str(json.loads(answer.body)["result"]["message_code"])


def in_an_hour() -> str:
    return (datetime.now(UTC) + timedelta(hours=1)).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class WhenAMessageIsPending:
    @pytest.mark.parametrize("schedule", [{"at": in_an_hour()}, {"after": "3600.5s"}])
    async def test_it_is_cancelled_once(self, sandbox: Sandbox, schedule: dict[str, str]) -> None:
        code = await sent(sandbox, **schedule)
        assert await cancel(sandbox, {"message_code": code}) == (200, {})
        status, body = await cancel(sandbox, {"message_code": code})
        assert (status, body["code"]) == (400, 9)
        assert [(one.message_code, one.status, one.cancelled) for one in sandbox.cancels] == [(code, 200, True), (code, 400, False)]

    async def test_another_account_may_not(self, sandbox: Sandbox) -> None:
        sandbox.set_tokens({TOKEN: None, "another": None})
        code = await sent(sandbox, at=in_an_hour())
        status, body = await cancel(sandbox, {"message_code": code}, Authorization="Token another")
        assert (status, body["code"]) == (403, 7)


class WhenItCannotBeCancelled:
    async def test_a_message_that_was_sent_is_refused(self, sandbox: Sandbox) -> None:
        code = await sent(sandbox, at="2026-05-01T12:00:00Z")
        assert (await cancel(sandbox, {"message_code": code}))[0] == 400

    async def test_a_code_that_is_not_known_is_not_found(self, sandbox: Sandbox) -> None:
        assert await cancel(sandbox, {"message_code": "AAAA-BBBBBBBB-CCCCCCCC"}) == (
            404,
            {"code": 5, "message": "message not found", "details": []},
        )

    @pytest.mark.parametrize("body", [{}, {"message_code": ""}, {"message_code": None}, {"message_code": "x", "y": 1}, [], "x", None])
    async def test_a_body_that_is_not_valid_is_refused(self, sandbox: Sandbox, body: Any) -> None:
        status, answer = await cancel(sandbox, body)
        assert (status, answer["code"]) == (400, 3)

    async def test_the_call_is_checked_like_every_call(self, sandbox: Sandbox) -> None:
        body = {"message_code": "x"}
        assert (await cancel(sandbox, body, Authorization="Token no"))[0] == 401
        assert (await cancel(sandbox, body, Content_Type="text/plain"))[0] == 415
        assert (await send(sandbox, request_bytes(body, path=CANCEL, method="GET", Connection="close"))).status == 405
        assert (await send(sandbox, request_bytes(raw=b"{", path=CANCEL, Connection="close"))).status == 400


class WhenATestDecides:
    async def test_codes_are_pending_or_sent(self, sandbox: Sandbox) -> None:
        body = json.dumps({"pending": ["A"], "sent": ["B"]}).encode()
        control = request_bytes(raw=body, path="/sandbox/messages", Connection="close", Authorization=None)
        assert (await send(sandbox, control)).status == 200
        assert (await cancel(sandbox, {"message_code": "A"}))[0] == 200
        assert (await cancel(sandbox, {"message_code": "B"}))[0] == 400
        listed = await send(sandbox, request_bytes(raw=b"", path="/sandbox/cancels", method="GET", Connection="close", Authorization=None))
        assert [one["cancelled"] for one in json.loads(listed.body)["cancels"]] == [True, False]

    async def test_a_fault_may_be_for_cancels_only(self, sandbox: Sandbox) -> None:
        sandbox.set_faults({"effect": "status", "status": 500, "call": "cancel", "first": 1})
        code = await sent(sandbox, at=in_an_hour())
        status, body = await cancel(sandbox, {"message_code": code})
        assert (status, body["code"]) == (500, 13)
        assert await cancel(sandbox, {"message_code": code}) == (200, {})

    async def test_an_answer_can_be_lost(self, sandbox: Sandbox) -> None:
        code = await sent(sandbox, at=in_an_hour())
        sandbox.set_faults({"effect": "cut_after", "recipient": code, "first": 1})
        assert (await send(sandbox, request_bytes({"message_code": code}, path=CANCEL))).ended == "closed"
        assert (await cancel(sandbox, {"message_code": code}))[0] == 400, "it was cancelled by the first call"

    async def test_a_fault_for_messages_only_spares_cancels(self, sandbox: Sandbox) -> None:
        code = await sent(sandbox, at=in_an_hour())
        sandbox.set_faults({"effect": "status", "status": 503, "call": "notify"})
        assert (await cancel(sandbox, {"message_code": code}))[0] == 200
        assert (await call(sandbox, a_body("u2"))).status == 503
