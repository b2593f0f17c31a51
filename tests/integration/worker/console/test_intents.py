"""Messages over HTTP: accepted durably, once for each key, and seen afterwards."""

from __future__ import annotations

import re
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from tests.integration.worker.console.served import served
from tests.rig import an_intent
from wooshq import Settings, Wooshq

KEY = "shop-shipped-77"


def gone(settings: Settings, **more: Any) -> Settings:
    """The same installation, with a Redis that is down."""
    return settings.model_copy(update={"redis_url": "redis://127.0.0.1:1/0", "broker_url": None, "accept_within_s": 0.5, **more})


class WhenAMessageIsPosted:
    def test_202_says_where_to_ask_for_it(self, http: httpx.Client, wooshq: Wooshq) -> None:
        done = http.post("/v1/intents", json=an_intent())
        assert done.status_code == 202
        made = done.json()
        assert done.headers["location"] == made["location"] == f"/v1/intents/{made['id']}"
        assert "idempotent-replayed" not in done.headers
        found = http.get(done.headers["location"])
        assert found.status_code == 200
        assert found.json() == dict(wooshq.status(made["id"]) or {})
        assert found.headers["cache-control"] == "no-store"

    def test_an_invalid_one_is_422_and_says_where_by_json_pointer(self, http: httpx.Client, wooshq: Wooshq) -> None:
        done = http.post("/v1/intents", json={"to": {"users": [""]}, "message": {"push": {"titel": "Hi"}}})
        assert (done.status_code, done.headers["content-type"]) == (422, "application/problem+json")
        assert done.json()["type"] == "urn:wooshq:intent-invalid"
        assert {error["pointer"] for error in done.json()["errors"]} == {"#/to/users/0", "#/message/push/titel"}
        assert wooshq.counts().get("accepted", 0) == 0

    @pytest.mark.parametrize(
        ("body", "said"),
        [
            (b"{", "is not JSON"),
            (b"", "is not JSON"),
            (b"[]", "must be an object"),
            (b"\xff", "is not UTF-8"),
            (b'{"to": 1, "to": 1}', "appears more than once"),
            (b'{"ttl_s": NaN}', "is NaN"),
            (b'{"message": ' + b'{"a":' * 70 + b"1" + b"}" * 70 + b"}", "is nested more than 64 deep"),
            (b'{"message": ' + b"[" * 100_000, "is nested more than 64 deep"),
        ],
    )
    def test_what_parsers_disagree_about_is_refused(self, http: httpx.Client, body: bytes, said: str) -> None:
        done = http.post("/v1/intents", content=body, headers={"Content-Type": "application/json"})
        assert done.status_code == 422
        assert said in done.json()["detail"]

    def test_brackets_in_texts_are_not_nesting(self, http: httpx.Client) -> None:
        done = http.post("/v1/intents", json=an_intent(message={"push": {"title": '[{"\\' * 50, "body": "]" * 200}}))
        assert done.status_code == 202, done.text

    def test_a_form_of_a_browser_is_refused(self, http: httpx.Client) -> None:
        for kind in ("text/plain", "application/x-www-form-urlencoded", ""):
            done = http.post("/v1/intents", content=b"{}", headers={"Content-Type": kind})
            assert done.status_code == 415
        compressed = http.post("/v1/intents", content=b"{}", headers={"Content-Type": "application/json", "Content-Encoding": "gzip"})
        assert compressed.status_code == 415

    def test_many_at_once_are_each_accepted_once(self, http: httpx.Client, wooshq: Wooshq) -> None:
        with ThreadPoolExecutor(16) as pool:
            done = list(pool.map(lambda n: http.post("/v1/intents", json=an_intent(f"u{n}", idempotency_key=f"k{n % 100}")), range(200)))
        refused = [one for one in done if one.status_code != 202]
        assert {one.json()["type"] for one in refused} == {"urn:wooshq:conflict"}, "each key came with two users"
        assert len({one.json()["id"] for one in done if one.status_code == 202}) == 100 == wooshq.counts()["accepted"]


class WhenAKeyComesAgain:
    def test_the_first_answer_comes_again(self, http: httpx.Client, wooshq: Wooshq) -> None:
        first = http.post("/v1/intents", json=an_intent(), headers={"Idempotency-Key": KEY})
        again = http.post("/v1/intents", json=an_intent(), headers={"Idempotency-Key": f'"{KEY}"'})
        in_body = http.post("/v1/intents", json=an_intent(idempotency_key=KEY))
        assert (first.status_code, "idempotent-replayed" in first.headers) == (202, False)
        for one in (again, in_body):
            assert (one.status_code, one.headers["idempotent-replayed"], one.content) == (202, "true", first.content)
        assert wooshq.counts()["accepted"] == 1
        assert http.get(f"/v1/intents/{KEY}").json()["id"] == first.json()["id"]

    def test_another_body_is_422_and_names_the_fields(self, http: httpx.Client) -> None:
        first = http.post("/v1/intents", json=an_intent(), headers={"Idempotency-Key": KEY})
        other = http.post("/v1/intents", json=an_intent("u2"), headers={"Idempotency-Key": KEY})
        assert (other.status_code, other.json()["fields"], other.json()["accepted_id"]) == (422, ["to.users"], first.json()["id"])

    @pytest.mark.parametrize("header", [b'""', "ä".encode(), b"x" * 400])
    def test_a_key_that_cannot_be_one_is_422(self, http: httpx.Client, header: bytes) -> None:
        done = http.post("/v1/intents", json=an_intent(), headers=[(b"Idempotency-Key", header)])
        assert done.status_code == 422

    def test_two_different_keys_are_422(self, http: httpx.Client) -> None:
        done = http.post("/v1/intents", json=an_intent(idempotency_key="one"), headers={"Idempotency-Key": "two"})
        assert (done.status_code, done.json()["errors"][0]["pointer"]) == (422, "#/idempotency_key")


class WhenRedisIsAway:
    def test_503_has_the_id_to_repeat_with(self, wooshq: Wooshq) -> None:
        with served(gone(wooshq.settings)) as http:
            done = http.post("/v1/intents", json=an_intent())
            assert (done.status_code, done.json()["type"]) == (503, "urn:wooshq:not-accepted")
            assert int(done.headers["retry-after"]) > 0
            assert http.get("/v1/intents/x").json()["type"] == "urn:wooshq:unavailable"
            assert (http.get("/healthz").status_code, http.get("/readyz").status_code) == (200, 503)
        with served(wooshq.settings) as http:
            again = http.post("/v1/intents", json={**an_intent(), "id": done.json()["id"]})
            assert (again.status_code, again.json()["id"]) == (202, done.json()["id"])

    def test_with_a_spool_it_is_accepted_all_the_same(self, wooshq: Wooshq, tmp_path: Any) -> None:
        with served(gone(wooshq.settings, spool_dir=tmp_path)) as http:
            done = http.post("/v1/intents", json=an_intent())
            assert done.status_code == 202
            assert http.get(done.headers["location"]).json()["state"] == "spooled"


class WhenAMessageIsToBeStopped:
    def test_it_is_cancelled_and_the_token_is_in_the_audit_log(self, http: httpx.Client, wooshq: Wooshq) -> None:
        where = http.post("/v1/intents", json=an_intent()).headers["location"]
        assert http.post(f"{where}/cancel", json={"why": "wrong text"}).json()["state"] == "cancelled"
        assert http.post(f"{where}/cancel").json()["state"] == "cancelled", "the body may be left out"
        (act,) = wooshq.audit().found
        assert (act.by, act.did, act.why) == ("ana", "cancelled", "wrong text")

    def test_an_unknown_one_is_404(self, http: httpx.Client) -> None:
        for way, path, body in (("GET", "", None), ("POST", "/cancel", {}), ("POST", "/resend", {"why": "lost"})):
            done = http.request(way, f"/v1/intents/018f6d0a-7d2c-7c54-9b1e-3a6f3c1d2e4f{path}", json=body)
            assert (done.status_code, done.json()["type"]) == (404, "urn:wooshq:unknown-id")

    def test_a_resend_needs_a_reason_and_something_that_was_sent(self, http: httpx.Client) -> None:
        where = http.post("/v1/intents", json=an_intent()).headers["location"]
        assert http.post(f"{where}/resend", json={}).json()["errors"] == [
            {"pointer": "#/why", "field": "why", "problem": "is missing", "hint": ""}
        ]
        assert http.post(f"{where}/resend", json={"why": "lost"}).status_code == 422


class WhenNothingIsThere:
    def test_an_unknown_path_or_method_is_a_problem(self, http: httpx.Client) -> None:
        assert (http.get("/v1/nothing").status_code, http.get("/v1/nothing").json()["type"]) == (404, "urn:wooshq:no-such-call")
        answer = http.delete("/v1/intents")
        assert (answer.status_code, answer.json()["type"], answer.headers["allow"]) == (405, "urn:wooshq:no-such-call", "POST")
        assert http.delete("/v1/intents").headers["content-type"] == "application/problem+json"

    def test_a_parameter_that_is_not_known_is_422(self, http: httpx.Client) -> None:
        done = http.get("/v1/intents/x?aplication=A")
        assert (done.status_code, done.json()["errors"][0]["parameter"]) == (422, "aplication")
        assert http.get("/v1/intents/x?application=A&application=B").status_code == 422


class WhenTheDocumentIsRead:
    def test_it_is_openapi_3_1_and_every_call_has_an_id_a_scope_and_its_errors(self, http: httpx.Client) -> None:
        document = http.get("/openapi.json", headers={"Authorization": ""}).json()
        assert document["openapi"].startswith("3.1")
        calls = [call for methods in document["paths"].values() for call in methods.values()]
        assert len({call["operationId"] for call in calls}) == len(calls)
        for call in calls:
            assert call["x-scope"] in ("read", "send", "operate")
            assert call["summary"].endswith(".")
            assert {"401", "403", "422", "503"} <= call["responses"].keys()
        for status, said in document["components"]["responses"].items():
            example = said["content"]["application/problem+json"]["example"]
            assert (example["status"], example["type"].startswith("urn:wooshq:")) == (int(status), True)
        assert document["components"]["responses"]["503"]["content"]["application/problem+json"]["example"]["id"]
        assert document["paths"]["/v1/intents"]["post"]["requestBody"]["content"]["application/json"]["examples"]

    def test_the_reference_page_loads_nothing_from_elsewhere(self, http: httpx.Client) -> None:
        page = http.get("/reference/")
        assert "POST</span> /v1/intents" in page.text
        assert "script" not in page.text.lower().replace("description", "")
        assert "http://" not in page.text
        assert not re.search(r"(src|href)=.https?:|url\(", page.text)
        assert page.headers["content-security-policy"].startswith("default-src 'none'")
        assert http.get("/reference/reference.css").headers["content-type"].startswith("text/css")
        for path in ("/docs", "/redoc"):
            assert http.get(path).status_code == 404


def test_the_server_ends_when_no_request_is_in_progress(wooshq: Wooshq) -> None:
    with served(wooshq.settings) as http:
        http.post("/v1/intents", json=an_intent())
    assert not [thread for thread in threading.enumerate() if "uvicorn" in thread.name]
