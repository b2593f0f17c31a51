"""What a client's socket receives from each fault."""

from __future__ import annotations

import asyncio
import gzip
import json
import time
from collections.abc import AsyncIterator
from email.utils import parsedate_to_datetime
from typing import Any

import pytest

from tests.integration.sandbox.wire import GENEROUS_S, TOKEN, Seen, call, connect, read_answer, request_bytes, send
from tests.unit.sandbox.bodies import a_body
from wooshq_worker.sandbox import Sandbox
from wooshq_worker.sandbox.faults.fault import EFFECTS, WAYS


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with Sandbox(token=TOKEN, seed=1) as running:
        yield running


async def call_with(sandbox: Sandbox, *, quiet_after_s: float | None = None, silent: bool = False, **rule: Any) -> Seen:
    """What comes back for a valid call with one fault rule."""
    sandbox.set_faults(rule)
    return await call(sandbox, a_body("u1"), quiet_after_s=quiet_after_s, silent=silent)


def accepted(sandbox: Sandbox) -> bool:
    """Whether the message of the only recorded call was accepted."""
    (recorded,) = sandbox.calls
    assert recorded.accepted == (recorded.message_code is not None)
    return recorded.accepted


class WhenAStatusIsSet:
    @pytest.mark.parametrize("status, code", [(400, 3), (401, 16), (429, 8), (500, 13), (502, 14), (503, 14), (504, 4), (418, 2), (999, 2)])
    async def test_the_error_body_has_the_code_of_the_status(self, sandbox: Sandbox, status: int, code: int) -> None:
        seen = await call_with(sandbox, effect="status", status=status)
        assert (seen.status, json.loads(seen.body)["code"]) == (status, code)
        assert seen.header("Retry-After") == []
        assert not accepted(sandbox)

    async def test_code_message_and_details_can_be_set(self, sandbox: Sandbox) -> None:
        seen = await call_with(sandbox, effect="status", status=400, code=9, message="paused", details=[{"@type": "x"}])
        assert json.loads(seen.body) == {"code": 9, "message": "paused", "details": [{"@type": "x"}]}

    async def test_the_body_can_be_anything(self, sandbox: Sandbox) -> None:
        seen = await call_with(sandbox, effect="status", status=502, body="<h1>Bad Gateway</h1>", content_type="text/html")
        assert (seen.body, seen.header("Content-Type")) == (b"<h1>Bad Gateway</h1>", ["text/html"])

    @pytest.mark.parametrize(
        "given, headers",
        [
            (5, ["5"]),
            (0, ["0"]),
            (-1, ["-1"]),
            (1e12, ["1000000000000"]),
            (2.5, ["2.5"]),
            ("abc", ["abc"]),
            ("", [""]),
            ([5, "x"], ["5", "x"]),
        ],
    )
    async def test_retry_after_can_be_anything(self, sandbox: Sandbox, given: Any, headers: list[str]) -> None:
        assert (await call_with(sandbox, effect="status", status=429, retry_after=given)).header("Retry-After") == headers

    @pytest.mark.parametrize("in_s", [60, -60])
    async def test_retry_after_can_be_a_date(self, sandbox: Sandbox, in_s: int) -> None:
        seen = await call_with(sandbox, effect="status", status=503, retry_after={"date_in_s": in_s})
        (after,), (date,) = seen.header("Retry-After"), seen.header("Date")
        assert in_s - 2 <= (parsedate_to_datetime(after) - parsedate_to_datetime(date)).total_seconds() <= in_s + 2

    async def test_retry_info_is_added_to_the_details(self, sandbox: Sandbox) -> None:
        seen = await call_with(sandbox, effect="status", status=429, retry_info=3.5)
        assert json.loads(seen.body)["details"] == [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "3.5s"}]

    async def test_another_status_of_success_has_the_message_code(self, sandbox: Sandbox) -> None:
        seen = await call_with(sandbox, effect="status", status=201)
        assert json.loads(seen.body)["result"]["message_code"] == sandbox.calls[0].message_code
        assert accepted(sandbox)

    async def test_a_204_has_no_body(self, sandbox: Sandbox) -> None:
        seen = await call_with(sandbox, effect="status", status=204)
        assert (seen.status, seen.body, seen.header("Content-Length")) == (204, b"", [])

    async def test_the_message_of_a_504_can_be_accepted(self, sandbox: Sandbox) -> None:
        assert (await call_with(sandbox, effect="status", status=504, accepted=True)).status == 504
        assert accepted(sandbox)

    async def test_interim_answers_come_first(self, sandbox: Sandbox) -> None:
        seen = await call_with(sandbox, effect="status", status=503, interim=20)
        assert seen.data.count(b"HTTP/1.1 100 Continue\r\n\r\n") == 20
        assert b"HTTP/1.1 503 " in seen.data

    async def test_echo_repeats_the_token_and_a_recipient(self, sandbox: Sandbox) -> None:
        seen = await call_with(sandbox, effect="status", status=400, echo=True)
        assert TOKEN in seen.body.decode()
        assert "u1" in json.loads(seen.body)["message"]

    async def test_headers_can_be_added(self, sandbox: Sandbox) -> None:
        seen = await call_with(sandbox, effect="status", status=503, headers={"Set-Cookie": "a=b"})
        assert seen.header("Set-Cookie") == ["a=b"]


class WhenTheAnswerIsSlow:
    async def test_it_comes_after_the_delay(self, sandbox: Sandbox) -> None:
        began = time.monotonic()
        seen = await call_with(sandbox, effect="latency", latency_s=[0.3, 0.4])
        assert seen.status == 200
        assert time.monotonic() - began >= 0.3
        assert sandbox.calls[0].fault == "latency"
        assert accepted(sandbox)

    async def test_every_fault_can_have_a_delay(self, sandbox: Sandbox) -> None:
        for rule in ({"effect": "status", "status": 503}, {"effect": "cut_after"}):
            began = time.monotonic()
            await call_with(sandbox, **rule, latency_s=0.2)
            assert time.monotonic() - began >= 0.2

    async def test_a_slow_call_does_not_delay_others(self, sandbox: Sandbox) -> None:
        sandbox.set_faults({"effect": "latency", "latency_s": GENEROUS_S * 2, "recipient": "slow"})
        slow = asyncio.create_task(call(sandbox, a_body("slow")))
        assert (await call(sandbox, a_body("quick"))).status == 200
        slow.cancel()

    async def test_all_answers_can_be_slow(self) -> None:
        async with Sandbox(token=TOKEN, latency_s=0.2) as sandbox:
            began = time.monotonic()
            assert (await call(sandbox, a_body())).status == 200
            assert time.monotonic() - began >= 0.2

    async def test_a_drip_comes_in_pieces(self, sandbox: Sandbox) -> None:
        began = time.monotonic()
        seen = await call_with(sandbox, effect="drip", every_s=0.01, bytes=10)
        assert json.loads(seen.body)["result"]["message_code"]
        assert time.monotonic() - began >= 0.01 * (len(seen.body) // 10)

    async def test_the_headers_of_a_drip_come_long_before_its_end(self, sandbox: Sandbox) -> None:
        sandbox.set_faults({"effect": "drip", "every_s": GENEROUS_S})
        reader, writer = await connect(sandbox)
        writer.write(request_bytes(a_body()))
        async with asyncio.timeout(GENEROUS_S / 2):
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 OK")
        writer.close()


class WhenTheServerHangs:
    async def test_nothing_comes_and_the_message_is_not_accepted(self, sandbox: Sandbox) -> None:
        assert await call_with(sandbox, quiet_after_s=0.3, silent=True, effect="hang") == Seen(b"", "open")
        assert sandbox.calls[0].status == 0
        assert not accepted(sandbox)

    async def test_it_can_end_with_a_close(self, sandbox: Sandbox) -> None:
        assert await call_with(sandbox, effect="hang", for_s=0.1) == Seen(b"", "closed")

    async def test_its_message_can_be_accepted(self, sandbox: Sandbox) -> None:
        await call_with(sandbox, effect="hang", for_s=0, accepted=True)
        assert accepted(sandbox)

    async def test_the_sandbox_can_be_stopped(self) -> None:
        async with asyncio.timeout(GENEROUS_S), Sandbox(token=TOKEN) as sandbox:
            await call_with(sandbox, quiet_after_s=0.1, silent=True, effect="hang")
            reader, writer = await connect(sandbox)
            writer.write(request_bytes(a_body()))
            while sandbox.count < 2:
                await asyncio.sleep(0.01)
        with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
            await reader.readexactly(1)
        writer.close()


class WhenTheConnectionIsCut:
    async def test_at_accept_nothing_is_read(self, sandbox: Sandbox) -> None:
        sandbox.set_faults({"effect": "cut_before", "how": "accept"})
        reader, writer = await connect(sandbox)
        async with asyncio.timeout(GENEROUS_S):
            assert await reader.read() == b""
        writer.close()
        assert sandbox.calls == []
        assert sandbox.summary()["connections_cut"] == 1

    @pytest.mark.parametrize("how, ended", [("request", "closed"), ("reset", "reset")])
    async def test_cut_before_does_not_accept_the_message(self, sandbox: Sandbox, how: str, ended: str) -> None:
        assert await call_with(sandbox, effect="cut_before", how=how) == Seen(b"", ended)
        assert not accepted(sandbox)

    @pytest.mark.parametrize("how, ended", [("close", "closed"), ("reset", "reset")])
    async def test_cut_after_accepts_the_message_and_loses_the_answer(self, sandbox: Sandbox, how: str, ended: str) -> None:
        assert await call_with(sandbox, effect="cut_after", how=how) == Seen(b"", ended)
        assert sandbox.calls[0].status == 0
        assert accepted(sandbox)

    async def test_a_cut_in_the_headers_leaves_an_incomplete_head(self, sandbox: Sandbox) -> None:
        seen = await call_with(sandbox, effect="cut_middle", how="headers")
        assert seen.data.startswith(b"HTTP/1.1 200 OK\r\n")
        assert b"\r\n\r\n" not in seen.data
        assert seen.ended == "closed"
        assert accepted(sandbox)

    @pytest.mark.parametrize("how, ended", [("body", "closed"), ("reset", "reset"), ("stall", "open")])
    async def test_a_cut_in_the_body_sends_half_of_it(self, sandbox: Sandbox, how: str, ended: str) -> None:
        seen = await call_with(sandbox, quiet_after_s=1 if how == "stall" else None, effect="cut_middle", how=how)
        assert len(seen.body) == int(seen.header("Content-Length")[0]) // 2
        assert seen.ended == ended
        assert accepted(sandbox)

    async def test_a_connection_can_be_closed_after_a_complete_answer(self, sandbox: Sandbox) -> None:
        sandbox.set_faults({"effect": "drop_keepalive"})
        seen = await send(sandbox, request_bytes(a_body()))
        assert json.loads(seen.body)["result"]["message_code"]
        assert (seen.ended, seen.header("Connection")) == ("closed", [])

    async def test_a_retry_after_a_lost_answer_is_a_double(self, sandbox: Sandbox) -> None:
        sandbox.set_faults({"effect": "cut_after", "first": 1})
        await call(sandbox, a_body("u1"))
        await call(sandbox, a_body("u1"))
        assert [double.recipient for double in sandbox.doubles] == ["u1"]

    async def test_a_retry_after_a_cut_before_is_not_a_double(self, sandbox: Sandbox) -> None:
        sandbox.set_faults({"effect": "cut_before", "first": 1})
        await call(sandbox, a_body("u1"))
        await call(sandbox, a_body("u1"))
        assert sandbox.doubled == 0

    async def test_an_invalid_call_is_not_accepted_when_its_answer_is_lost(self, sandbox: Sandbox) -> None:
        sandbox.set_faults({"effect": "cut_after"})
        await call(sandbox, {})
        assert not accepted(sandbox)


class WhenTheAnswerIsGarbage:
    @pytest.mark.parametrize("how", WAYS["garbage"])
    async def test_each_kind_records_whether_the_message_was_accepted(self, sandbox: Sandbox, how: str) -> None:
        sandbox.set_faults({"effect": "garbage", "how": how})
        reader, writer = await connect(sandbox)
        writer.write(request_bytes(a_body()))
        async with asyncio.timeout(GENEROUS_S):
            assert await reader.read(1)
        writer.close()
        assert sandbox.calls[0].fault == f"garbage:{how}"
        assert accepted(sandbox) is (how not in ("error_1_3", "error_envelope"))

    async def test_the_status_line_can_be_garbage(self, sandbox: Sandbox) -> None:
        assert not (await call_with(sandbox, effect="garbage", how="status_line")).data.startswith(b"HTTP/")

    async def test_html_comes_with_200(self, sandbox: Sandbox) -> None:
        seen = await call_with(sandbox, effect="garbage", how="html")
        assert (seen.status, seen.body[:9]) == (200, b"<!doctype")

    @pytest.mark.parametrize("how", ["not_json", "empty", "truncated", "not_utf8"])
    async def test_some_bodies_are_not_json(self, sandbox: Sandbox, how: str) -> None:
        seen = await call_with(sandbox, effect="garbage", how=how)
        assert seen.status == 200
        assert len(seen.body) == int(seen.header("Content-Length")[0])
        with pytest.raises(ValueError):
            json.loads(seen.body)

    @pytest.mark.parametrize(
        "how, body",
        [
            ("null", None),
            ("list", []),
            ("no_code", {"result": {"unknown_identifiers": []}}),
            ("code_not_text", {"result": {"message_code": 17, "unknown_identifiers": []}}),
            ("error_1_3", {"status_code": 210, "status_message": "Argument error", "response": None}),
        ],
    )
    async def test_some_bodies_are_json_without_a_message_code(self, sandbox: Sandbox, how: str, body: Any) -> None:
        seen = await call_with(sandbox, effect="garbage", how=how)
        assert (seen.status, json.loads(seen.body)) == (200, body)

    async def test_an_error_can_have_an_unknown_form(self, sandbox: Sandbox) -> None:
        seen = await call_with(sandbox, effect="garbage", how="error_envelope")
        assert (seen.status, json.loads(seen.body)) == (400, {"error": "bad request"})
        assert sandbox.calls[0].status == 400

    async def test_a_body_can_have_10_mb(self, sandbox: Sandbox) -> None:
        assert len((await call_with(sandbox, effect="garbage", how="huge_body")).body) == 10 * 1024 * 1024

    async def test_a_body_can_be_endless(self, sandbox: Sandbox) -> None:
        sandbox.set_faults({"effect": "garbage", "how": "endless"})
        reader, writer = await connect(sandbox)
        writer.write(request_bytes(a_body()))
        async with asyncio.timeout(GENEROUS_S):
            assert len(await reader.readexactly(20 * 1024 * 1024)) == 20 * 1024 * 1024
        writer.close()

    async def test_a_body_marked_as_gzip_can_be_something_else(self, sandbox: Sandbox) -> None:
        seen = await call_with(sandbox, effect="garbage", how="not_gzip")
        assert seen.header("Content-Encoding") == ["gzip"]
        with pytest.raises(gzip.BadGzipFile):
            gzip.decompress(seen.body)

    async def test_a_gzip_body_can_be_a_bomb(self, sandbox: Sandbox) -> None:
        seen = await call_with(sandbox, effect="garbage", how="gzip_bomb")
        assert len(gzip.decompress(seen.body)) > 500 * len(seen.body)

    async def test_there_can_be_two_lengths(self, sandbox: Sandbox) -> None:
        seen = await call_with(sandbox, effect="garbage", how="two_lengths")
        assert len(set(seen.header("Content-Length"))) == 2

    async def test_headers_can_be_huge_or_many(self, sandbox: Sandbox) -> None:
        assert len((await call_with(sandbox, effect="garbage", how="huge_header")).head) > 200_000
        assert (await call_with(sandbox, effect="garbage", how="many_headers")).head.count(b"\r\n") > 10_000


class WhenTheAnswerIsUnusual:
    async def test_a_redirect_points_elsewhere(self, sandbox: Sandbox) -> None:
        seen = await call_with(sandbox, effect="redirect", location="http://127.0.0.1:1/x", status=308)
        assert (seen.status, seen.header("Location")) == (308, ["http://127.0.0.1:1/x"])
        assert not accepted(sandbox)

    async def test_two_calls_can_get_the_same_message_code(self, sandbox: Sandbox) -> None:
        codes = [json.loads((await call_with(sandbox, effect="same_code")).body)["result"]["message_code"] for _ in range(2)]
        assert codes[0] == codes[1] == sandbox.calls[0].message_code


class Clock:
    """The clock of fault rules, which a test sets: so it does not depend on the machine's speed."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now

    def time(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("wooshq_worker.sandbox.stand_in.time", clock)
    return clock


class WhenARateIsLimited:
    async def test_calls_over_the_limit_get_429_and_a_retry_after(self, clock: Clock, sandbox: Sandbox) -> None:
        sandbox.set_faults({"effect": "rate_limit", "per_s": 3})
        answers = await asyncio.gather(*(call(sandbox, a_body(f"u{number}")) for number in range(8)))
        refused = [seen for seen in answers if seen.status == 429]
        assert (len(sandbox.accepted), len(refused)) == (3, 5)
        for seen in refused:
            assert seen.header("Retry-After") == ["1"]
            body = json.loads(seen.body)
            assert body["code"] == 8
            assert 0 < float(body["details"][0]["retryDelay"].removesuffix("s")) <= 1
        clock.now += 1
        assert (await call(sandbox, a_body("u9"))).status == 200


class WhenAnOutageHasAWindow:
    async def test_it_ends_without_a_change(self, clock: Clock, sandbox: Sandbox) -> None:
        sandbox.set_faults({"effect": "status", "status": 503, "until_s": 60, "name": "outage"})
        for _ in range(2):
            assert (await call(sandbox, a_body("u1"))).status == 503
            clock.now += 30
        assert (await call(sandbox, a_body("u1"))).status == 200
        assert sandbox.summary()["by_fault"]["outage"] == 2


class WhenARuleNamesARecipient:
    async def test_calls_without_this_recipient_are_answered_normally(self, sandbox: Sandbox) -> None:
        sandbox.set_faults({"effect": "status", "status": 500, "recipient": "bad"})
        assert (await call(sandbox, a_body("good", "bad"))).status == 500
        assert (await call(sandbox, a_body("good"))).status == 200

    async def test_the_connection_answers_the_next_call(self, sandbox: Sandbox) -> None:
        sandbox.set_faults({"effect": "drip", "every_s": 0.001, "bytes": 20, "first": 1})
        reader, writer = await connect(sandbox)
        writer.write(request_bytes(a_body("u1")) + request_bytes(a_body("u2")))
        assert (await read_answer(reader)).status == 200
        assert (await read_answer(reader)).status == 200
        writer.close()
        assert [one.recipients for one in sandbox.calls] == [("u1",), ("u2",)]


NEEDED: dict[str, dict[str, Any]] = {
    "status": {"status": 500},
    "latency": {"latency_s": 0},
    "rate_limit": {"per_s": 1},
    "hang": {"for_s": 0},
    "drip": {"every_s": 0},
}


class WhenACallIsRecorded:
    @pytest.mark.parametrize("effect, how", [(effect, how) for effect in EFFECTS for how in WAYS.get(effect, (None,)) if how != "accept"])
    async def test_it_has_the_status_that_was_sent(self, sandbox: Sandbox, effect: str, how: str | None) -> None:
        sandbox.set_faults({"effect": effect, **NEEDED.get(effect, {}), **({} if how is None else {"how": how})})
        if how == "endless":
            reader, writer = await connect(sandbox)
            writer.write(request_bytes(a_body()))
            async with asyncio.timeout(GENEROUS_S):
                seen = Seen(await reader.readuntil(b"\r\n\r\n"), "open")
            writer.close()
        else:
            seen = await call(sandbox, a_body(), quiet_after_s=0.5 if how == "stall" else None)
            assert seen.ended == ("open" if how == "stall" else "reset" if how == "reset" else "closed")
        assert [one.status for one in sandbox.calls] == [seen.status]
