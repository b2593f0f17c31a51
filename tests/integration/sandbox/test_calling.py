"""How the sandbox answers valid and invalid calls, and what it records."""

from __future__ import annotations

import json
import re
import time
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from tests.integration.sandbox.wire import TOKEN, call, request_bytes, send
from tests.unit.sandbox.bodies import REQUESTS, a_body, changed
from wooshq_worker.sandbox import NOTIFY, BadControl, Sandbox

A = "AAAAA-11111"
B = "BBBBB-22222"


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with Sandbox(token=TOKEN, seed=1) as running:
        yield running


async def answer(sandbox: Sandbox, body: Any, **headers: str | None) -> tuple[int, Any]:
    seen = await call(sandbox, body, **headers)
    return seen.status, json.loads(seen.body)


class WhenACallIsValid:
    @pytest.mark.parametrize("name", REQUESTS)
    async def test_every_example_of_the_reference_gets_a_message_code(self, sandbox: Sandbox, name: str) -> None:
        status, body = await answer(sandbox, REQUESTS[name])
        assert status == 200
        assert re.fullmatch("[0-9A-F]{4}-[0-9A-F]{8}-[0-9A-F]{8}", body["result"]["message_code"])
        assert body["result"]["unknown_identifiers"] == []

    async def test_it_is_recorded_completely(self, sandbox: Sandbox) -> None:
        body = a_body("u1", "u2", application=A)
        _, given = await answer(sandbox, body)
        (recorded,) = sandbox.calls
        assert recorded.order == 1
        assert recorded.application == A
        assert recorded.recipients == ("u1", "u2")
        assert recorded.body == body
        assert (recorded.token_ok, recorded.accepted, recorded.status, recorded.fault) == (True, True, 200, "")
        assert recorded.message_code == given["result"]["message_code"]

    async def test_the_same_seed_gives_the_same_codes(self, sandbox: Sandbox) -> None:
        first = [(await answer(sandbox, a_body()))[1] for _ in range(2)]
        async with Sandbox(token=TOKEN, seed=1) as again, Sandbox(token=TOKEN, seed=2) as other:
            assert [(await answer(again, a_body()))[1] for _ in range(2)] == first
            assert (await answer(other, a_body()))[1] not in first

    async def test_connections_are_reused_and_have_numbers(self, sandbox: Sandbox) -> None:
        async with aiohttp.ClientSession(headers={"Authorization": f"Token {TOKEN}"}) as client:
            for _ in range(2):
                async with client.post(sandbox.url + NOTIFY, json=a_body()) as response:
                    assert response.status == 200
                    await response.read()
        await call(sandbox, a_body())
        one, two, three = sandbox.calls
        assert one.connection == two.connection != three.connection

    async def test_a_double_is_found(self, sandbox: Sandbox) -> None:
        await call(sandbox, a_body("u1", "u2"))
        await call(sandbox, a_body("u2"))
        assert [double.recipient for double in sandbox.doubles] == ["u2"]
        assert sandbox.summary()["doubled"] == 1


class WhenRecipientsAreUnknown:
    async def test_the_answer_names_them_if_the_call_asks_for_it(self, sandbox: Sandbox) -> None:
        sandbox.set_unknown(["u2", "u9"])
        _, body = await answer(sandbox, a_body("u1", "u2"))
        assert body["result"]["unknown_identifiers"] == ["u2"]

    async def test_the_answer_does_not_name_them_otherwise(self, sandbox: Sandbox) -> None:
        sandbox.set_unknown(["u2"])
        _, body = await answer(sandbox, changed(a_body("u1", "u2"), "transactional.return_unknown_identifiers", False))
        assert body["result"]["unknown_identifiers"] == []

    async def test_the_bare_form_lists_them_by_kind(self) -> None:
        async with Sandbox(token=TOKEN, bare=True) as sandbox:
            sandbox.set_unknown(["u2"])
            _, body = await answer(sandbox, a_body("u1", "u2"))
            assert body.keys() == {"message_code", "unknown_identifiers"}
            assert body["unknown_identifiers"] == {"users": ["u2"], "hwids": [], "push_tokens": []}


class WhenRecipientsAreRefused:
    async def test_the_answer_can_name_each(self, sandbox: Sandbox) -> None:
        sandbox.refuse(["u2", "u3"])
        status, body = await answer(sandbox, a_body("u1", "u2", "u3"))
        assert (status, body["code"]) == (400, 3)
        fields = [violation["field"] for violation in body["details"][0]["fieldViolations"]]
        assert fields == ["transactional.users.list[1]", "transactional.users.list[2]"]
        assert not sandbox.calls[0].accepted

    async def test_the_answer_can_name_none(self, sandbox: Sandbox) -> None:
        sandbox.refuse(["u2"], naming=False)
        status, body = await answer(sandbox, a_body("u1", "u2"))
        assert (status, body["code"], body["details"]) == (400, 3, [])
        assert "u2" not in json.dumps(body)

    async def test_a_call_without_them_is_accepted(self, sandbox: Sandbox) -> None:
        sandbox.refuse(["u2"])
        assert (await answer(sandbox, a_body("u1")))[0] == 200


class WhenTheTokenIsWrong:
    @pytest.mark.parametrize("header", [None, "Token wrong", f"Bearer {TOKEN}", TOKEN, f"token {TOKEN}"])
    async def test_the_answer_is_401_in_the_error_body(self, sandbox: Sandbox, header: str | None) -> None:
        assert await answer(sandbox, a_body(), Authorization=header) == (401, {"code": 16, "message": "invalid token", "details": []})
        (recorded,) = sandbox.calls
        assert (recorded.token_ok, recorded.accepted, recorded.status) == (False, False, 401)

    async def test_a_token_can_be_wrong_for_one_application_only(self, sandbox: Sandbox) -> None:
        sandbox.revoke(TOKEN, A)
        assert (await answer(sandbox, a_body(application=A)))[0] == 401
        assert (await answer(sandbox, a_body(application=B)))[0] == 200
        sandbox.restore(TOKEN, A)
        assert (await answer(sandbox, a_body(application=A)))[0] == 200

    async def test_no_token_is_recorded(self, sandbox: Sandbox) -> None:
        await call(sandbox, a_body())
        assert TOKEN not in repr(sandbox.calls)
        assert TOKEN not in json.dumps(sandbox.summary())


class WhenAnApplicationIsRefused:
    @pytest.mark.parametrize("status, code", [(404, 5), (403, 7)])
    async def test_other_applications_are_accepted(self, sandbox: Sandbox, status: int, code: int) -> None:
        sandbox.refuse_applications({A: status})
        given, body = await answer(sandbox, a_body(application=A))
        assert (given, body["code"]) == (status, code)
        assert (await answer(sandbox, a_body(application=B)))[0] == 200

    def test_another_status_is_not_valid(self) -> None:
        with pytest.raises(BadControl):
            Sandbox().refuse_applications({A: 500})


class WhenACallIsInvalid:
    async def test_the_details_have_every_violation(self, sandbox: Sandbox) -> None:
        status, body = await answer(sandbox, changed(changed(a_body(), "transactional.x", 1), "transactional.schedule", {}))
        assert (status, body["code"]) == (400, 3)
        (detail,) = body["details"]
        assert detail["@type"] == "type.googleapis.com/google.rpc.BadRequest"
        assert {violation["field"] for violation in detail["fieldViolations"]} == {"transactional.x", "transactional.schedule"}

    async def test_the_details_can_be_in_snake_case(self) -> None:
        async with Sandbox(token=TOKEN, snake_details=True) as sandbox:
            _, body = await answer(sandbox, {})
            assert body["details"][0]["field_violations"]

    @pytest.mark.parametrize(
        "change, status, code",
        [
            ({"raw": b"{"}, 400, 3),
            ({"raw": b""}, 400, 3),
            ({"raw": b"[" * 1_000_000}, 400, 3),
            ({"raw": b"null"}, 400, 3),
            ({"body": {}, "Content_Type": "text/plain"}, 415, 3),
            ({"body": {}, "Content_Type": None}, 415, 3),
            ({"body": {}, "Content_Type": "application/json; charset=latin-1"}, 415, 3),
            ({"body": {}, "Content_Encoding": "gzip"}, 415, 3),
            ({"body": {}, "method": "GET"}, 405, 12),
            ({"body": {}, "method": "PUT"}, 405, 12),
            ({"body": {}, "path": "/messaging/v2/notify/"}, 404, 5),
            ({"body": {}, "path": "/json/1.3/createMessage"}, 404, 5),
            ({"body": {}, "path": "/sandboxes"}, 404, 5),
        ],
    )
    async def test_the_answer_is_the_error_body(self, sandbox: Sandbox, change: dict[str, Any], status: int, code: int) -> None:
        seen = await send(sandbox, request_bytes(Connection="close", **change))
        assert (seen.status, json.loads(seen.body)["code"]) == (status, code)

    async def test_the_charset_utf_8_is_accepted(self, sandbox: Sandbox) -> None:
        assert (await answer(sandbox, a_body(), Content_Type="application/json; charset=utf-8"))[0] == 200


class WhenItIsUsedInABenchmark:
    async def test_lean_checks_the_token_and_counts(self) -> None:
        async with Sandbox(token=TOKEN, lean=True) as sandbox:
            assert (await answer(sandbox, {"anything": 1}))[0] == 200
            assert (await answer(sandbox, {"anything": 1}, Authorization="Token no"))[0] == 401
            summary = sandbox.summary()
            assert (summary["calls"], summary["accepted"], summary["token_refused"]) == (2, 1, 1)
            with pytest.raises(BadControl):
                sandbox.set_faults({"effect": "hang"})

    async def test_lean_can_delay_its_answers(self) -> None:
        async with Sandbox(token=TOKEN, lean=True, latency_s=0.2) as sandbox:
            began = time.monotonic()
            assert (await answer(sandbox, {}))[0] == 200
            assert time.monotonic() - began >= 0.2

    async def test_light_keeps_no_bodies_but_finds_doubles(self) -> None:
        async with Sandbox(token=TOKEN, record="light") as sandbox:
            await call(sandbox, a_body("u1"))
            await call(sandbox, a_body("u1"))
            assert [(one.raw, one.recipients, one.body) for one in sandbox.calls] == [(b"", (), None)] * 2
            assert sandbox.doubled == 1

    async def test_none_only_counts_and_says_so(self) -> None:
        async with Sandbox(token=TOKEN, record="none") as sandbox:
            await call(sandbox, a_body("u1"))
            assert sandbox.calls == []
            assert sandbox.summary()["calls"] == 1
            assert not sandbox.summary()["doubles_exact"]
