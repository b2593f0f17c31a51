"""Dead letters and their replays over HTTP."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from tests.integration.letters.dead_letters import letters_of, users
from wooshq import Wooshq

NDJSON = {"Accept": "application/x-ndjson"}
RECIPE = {"message": {"preset": "RIGHT"}}


def lines(done: httpx.Response) -> list[dict[str, Any]]:
    return [json.loads(line) for line in done.text.splitlines()]


class WhenLettersAreListed:
    def test_pages_have_every_letter_once_although_more_are_filed(self, http: httpx.Client, wooshq: Wooshq) -> None:
        letters = letters_of(wooshq, users(25))  # many of one millisecond
        seen: list[str] = []
        after: dict[str, str] = {}
        while True:
            page = http.get("/v1/dead-letters", params={"limit": 4, "application": "AAAAA-BBBBB", **after}).json()
            seen += [letter["id"] for letter in page["data"]]
            letters_of(wooshq, ["new"])
            if page["next"] is None:
                break
            after = {"after": page["next"]}
        assert sorted(seen) == letters
        assert "total" not in page

    def test_the_total_is_told_where_it_is_asked_for(self, http: httpx.Client, wooshq: Wooshq) -> None:
        letters = letters_of(wooshq, users(7))
        wooshq.dead_letters.discard(letters[0])
        assert http.get("/v1/dead-letters?limit=2&total=true").json()["total"] == 7
        assert http.get("/v1/dead-letters?limit=2&total=true&state=open").json()["total"] == 6

    def test_a_query_or_conditions_select(self, http: httpx.Client, wooshq: Wooshq) -> None:
        letters_of(wooshq, users(3))
        for params in ({"where": "recipient:u1 reason:rejected"}, {"recipient": "u1", "since": "2020-01-01T00:00:00Z", "state": "any"}):
            assert len(http.get("/v1/dead-letters", params=params).json()["data"]) == 1

    @pytest.mark.parametrize(
        ("params", "named"),
        [
            ({"where": "reason:"}, {"field": "query"}),
            ({"limit": "0"}, {"parameter": "limit"}),
            ({"after": "x"}, {"parameter": "after"}),
            ({"after": "WzEsMV0"}, {"parameter": "after"}),
            ({"since": "yesterday"}, {"parameter": "since"}),
            ({"since": "5"}, {"parameter": "since"}),
            ({"since": "2026-05-01T09:00:00"}, {"parameter": "since"}),
            ({"tag": "name"}, {"parameter": "tag"}),
            ({"reason": "bad"}, {"field": "reason"}),
            ({"resaon": "rejected"}, {"parameter": "resaon"}),
        ],
    )
    def test_what_cannot_be_read_selects_nothing(self, http: httpx.Client, params: dict[str, str], named: dict[str, str]) -> None:
        done = http.get("/v1/dead-letters", params=params)
        assert done.status_code == 422
        assert named.items() <= done.json()["errors"][0].items()

    def test_all_of_them_come_as_lines(self, http: httpx.Client, wooshq: Wooshq) -> None:
        letters = letters_of(wooshq, users(1203))
        *found, closing = lines(http.get("/v1/dead-letters", headers=NDJSON))
        assert sorted(letter["id"] for letter in found) == letters
        assert closing == {"done": True, "count": 1203}

    def test_groups_and_one_letter(self, http: httpx.Client, wooshq: Wooshq) -> None:
        letters = letters_of(wooshq, users(3))
        (group,) = http.get("/v1/dead-letters/groups").json()["data"]
        assert (group["count"], group["act"]) == (3, "fix and replay")
        shown = http.get(f"/v1/dead-letters/{letters[0]}").json()
        assert shown["intent"]["to"]["users"] == ["u0"]
        gone = http.get("/v1/dead-letters/nobody")
        assert (gone.status_code, gone.json()["type"]) == (404, "urn:wooshq:unknown-id")


class WhenLettersAreChanged:
    def test_an_edit_is_a_merge_patch(self, http: httpx.Client, wooshq: Wooshq) -> None:
        (letter,) = letters_of(wooshq, users(1))
        where = f"/v1/dead-letters/{letter}"
        done = http.patch(f"{where}?why=typo", content=json.dumps(RECIPE), headers={"Content-Type": "application/merge-patch+json"})
        assert (done.status_code, done.json()["after"]["message"]) == (200, {"preset": "RIGHT"})
        assert http.get(where).json()["intent"]["message"] == {"preset": "RIGHT"}
        assert [(act.by, act.did, act.why) for act in wooshq.audit().found] == [("ana", "edited", "typo")]
        for bad in ({"id": "x"}, {"message": {"presett": "A"}}, {}, []):
            assert http.patch(where, json=bad).status_code == 422

    def test_an_empty_selection_changes_nothing(self, http: httpx.Client, wooshq: Wooshq) -> None:
        letters_of(wooshq, users(3))
        for path in ("/v1/dead-letters/discard", "/v1/replays"):
            for body in ({}, {"why": "x"}, {"ids": []}, {"state": "any"}, {"dry_run": True}, [], {"id": "x"}, {"ids": "x"}):
                assert http.post(path, json=body).status_code == 422, (path, body)
            assert http.post(path).status_code in (415, 422)
        assert {letter.state for letter in wooshq.dead_letters.list()} == {"open"}
        assert wooshq.replays.list() == []

    def test_a_discard_says_how_many_and_who(self, http: httpx.Client, wooshq: Wooshq) -> None:
        letters = letters_of(wooshq, users(3))
        said = {"ids": letters[:2], "why": "test data"}
        assert http.post("/v1/dead-letters/discard", json={**said, "dry_run": True}).json()["discarded"] == 2
        assert len(wooshq.dead_letters.list(state="open")) == 3
        assert http.post("/v1/dead-letters/discard", json=said).json() == {"selected": 2, "discarded": 2, "skipped": 0}
        assert [(act.by, act.count, act.why) for act in wooshq.audit().found] == [("ana", 2, "test data")]


class WhenLettersAreReplayed:
    def test_a_plan_is_made_and_then_started_paused_and_cancelled(self, http: httpx.Client, wooshq: Wooshq) -> None:
        letters_of(wooshq, users(3))
        planned = http.post("/v1/replays", json={"where": "reason:rejected", "patch": RECIPE, "rate": 5, "why": "INC-7"})
        assert planned.status_code == 202
        made = planned.json()
        where = planned.headers["location"]
        assert where == f"/v1/replays/{made['id']}"
        assert (made["state"], made["selected"], made["replayed"]) == ("planned", 3, 3)
        assert made["examples"][0]["after"]["message"] == RECIPE["message"]
        assert http.get(where).json()["state"] == "planned", "nothing is sent before somebody starts it"
        assert http.post(f"{where}/start").json()["state"] == "running"
        assert http.post(f"{where}/pause", json={"why": "noon"}).json()["state"] == "paused"
        assert http.post(f"{where}/resume").json()["state"] == "running"
        assert http.post(f"{where}/cancel", json={}).json()["state"] == "cancelled"
        assert {act.by for act in wooshq.audit().found} == {"ana"}
        *outcomes, closing = lines(http.get(f"{where}/outcomes"))
        assert ({one["outcome"] for one in outcomes}, closing["count"]) == ({"cancelled"}, 3)
        assert lines(http.get(f"{where}/outcomes?outcome=sent")) == [{"done": True, "count": 0}]
        assert http.get(f"{where}/outcomes?outcome=lost").status_code == 422

    def test_a_dry_run_and_nothing_to_replay_keep_nothing(self, http: httpx.Client, wooshq: Wooshq) -> None:
        letters_of(wooshq, users(2))
        dry = http.post("/v1/replays", json={"reason": "rejected", "dry_run": True})
        none = http.post("/v1/replays", json={"reason": "poison"})
        for done in (dry, none):
            assert (done.status_code, done.json()["id"], "location" in done.headers) == (200, None, False)
        assert (dry.json()["replayed"], none.json()["selected"]) == (2, 0)
        assert http.get("/v1/replays").json() == {"data": [], "next": None}

    def test_rules_out_of_their_range_are_422(self, http: httpx.Client, wooshq: Wooshq) -> None:
        letters_of(wooshq, users(1))
        for rule in (
            {"rate": 0},
            {"first": -1},
            {"stop_at": 2},
            {"to_lane": "fast"},
            {"patch": {"id": "x"}},
            {"to_token": "*"},
            {"start": "yes"},
        ):
            done = http.post("/v1/replays", json={"reason": "rejected", **rule})
            assert done.status_code == 422, done.text

    def test_pages_of_replays_have_every_one_once(self, http: httpx.Client, wooshq: Wooshq) -> None:
        letters = letters_of(wooshq, users(7))
        made = [http.post("/v1/replays", json={"ids": [letter]}).json()["id"] for letter in letters]
        seen: list[str] = []
        params: dict[str, Any] = {"limit": 3}
        while True:
            page = http.get("/v1/replays", params=params).json()
            seen += [one["id"] for one in page["data"]]
            http.post("/v1/replays", json={"ids": letters})
            if page["next"] is None:
                break
            params["after"] = page["next"]
        assert sorted(seen) == sorted(made)

    def test_an_unknown_one_is_404(self, http: httpx.Client) -> None:
        for way, path in (
            ("GET", ""),
            ("GET", "/outcomes"),
            ("POST", "/start"),
            ("POST", "/pause"),
            ("POST", "/resume"),
            ("POST", "/cancel"),
        ):
            done = http.request(way, f"/v1/replays/nobody{path}")
            assert (done.status_code, done.json()["type"]) == (404, "urn:wooshq:unknown-id"), (way, path, done.text)
