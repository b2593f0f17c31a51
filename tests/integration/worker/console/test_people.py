"""A person is forgotten over HTTP."""

from __future__ import annotations

import httpx
import pytest

from tests.integration.letters.dead_letters import letters_of
from tests.rig import an_intent
from wooshq import Wooshq


class WhenAPersonAsksToBeForgotten:
    def test_the_answer_says_what_was_removed_and_that_nothing_is_left(self, http: httpx.Client, wooshq: Wooshq) -> None:
        intent_id = wooshq.enqueue(an_intent("ann"))
        letters_of(wooshq, ["ann", "bob"])
        dry = http.post("/v1/forget", json={"recipient": "ann", "dry_run": True})
        assert (dry.status_code, dry.json()["left"], dry.json()["removed"]) == (200, 3, 3)
        assert wooshq.audit().found == ()
        done = http.post("/v1/forget", json={"recipient": "ann", "why": "ann asked for it"})
        assert (done.json()["cancelled"], done.json()["left"]) == (1, 0)
        assert wooshq.status(intent_id) is None
        assert [letter.id for letter in wooshq.dead_letters.list(recipient="bob")]
        (act,) = wooshq.audit(what="recipient").found
        assert (act.by, act.did, act.why, act.result) == ("ana", "forgotten", "(forgotten) asked for it", "0 left")

    @pytest.mark.parametrize("said", [{}, {"recipient": ""}, {"recipient": 7}, {"recipient": "ann", "all": True}])
    def test_nobody_is_forgotten_by_mistake(self, http: httpx.Client, wooshq: Wooshq, said: dict[str, object]) -> None:
        wooshq.enqueue(an_intent("ann"))
        assert http.post("/v1/forget", json=said).status_code == 422
        assert len(wooshq.find("recipient:ann").found) == 1
