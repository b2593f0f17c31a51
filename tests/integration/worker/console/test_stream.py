"""Messages as lines (NDJSON): a result a line, as it goes."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.integration.worker.console.served import SECRET, served
from tests.integration.worker.console.test_intents import gone
from tests.rig import GENEROUS_S, an_intent
from wooshq import Wooshq
from wooshq_worker.console.calls.accept.stream import Lines

NDJSON = {"Content-Type": "application/x-ndjson"}


def lines(*intents: Any) -> bytes:
    return b"".join(json.dumps(one).encode() + b"\n" if not isinstance(one, bytes) else one + b"\n" for one in intents)


def results(done: httpx.Response) -> list[dict[str, Any]]:
    return [json.loads(line) for line in done.text.splitlines()]


class WhenLinesAreCut:
    def cut(self, body: bytes, size: int, most: int = 100) -> list[tuple[int, bytes | None]]:
        made = Lines(most)
        found = [one for start in range(0, len(body), size) for one in made.feed(body[start : start + size])]
        return [*found, *made.feed(b"", ends=True)]

    @pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
    def test_it_does_not_matter_where_pieces_end(self, size: int) -> None:
        assert self.cut(b"one\n\n  \ntwo\r\nthree", size) == [(1, b"one"), (4, b"two\r"), (5, b"three")]

    @pytest.mark.parametrize("size", [1, 5, 1000])
    def test_a_line_that_is_too_long_is_not_kept(self, size: int) -> None:
        assert self.cut(b"x" * 50 + b"\nok\n" + b"y" * 20, size, most=10) == [(1, None), (2, b"ok"), (3, None)]


class WhenLinesArePosted:
    def test_each_has_its_result_and_the_last_line_counts(self, http: httpx.Client, wooshq: Wooshq) -> None:
        body = lines(an_intent("a"), b"", {"to": {}}, b"{", an_intent("b", idempotency_key="k"), an_intent("b", idempotency_key="k"))
        done = http.post("/v1/intents", content=body, headers=NDJSON)
        assert (done.status_code, done.headers["content-type"]) == (202, "application/x-ndjson")
        *told, closing = results(done)
        assert [(one["line"], "id" in one) for one in told] == [(1, True), (3, False), (4, False), (5, True), (6, True)]
        assert told[3]["id"] == told[4]["id"], "one key, one message"
        assert all(wooshq.status(one["id"]) for one in told if "id" in one)
        assert closing == {"done": True, "lines": 6, "accepted": 3, "refused": 2}

    def test_a_line_too_long_or_too_deep_is_refused_alone(self, wooshq: Wooshq) -> None:
        with served(wooshq.settings.model_copy(update={"max_intent_bytes": 1024})) as http:
            body = lines(an_intent(message={"push": {"body": "x" * 2000}}), b"[" * 500, an_intent())
            *told, closing = results(http.post("/v1/intents", content=body, headers=NDJSON))
        assert ["more than 1024 bytes" in str(told[0]), "64 deep" in str(told[1]), "id" in told[2]] == [True] * 3
        assert (closing["accepted"], closing["refused"]) == (1, 2)

    def test_nothing_is_nothing(self, http: httpx.Client) -> None:
        assert results(http.post("/v1/intents", content=b"\n", headers=NDJSON)) == [{"done": True, "lines": 1, "accepted": 0, "refused": 0}]

    def test_a_client_that_reads_only_after_it_has_written_everything_gets_all_results(self, http: httpx.Client, wooshq: Wooshq) -> None:
        """httpx is such a client. 40,000 results are more than the buffers between the two hold."""

        def body() -> Iterator[bytes]:
            for n in range(80):
                yield b"".join(b'{"to": {"users": ["u%d"]}, "message": {"preset": "A-1"}}\n' % (n * 500 + i) for i in range(500))

        *told, closing = results(http.post("/v1/intents", content=body(), headers=NDJSON))
        assert closing == {"done": True, "lines": 40_000, "accepted": 40_000, "refused": 0}
        assert [one["line"] for one in told] == list(range(1, 40_001))
        assert wooshq.counts()["accepted"] == 40_000

    def test_results_come_while_lines_are_still_written(self, http: httpx.Client) -> None:
        url = http.base_url
        with socket.create_connection((url.host, url.port or 0), 60) as connection, connection.makefile("rb") as answer:
            head = f"POST /v1/intents HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {SECRET}\r\nContent-Type: application/x-ndjson\r\n"
            connection.sendall(f"{head}Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n".encode())
            for n in range(1, 4):
                line = lines(an_intent(f"u{n}"))
                connection.sendall(b"%x\r\n%b\r\n" % (len(line), line))
                while not (said := answer.readline()).startswith(b'{"line"'):
                    assert said
                assert json.loads(said)["line"] == n
            connection.sendall(b"0\r\n\r\n")
            assert b'"accepted":3' in answer.read()

    def test_a_client_that_leaves_keeps_what_was_accepted(self, http: httpx.Client, wooshq: Wooshq) -> None:
        url = http.base_url
        with socket.create_connection((url.host, url.port or 0), 60) as connection, connection.makefile("rb") as answer:
            head = f"POST /v1/intents HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {SECRET}\r\nContent-Type: application/x-ndjson\r\n"
            connection.sendall(f"{head}Content-Length: 10000\r\n\r\n".encode() + lines(an_intent()))
            while not (said := answer.readline()).startswith(b'{"line"'):
                assert said
        assert wooshq.status(json.loads(said)["id"]) is not None
        assert http.get("/healthz").status_code == 200

    def test_a_token_that_is_revoked_meanwhile_ends_it(self, http: httpx.Client, wooshq: Wooshq) -> None:
        secret, url = wooshq.tokens.make("shop", ["send"]).secret, http.base_url
        said: list[dict[str, Any]] = []
        with socket.create_connection((url.host, url.port or 0), 60) as connection, connection.makefile("rb") as answer:
            head = f"POST /v1/intents HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {secret}\r\nContent-Type: application/x-ndjson\r\n"
            connection.sendall(f"{head}Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n".encode())
            ends = time.monotonic() + GENEROUS_S
            while not said or "done" not in said[-1]:  # the server refuses the token after five seconds at the latest
                assert time.monotonic() < ends, said[-1]
                line = lines(an_intent("u1"))
                connection.sendall(b"%x\r\n%b\r\n" % (len(line), line))
                while not (one := answer.readline()).startswith(b"{"):
                    assert one
                said.append(json.loads(one))
                if len(said) == 1:
                    wooshq.tokens.revoke("shop")
        assert (said[-1]["done"], said[-1]["problem"]["status"]) == (False, 401)
        assert said[-1]["accepted"] == len(said) - 1 == wooshq.counts()["accepted"]

    def test_a_key_of_the_header_is_of_one_message_only(self, http: httpx.Client) -> None:
        done = http.post("/v1/intents", content=lines(an_intent()), headers={**NDJSON, "Idempotency-Key": "k"})
        assert done.status_code == 422

    def test_a_body_above_its_limit_says_so_in_the_last_line(self, wooshq: Wooshq) -> None:
        with served(wooshq.settings.model_copy(update={"console_stream_bytes": 200_000})) as http:
            *told, closing = results(http.post("/v1/intents", content=lines(*[an_intent()] * 5000), headers=NDJSON))
        assert (closing["done"], closing["problem"]["status"], closing["accepted"]) == (False, 413, len(told))

    def test_a_redis_that_is_away_is_503(self, wooshq: Wooshq) -> None:
        with served(gone(wooshq.settings)) as http:
            done = http.post("/v1/intents", content=lines(an_intent(), an_intent()), headers=NDJSON)
        assert (done.status_code, done.json()["type"]) == (503, "urn:wooshq:not-accepted")
        assert done.headers["retry-after"]
