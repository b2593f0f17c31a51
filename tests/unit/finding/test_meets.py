"""A query means the same in the ledger and in the history."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.unit.history.records import AT, WORDS, a_row, an_id, meets, trees
from wooshq.finding.found import Newest, Place
from wooshq.finding.meets import can_fit, intent_fits, job_fits
from wooshq.history.record import intent_record
from wooshq.search.parse import parse
from wooshq.search.tree import Tree, fits

words = st.sampled_from(WORDS)


@st.composite
def rows(draw: st.DrawFn) -> dict[str, str]:
    """Rows of intents that have ended and are not dead."""
    attempts = draw(st.lists(st.tuples(st.sampled_from((None, 200, 400)), words, st.none() | words), max_size=3))
    kept = [json.dumps(["2026-04-24T03:06:39.950Z", "retry", status, code, 3, error]) for status, code, error in attempts]
    body: dict[str, Any] = {
        "to": {"users": draw(st.lists(words, min_size=1, max_size=3, unique=True))},
        "message": {"push": {"title": draw(words), "body": {"en": draw(words)}}},
        "tags": draw(st.dictionaries(st.sampled_from(("order", "x")), words, max_size=2)),
    }
    optional = {"campaign": draw(st.none() | words), "idempotency_key": draw(st.none() | words)}
    state = draw(st.sampled_from(("sent", "expired", "cancelled")))
    return a_row(
        state=state,
        app=draw(words),
        lane=draw(st.sampled_from(("transactional", "bulk"))),
        ended=str(AT + draw(st.integers(-3, 3))),
        bulk=draw(st.none() | st.integers(0, 9).map(an_id)),
        letter=draw(st.none() | st.integers(0, 9).map(an_id)),
        detail=draw(st.none() | words) if state != "sent" else None,
        body={**body, **{name: value for name, value in optional.items() if value is not None}},
        **{"n": str(len(kept)), "a:1": None, **{f"a:{n}": one for n, one in enumerate(kept, 1)}},
    )


class WhenARowIsInTheLedgerOrInTheHistory:
    @given(rows(), trees)
    def test_it_fits_the_same_queries(self, row: dict[str, str], tree: Tree) -> None:
        found = intent_fits(an_id(1), row, [], tree)
        assert found == fits(tree, meets(intent_record(an_id(1), row)))
        assert can_fit("intent", tree) or not found, "what cannot fit is not read"

    @given(trees, st.sampled_from(("running", "paused", "done")), st.integers(-3, 3))
    def test_a_job_that_cannot_fit_does_not(self, tree: Tree, state: str, ms: int) -> None:
        row = {"template": json.dumps({"campaign": "u1", "tags": {"x": "77"}}), "app": "u1", "state": state, "ended": str(AT + ms)}
        assert can_fit("job", tree) or not job_fits(an_id(1), row, state, tree)

    def test_what_only_letters_can_be_is_not_looked_for_elsewhere(self) -> None:
        def kinds(query: str) -> set[str]:
            tree = parse(query, now=datetime.now(UTC))
            return {kind for kind in ("intent", "letter", "job") if can_fit(kind, tree)}  # type: ignore[arg-type]

        assert kinds("state:open") == kinds("reason:rejected") == kinds("state:dead lane:bulk") == {"letter"}
        assert kinds("state:sent") == kinds("state:held OR state:queued") == {"intent"}
        assert kinds("state:cancelled") == {"intent", "job"}
        assert kinds("recipient:u1") == {"intent", "letter"}
        assert kinds("NOT state:open") == kinds("app:A") == {"intent", "letter", "job"}


class WhenPlacesAreOrdered:
    @given(
        st.lists(st.tuples(st.sampled_from(("intent", "letter", "job")), st.integers(0, 20), st.integers(0, 4)), max_size=40),
        st.integers(1, 9),
    )
    def test_pages_together_are_everything_once_newest_first(self, things: list[tuple[Any, int, int]], size: int) -> None:
        places = [Place.of(kind, an_id(n), at) for kind, n, at in {(kind, n): (kind, n, at) for kind, n, at in things}.values()]
        seen: list[Place] = []
        while True:
            newest = Newest(size, seen[-1] if seen else None)
            newest.add(places)
            newest.add(places)  # what is read twice is there once
            if not newest.places():
                break
            seen += newest.places()
        assert seen == sorted(places, reverse=True)
        assert [Place.read(str(place)) for place in seen] == seen
