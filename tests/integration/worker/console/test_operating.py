"""Gates, pauses, limits and the audit log over HTTP."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.rig import APPLICATION, an_intent
from wooshq import Wooshq


class WhenSomethingIsHeldBack:
    def test_a_pause_is_seen_by_what_waits_and_taken_back(self, http: httpx.Client, wooshq: Wooshq) -> None:
        where = http.post("/v1/intents", json=an_intent()).headers["location"]
        done = http.post("/v1/pauses", json={"application": "*", "lane": "transactional", "why": "codes"})
        assert (done.status_code, done.json()["lane"], done.json()["by"]) == (200, "transactional", "ana")
        assert http.get(where).json()["waiting_for"] == "paused by ana: codes"
        (pause,) = http.get("/v1/pauses").json()["data"]
        assert pause == dict(wooshq.gates()[0])
        assert http.post("/v1/pauses/resume", json={"application": "*"}).json() == {"changed": False}, "another pause"
        assert http.post("/v1/pauses/resume", json={"application": "*", "lane": "transactional"}).json() == {"changed": True}
        assert http.get("/v1/gates").json() == {"data": [], "next": None}

    def test_a_gate_is_shut_and_opened(self, http: httpx.Client) -> None:
        assert http.post("/v1/gates/circuit/shut", json={"application": APPLICATION}).json()["state"] == "shut"
        (gate,) = http.get("/v1/gates").json()["data"]
        assert (gate["gate"], gate["application"], gate["by"]) == ("circuit", APPLICATION, "ana")
        assert http.get("/v1/pauses").json()["data"] == []
        assert http.post("/v1/gates/circuit/open", json={"application": APPLICATION}).json() == {"changed": True}
        assert http.post("/v1/gates/nothing/open", json={"application": APPLICATION}).status_code == 422

    def test_a_limit_is_set_and_taken_back(self, http: httpx.Client) -> None:
        assert http.put("/v1/limits/rate", json={"application": APPLICATION, "value": 50, "why": "slow"}).json()["value"] == 50
        found = [one for one in http.get("/v1/limits").json()["data"] if one["origin"] == "set"]
        assert [(one["limit"], one["application"], one["by"], one["why"]) for one in found] == [("rate", APPLICATION, "ana", "slow")]
        assert http.post("/v1/limits/rate/unset", json={"application": APPLICATION}).json() == {"changed": True}
        for limit, value in (("rate", 0), ("share", 1), ("speed", 5), ("share", None)):
            assert http.put(f"/v1/limits/{limit}", json={"application": "*", "value": value}).status_code == 422

    @pytest.mark.parametrize(
        ("way", "path"),
        [
            ("POST", "/v1/pauses"),
            ("POST", "/v1/pauses/resume"),
            ("POST", "/v1/gates/hand/shut"),
            ("POST", "/v1/gates/hand/open"),
            ("PUT", "/v1/limits/rate"),
            ("POST", "/v1/limits/rate/unset"),
        ],
    )
    @pytest.mark.parametrize(
        "said", [{}, {"why": "x"}, {"application": ""}, {"application": "no code!", "value": 1}, {"application": None}]
    )
    def test_nothing_is_done_without_naming_the_application(
        self, http: httpx.Client, wooshq: Wooshq, way: str, path: str, said: dict[str, Any]
    ) -> None:
        assert http.request(way, path, json=said).status_code == 422
        assert (wooshq.gates(), wooshq.audit().found) == ([], ())


class WhenTheAuditLogIsRead:
    def test_pages_have_every_act_once_with_the_token_that_did_it(self, http: httpx.Client, wooshq: Wooshq) -> None:
        for n in range(7):
            http.put("/v1/limits/rate", json={"application": "*", "value": n + 1, "why": f"n{n}"})
        wooshq.limits.unset("rate", by="bob")
        first = http.get("/v1/audit?limit=5").json()
        wooshq.limits.set("rate", 9, by="bob")
        second = http.get("/v1/audit", params={"limit": 5, "after": first["next"]}).json()
        acts = [*first["data"], *second["data"]]
        assert [act["why"] for act in acts if act["by"] == "ana"] == [f"n{n}" for n in range(6, -1, -1)]
        assert second["next"] is None
        assert [act["by"] for act in http.get("/v1/audit?by=bob").json()["data"]] == ["bob", "bob"]

    def test_the_metrics_of_the_ledger_need_a_token_and_say_what_waits(self, http: httpx.Client) -> None:
        http.post("/v1/intents", json=an_intent())
        assert http.get("/metrics", headers={"Authorization": ""}).status_code == 401
        page = http.get("/metrics")
        assert page.headers["content-type"].startswith("text/plain")
        assert "wooshq_waiting{" in page.text
        assert http.get("/metrics", headers={"Accept": "application/openmetrics-text"}).text.endswith("# EOF\n")

    def test_counts_are_those_of_the_ledger(self, http: httpx.Client, wooshq: Wooshq) -> None:
        http.post("/v1/intents", json=an_intent())
        assert http.get("/v1/counts").json() == wooshq.counts()
