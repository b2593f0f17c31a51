"""Fan-out jobs over HTTP."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from tests.fan_outs import PERSONAL
from wooshq import Wooshq

NDJSON = {"Content-Type": "application/x-ndjson"}


def body(*head_and_rows: Any) -> bytes:
    return b"".join(row if isinstance(row, bytes) else json.dumps(row).encode() + b"\n" for row in head_and_rows)


def people(n: int) -> list[dict[str, str]]:
    return [{"user": f"u{i}", "name": f"Ann {i}"} for i in range(n)]


def lines(done: httpx.Response) -> list[Any]:
    return [json.loads(line) for line in done.text.splitlines()]


class WhenAFanOutIsStarted:
    @pytest.mark.parametrize("as_lines", [False, True])
    def test_202_comes_when_all_recipients_are_in_the_ledger(self, http: httpx.Client, wooshq: Wooshq, as_lines: bool) -> None:
        rows = [*people(2500), {"user": ""}, *people(3)]
        head = {"template": PERSONAL, "rate": 5}
        if as_lines:
            done = http.post("/v1/bulk", content=body(head, *rows), headers=NDJSON)
        else:
            done = http.post("/v1/bulk", json={**head, "recipients": rows})
        assert done.status_code == 202, done.text
        made = done.json()
        assert done.headers["location"] == f"/v1/bulk/{made['id']}"
        assert (made["refused"], made["duplicates"], made["errors"][0]["index"]) == (1, 3, 2500)
        job = wooshq.bulk.show(made["id"])
        assert (job.total, job.is_fed, job.limit) == (2500, True, 5)
        assert http.get(done.headers["location"]).json() == dict(job)

    def test_a_line_that_is_not_json_is_refused_alone(self, http: httpx.Client) -> None:
        done = http.post(
            "/v1/bulk", content=body({"template": PERSONAL}, *people(3), b"{\n", b"\n", b"[" * 99 + b"\n", *people(1)), headers=NDJSON
        )
        assert [(one["index"], one["errors"][0]["problem"][:9]) for one in done.json()["errors"]] == [(3, "is not JS"), (4, "is nested")]

    def test_the_same_key_gives_the_same_job(self, http: httpx.Client, wooshq: Wooshq) -> None:
        head = {"template": PERSONAL}
        first = http.post("/v1/bulk", json={**head, "recipients": people(3)}, headers={"Idempotency-Key": "sale-7"})
        again = http.post("/v1/bulk", content=body(head, *people(3)), headers={**NDJSON, "Idempotency-Key": "sale-7"})
        assert (again.status_code, again.json()["id"], again.headers["idempotent-replayed"]) == (202, first.json()["id"], "true")
        other = {"template": {**PERSONAL, "tags": {"a": "b"}}, "recipients": people(3)}
        conflict = http.post("/v1/bulk", json=other, headers={"Idempotency-Key": "sale-7"})
        assert (conflict.status_code, conflict.json()["fields"]) == (422, ["tags"])
        assert wooshq.bulk.show(first.json()["id"]).total == 3

    @pytest.mark.parametrize(
        "said",
        [
            {},
            {"template": PERSONAL},
            {"template": {"to": {"users": ["u1"]}}, "recipients": people(1)},
            {"template": PERSONAL, "recipients": [], "rate": -1},
            {"template": PERSONAL, "recipients": people(1), "stop_at": 0.5},
            {"template": PERSONAL, "recipients": [{"user": "u1"}]},
            {"template": PERSONAL, "recipients": people(1), "rat": 5},
        ],
    )
    def test_what_cannot_be_is_422_and_starts_nothing(self, http: httpx.Client, wooshq: Wooshq, said: dict[str, Any]) -> None:
        done = http.post("/v1/bulk", json=said)
        assert done.status_code == 422, done.text
        assert wooshq.bulk.list() == []

    @pytest.mark.parametrize("head", [b"", b"\n", b"{\n", b"[]\n", b'{"template": 1}\n', b'{"template": {}, "recipients": []}\n'])
    def test_a_first_line_that_is_no_job_is_422(self, http: httpx.Client, head: bytes) -> None:
        assert http.post("/v1/bulk", content=body(head, *people(2)[: len(head)]), headers=NDJSON).status_code == 422


class WhenAJobRuns:
    def test_it_is_paused_limited_resumed_and_cancelled_and_the_rest_is_listed(self, http: httpx.Client, wooshq: Wooshq) -> None:
        where = http.post("/v1/bulk", json={"template": PERSONAL, "recipients": people(4)}).headers["location"]
        assert http.post(f"{where}/pause", json={"why": "noon"}).json()["state"] == "paused"
        assert http.put(f"{where}/rate", json={"rate": 7, "why": "slow"}).status_code == 200
        assert wooshq.bulk.show(where.rpartition("/")[2]).limit == 7
        assert http.put(f"{where}/rate", json={}).status_code == 422, "the rate must be said"
        *rest, closing = lines(http.get(f"{where}/unreached"))
        assert (sorted(one["identifier"] for one in rest), closing["count"]) == (["u0", "u1", "u2", "u3"], 4)
        assert http.post(f"{where}/resume").json()["state"] == "running"
        assert http.get(f"{where}/unreached").status_code == 422
        assert http.post(f"{where}/pause").json()["state"] == "paused"
        more = http.post(f"{where}/continue", json={"why": "again"})
        assert more.status_code == 202
        assert http.get(more.headers["location"]).json()["total"] == 4
        assert http.get(where).json()["state"] == "cancelled"
        assert http.post(f"{more.json()['location']}/cancel").json()["state"] == "cancelled"
        for part in ("in-doubt", "unknown-identifiers"):
            assert lines(http.get(f"{where}/{part}")) == [{"done": True, "count": 0}]
        assert {act.by for act in wooshq.audit().found} == {"ana"}

    def test_its_failed_recipients_are_replayed_or_there_are_none(self, http: httpx.Client) -> None:
        where = http.post("/v1/bulk", json={"template": PERSONAL, "recipients": people(1)}).headers["location"]
        done = http.post(f"{where}/retry-failed", json={"dry_run": True})
        assert (done.status_code, done.json()["selected"]) == (200, 0)

    def test_pages_have_every_job_once(self, http: httpx.Client) -> None:
        made = [http.post("/v1/bulk", json={"template": PERSONAL, "recipients": people(1)}).json()["id"] for _ in range(5)]
        first = http.get("/v1/bulk?limit=3").json()
        second = http.get("/v1/bulk", params={"limit": 3, "after": first["next"]}).json()
        assert sorted(one["id"] for one in (*first["data"], *second["data"])) == sorted(made)
        assert second["next"] is None

    def test_an_unknown_one_is_404(self, http: httpx.Client) -> None:
        reads = [("GET", path, None) for path in ("", "/unreached", "/in-doubt", "/unknown-identifiers")]
        acts = [("POST", f"/{verb}", {}) for verb in ("pause", "resume", "cancel", "retry-failed", "continue")]
        for way, path, said in [*reads, *acts, ("PUT", "/rate", {"rate": 1})]:
            done = http.request(way, f"/v1/bulk/nobody{path}", json=said)
            assert (done.status_code, done.json()["type"]) == (404, "urn:wooshq:unknown-id"), (way, path, done.text)
