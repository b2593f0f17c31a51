"""Search over HTTP: the language of `wooshq find`."""

from __future__ import annotations

import json

import httpx
import pytest

from tests.integration.intents.finding.test_doubles import Losing
from tests.integration.letters.dead_letters import letters_of, users
from tests.integration.worker.console.served import served
from tests.rig import Rig, an_intent
from tests.stand_in import StandIn
from wooshq import Wooshq

NDJSON = {"Accept": "application/x-ndjson"}


class WhenSomethingIsSearched:
    def test_pages_have_everything_once_and_the_total_only_where_it_is_asked_for(self, http: httpx.Client, wooshq: Wooshq) -> None:
        waiting = [wooshq.enqueue(an_intent(f"w{n}")) for n in range(3)]
        dead = letters_of(wooshq, users(4))
        first = http.get("/v1/find", params={"q": "lane:transactional", "limit": 5, "total": "true"}).json()
        second = http.get("/v1/find", params={"q": "lane:transactional", "limit": 5, "after": first["next"]}).json()
        found = [*first["data"], *second["data"]]
        assert sorted(one["id"] for one in found) == sorted([*waiting, *dead])
        assert {one["kind"] for one in found} == {"intent", "letter"}
        assert (first["total"], first["kinds"]) == (7, {"intent": 3, "letter": 4})
        assert ("total" in second, second["next"]) == (False, None)

    def test_what_is_shown_is_the_object_of_its_own_call(self, http: httpx.Client, wooshq: Wooshq) -> None:
        made = wooshq.enqueue(an_intent("ann"))
        (found,) = http.get("/v1/find", params={"q": "recipient:ann state:queued"}).json()["data"]
        assert found["shown"] == http.get(f"/v1/intents/{made}").json()

    @pytest.mark.parametrize(
        "params", [{}, {"q": ""}, {"q": "state:"}, {"q": "lnae:bulk"}, {"q": "lane:bulk", "after": "nowhere"}, {"q": "x", "n": "1"}]
    )
    def test_what_cannot_be_read_is_422(self, http: httpx.Client, params: dict[str, str]) -> None:
        done = http.get("/v1/find", params=params)
        assert done.status_code == 422, done.text
        if params.get("q") == "lnae:bulk":
            assert done.json()["errors"] == [
                {"field": "query", "column": 1, "problem": "There is no such field. Did you mean lane?", "hint": ""}
            ]


class WhenDoublesAreAskedFor:
    def test_every_case_is_a_line_and_what_was_not_searched_is_said(self, rig: Rig, api: StandIn) -> None:
        api.answer = Losing("u1")
        rig.start_worker()
        rig.ended([rig.wooshq.enqueue(an_intent("u1"))])
        with served(rig.wooshq.settings) as http:
            *found, rest, closing = [json.loads(line) for line in http.get("/v1/doubles", headers=NDJSON).text.splitlines()]
            (known,) = rig.wooshq.doubles().found
            assert found == [json.loads(known.to_json())]
            assert (rest["history"], closing) == (rig.wooshq.doubles().history, {"done": True, "count": 2})
            assert len(http.get("/v1/doubles?since=1066-10-14T00:00:00Z", headers=NDJSON).text.splitlines()) == 3
            assert http.get("/v1/doubles?since=yesterday").status_code == 422
            page = http.get("/v1/doubles?limit=1").json()
            assert (page["data"], page["next"], page["history"]) == ([found[0]], None, rest["history"])
            assert http.get("/v1/doubles?after=x").status_code == 422
