"""The sandbox is read and controlled over HTTP."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote

import pytest

from tests.integration.sandbox.wire import TOKEN, call, request_bytes, send
from tests.unit.sandbox.bodies import a_body
from wooshq_worker.sandbox import Sandbox

A = "AAAAA-11111"
B = "BBBBB-22222"


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with Sandbox(token=TOKEN) as running:
        yield running


async def ask(sandbox: Sandbox, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    """The answer to a control request. It needs no token and no content type."""
    raw = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
    data = request_bytes(raw=raw, path=f"/sandbox{path}", method=method, Connection="close", Authorization=None, Content_Type=None)
    seen = await send(sandbox, data)
    return seen.status, json.loads(seen.body)


class WhenCallsAreRead:
    async def test_they_come_oldest_first_with_all_details(self, sandbox: Sandbox) -> None:
        await call(sandbox, a_body("u1"))
        await call(sandbox, {"wrong": 1})
        status, body = await ask(sandbox, "GET", "/calls")
        assert (status, body["count"]) == (200, 2)
        first, second = body["calls"]
        assert first == sandbox.calls[0].as_dict()
        assert first["body"] == a_body("u1")
        assert (second["order"], second["status"], second["accepted"], second["body"]) == (2, 400, False, {"wrong": 1})

    @pytest.mark.parametrize(
        "query, orders",
        [
            (f"application={A}", [1, 3]),
            ("recipient=u2", [2]),
            ("after=1", [2, 3, 4]),
            ("since=9999999999", []),
            ("since=0", [1, 2, 3, 4]),
            ("status=400", [4]),
            ("accepted=true", [1, 2, 3]),
            ("accepted=false", [4]),
            (f"application={A}&after=1", [3]),
            ("limit=2", [1, 2]),
            (f"recipient={quote('ü &')}", [3]),
        ],
    )
    async def test_they_can_be_filtered(self, sandbox: Sandbox, query: str, orders: list[int]) -> None:
        for body in (a_body("u1", application=A), a_body("u2", application=B), a_body("ü &", application=A), {}):
            await call(sandbox, body)
        _, body = await ask(sandbox, "GET", f"/calls?{query}")
        assert [one["order"] for one in body["calls"]] == orders
        _, counted = await ask(sandbox, "GET", f"/calls?{query}&count")
        assert counted == {"count": 4 if query == "limit=2" else len(orders)}

    @pytest.mark.parametrize("query", ["since=yesterday", "limit=0", "limit=99999", "user=u1", "accepted=maybe", "after=x"])
    async def test_a_filter_that_is_not_valid_is_refused(self, sandbox: Sandbox, query: str) -> None:
        status, body = await ask(sandbox, "GET", f"/calls?{query}")
        assert (status, body["code"]) == (400, 3)
        assert body["details"][0]["fieldViolations"][0]["field"] == query.partition("=")[0]

    async def test_asking_for_something_not_recorded_is_refused(self) -> None:
        async with Sandbox(token=TOKEN, record="none") as counting, Sandbox(token=TOKEN, record="light") as light:
            assert (await ask(counting, "GET", "/calls"))[0] == 400
            assert (await ask(light, "GET", "/calls?recipient=u1"))[0] == 400
            assert (await ask(light, "GET", "/calls?count"))[0] == 200


class WhenTheSummaryIsRead:
    async def test_it_has_the_counts_and_the_doubles(self, sandbox: Sandbox) -> None:
        await call(sandbox, a_body("u1", "u2"))
        await call(sandbox, a_body("u1"))
        await call(sandbox, {})
        await call(sandbox, a_body("u1"), Authorization="Token no")
        _, body = await ask(sandbox, "GET", "/summary")
        assert body["by_status"] == {"200": 2, "400": 1, "401": 1}
        assert (body["calls"], body["accepted"], body["token_refused"], body["reached"], body["doubled"]) == (4, 2, 1, 2, 1)
        (double,) = body["doubles"]
        assert (double["recipient"], double["first_order"], double["order"]) == ("u1", 1, 2)


class WhenFaultsAreSet:
    async def test_they_are_active_until_replaced(self, sandbox: Sandbox) -> None:
        rule = {"effect": "status", "status": 503, "retry_after": 5, "application": A}
        status, body = await ask(sandbox, "POST", "/faults", {"faults": [rule]})
        assert (status, body) == (200, {"faults": [{**rule, "seen": 0, "hits": 0}]})
        assert (await call(sandbox, a_body(application=A))).status == 503
        assert (await ask(sandbox, "GET", "/faults"))[1]["faults"][0]["hits"] == 1
        await ask(sandbox, "POST", "/faults", {"faults": []})
        assert (await call(sandbox, a_body(application=A))).status == 200

    async def test_they_can_be_cleared(self, sandbox: Sandbox) -> None:
        await ask(sandbox, "POST", "/faults", {"faults": [{"effect": "status", "status": 500}]})
        assert await ask(sandbox, "DELETE", "/faults") == (200, {"faults": []})
        assert (await call(sandbox, a_body())).status == 200

    async def test_a_rule_that_is_not_valid_changes_nothing(self, sandbox: Sandbox) -> None:
        await ask(sandbox, "POST", "/faults", {"faults": [{"effect": "status", "status": 500}]})
        status, body = await ask(sandbox, "POST", "/faults", {"faults": [{"effect": "hang"}, {"effect": "status", "nth": 0}]})
        assert status == 400
        assert {one["field"] for one in body["details"][0]["fieldViolations"]} == {"faults[1].status", "faults[1].nth"}
        assert (await call(sandbox, a_body())).status == 500


class WhenTokensAreSet:
    async def test_a_token_can_be_revoked_and_restored(self, sandbox: Sandbox) -> None:
        await ask(sandbox, "POST", "/tokens", {"revoke": {"token": TOKEN, "application": A}})
        assert (await call(sandbox, a_body(application=A))).status == 401
        assert (await call(sandbox, a_body(application=B))).status == 200
        await ask(sandbox, "POST", "/tokens", {"restore": [{"token": TOKEN}]})
        assert (await call(sandbox, a_body(application=A))).status == 200

    async def test_all_tokens_can_be_replaced(self, sandbox: Sandbox) -> None:
        await ask(sandbox, "POST", "/tokens", {"valid": {"new": True, "part": [A]}})
        sent = [("new", B), ("part", A), ("part", B), (TOKEN, A)]
        statuses = [(await call(sandbox, a_body(application=code), Authorization=f"Token {token}")).status for token, code in sent]
        assert statuses == [200, 200, 401, 401]


class WhenRecipientsAndApplicationsAreRefused:
    async def test_answers_name_unknown_recipients(self, sandbox: Sandbox) -> None:
        assert await ask(sandbox, "POST", "/unknown", {"identifiers": ["u2"]}) == (200, {"identifiers": 1})
        seen = await call(sandbox, a_body("u1", "u2"))
        assert json.loads(seen.body)["result"]["unknown_identifiers"] == ["u2"]

    async def test_refused_recipients_get_400(self, sandbox: Sandbox) -> None:
        await ask(sandbox, "POST", "/refusals", {"recipients": ["u2"], "naming": False})
        assert (await call(sandbox, a_body("u1", "u2"))).status == 400

    async def test_refusing_applications_keeps_the_refused_recipients(self, sandbox: Sandbox) -> None:
        await ask(sandbox, "POST", "/refusals", {"recipients": ["u2"]})
        await ask(sandbox, "POST", "/refusals", {"applications": {A: 404, B: 403}})
        assert (await call(sandbox, a_body(application=A))).status == 404
        assert (await call(sandbox, a_body(application=B))).status == 403
        assert (await call(sandbox, a_body("u2", application="CCCCC-33333"))).status == 400


class WhenItIsReset:
    async def test_everything_is_as_after_the_start(self, sandbox: Sandbox) -> None:
        fresh = (await ask(sandbox, "GET", "/summary"))[1]
        code = json.loads((await call(sandbox, a_body())).body)
        sandbox.set_faults({"effect": "status", "status": 500})
        sandbox.revoke(TOKEN)
        sandbox.set_unknown(["user-1"])
        sandbox.refuse(["user-1"])
        sandbox.refuse_applications({A: 404})
        assert await ask(sandbox, "POST", "/reset") == (200, {})
        assert (await ask(sandbox, "GET", "/summary"))[1] == fresh
        seen = await call(sandbox, a_body())
        assert (seen.status, json.loads(seen.body)) == (200, code)


class WhenAControlRequestIsNotValid:
    @pytest.mark.parametrize(
        "method, path, body, status",
        [
            ("POST", "/faults", b"{", 400),
            ("POST", "/faults", [], 400),
            ("POST", "/faults", {"faults": {}}, 400),
            ("POST", "/faults", {"rules": []}, 400),
            ("POST", "/tokens", {}, 400),
            ("POST", "/tokens", {"valid": ["t"]}, 400),
            ("POST", "/tokens", {"valid": {"t": False}}, 400),
            ("POST", "/tokens", {"revoke": "t"}, 400),
            ("POST", "/tokens", {"revoke": {"token": "t", "app": "A"}}, 400),
            ("POST", "/unknown", {"identifiers": "u"}, 400),
            ("POST", "/unknown", {}, 400),
            ("POST", "/refusals", {"naming": True}, 400),
            ("POST", "/refusals", {"recipients": ["u"], "naming": 1}, 400),
            ("POST", "/refusals", {"recipients": [1]}, 400),
            ("POST", "/refusals", {"applications": {A: 500}}, 400),
            ("POST", "/refusals", {"applications": [A]}, 400),
            ("GET", "/reset", None, 405),
            ("PUT", "/faults", {}, 405),
            ("GET", "/nothing", None, 404),
        ],
    )
    async def test_the_error_body_says_why(self, sandbox: Sandbox, method: str, path: str, body: Any, status: int) -> None:
        given, answer = await ask(sandbox, method, path, body)
        assert given == status
        assert answer["message"]
        assert sandbox.count == 0

    async def test_the_index_lists_every_control(self, sandbox: Sandbox) -> None:
        _, body = await ask(sandbox, "GET", "")
        assert "POST /sandbox/faults" in body["controls"]


class WhenMoreCallsMatchThanAreShown:
    async def test_the_answer_says_how_many_and_how_to_continue(self, sandbox: Sandbox) -> None:
        for n in range(3):
            await call(sandbox, a_body(f"u{n}"))
        _, body = await ask(sandbox, "GET", "/calls?limit=2")
        assert (len(body["calls"]), body["count"], body["more"], body["next"]) == (2, 3, 1, 2)
        _, rest = await ask(sandbox, "GET", f"/calls?limit=2&after={body['next']}")
        assert ([one["order"] for one in rest["calls"]], "more" in rest) == ([3], False)


class WhenTheExamplesAreUsed:
    async def test_the_sandbox_accepts_each_example(self, sandbox: Sandbox) -> None:
        _, index = await ask(sandbox, "GET", "")
        for way, example in index["examples"].items():
            method, path = way.split(" /sandbox")
            query, body = (example, None) if method == "GET" else ("", example)
            assert (await ask(sandbox, method, path + query, body))[0] == 200, way
        bodies = {way for way in index["controls"] if way.startswith("POST") and not way.endswith("/reset")}
        assert bodies <= index["examples"].keys()
