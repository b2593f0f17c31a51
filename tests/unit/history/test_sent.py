"""The short way of a sent intent to a row of the history gives the same row as the long one, through its record."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.history.records import AT, WORDS, a_row, an_id
from wooshq.history.marks import Marks
from wooshq.history.record import intent_record
from wooshq.history.sent import sent_in_text, sent_intent
from wooshq.history.sql.rows import row_of, row_of_sent
from wooshq.ledger.replies import as_kept, as_row

MARKS = Marks(b"secret")
words = st.sampled_from(WORDS)


@st.composite
def attempts(draw: st.DrawFn) -> dict[str, Any]:
    at = st.sampled_from(["2026-04-24T03:06:39.950Z", "2026-04-24T03:06:39Z", "then", None])
    outcome = st.sampled_from(["sent", "retry", "unknown"])
    codes = st.sampled_from(["OK", "", None])
    return {
        "at": draw(at),
        "outcome": draw(outcome),
        "http_status": draw(st.sampled_from([200, 503, 0, None])),
        "code": draw(codes),
        "latency_ms": draw(st.sampled_from([38, 0, 1.5, None])),
        "error": draw(st.one_of(st.none(), words)),
        "probe": draw(st.sampled_from([True, False, None])),
    }


@st.composite
def rows(draw: st.DrawFn) -> dict[str, str]:
    body: dict[str, Any] = {"to": {"users": draw(st.lists(words, max_size=3))}}
    if draw(st.booleans()):
        body["tags"] = draw(st.dictionaries(st.sampled_from(["order", "x"]), words, max_size=2))
    if draw(st.booleans()):
        body["idempotency_key"] = draw(words)
    if draw(st.booleans()):
        body["request"] = {"transactional": {"campaign": draw(words)}}
    if draw(st.booleans()):
        body["message"] = {"push": {"title": {"en": draw(words)}, "body": draw(words)}}
    made = draw(st.lists(attempts(), max_size=3))
    kept = {f"a:{n}": as_kept(one) for n, one in enumerate(made, 1)}
    more = {
        name: draw(st.sampled_from([None, value]))
        for name, value in (("digest", "0f"), ("code", "M-1"), ("at", "12"), ("app", ""), ("queued_at", "9"), ("told", "8"))
    }
    fields = {"n": str(len(made)) if made else None, "a:1": None, "changed": draw(st.sampled_from([None, str(AT + 5)])), **more, **kept}
    row = a_row(**fields)
    return {**row, "body": draw(st.sampled_from([json.dumps(body), json.dumps(body, ensure_ascii=False), "not JSON", ""]))}


@given(row=rows(), keep_bodies=st.booleans())
def test_both_ways_give_the_same_row(row: dict[str, str], keep_bodies: bool) -> None:
    changed_ms = int(row.get("changed") or row["ended"])
    short = sent_intent(an_id(1), row, changed_ms=changed_ms)
    assert short is not None
    record = short.record()
    assert MARKS.of_sent(short) == MARKS.of(record)
    assert row_of_sent(short, [], keep_bodies=keep_bodies) == row_of(record, [], keep_bodies=keep_bodies)


@given(
    attempt=attempts(),
    user=words,
    more=st.sampled_from([{}, {"tags": {"order": "7"}}, {"idempotency_key": "k"}]),
    letter=st.sampled_from(["", "a", "Z"]),
    keep_bodies=st.booleans(),
)
def test_a_row_that_is_one_text_gives_the_same_row_as_its_fields(
    attempt: dict[str, Any], user: str, more: dict[str, Any], letter: str, keep_bodies: bool
) -> None:
    """letter: behind its body, see row.lua; the version before wrote none."""
    body = json.dumps({"to": {"users": [user]}, "message": {"push": {"title": user}}, **more})
    said = f"lease {AT - 60} {AT} M-1 {as_kept({**attempt, 'probe': False})}"
    text = "\n".join([f"{AT - 800} -", "transactional", "AAAAA-BBBBB", "3", "", body + letter, said])
    short = sent_in_text(an_id(1), text)
    assert short is not None
    assert short.body == body
    record = intent_record(an_id(1), as_row([text]), changed_ms=AT)
    assert short.record() == record
    assert MARKS.of_sent(short) == MARKS.of(record)
    assert row_of_sent(short, [], keep_bodies=keep_bodies) == row_of(record, [], keep_bodies=keep_bodies)


@pytest.mark.parametrize(
    "last", [[], [f"lease {AT - 60}"], [f'lease {AT - 60} {AT} M-1 {{"outcome": "sent"}}']], ids=["queued", "sending", "an older attempt"]
)
def test_a_text_that_says_anything_else_goes_the_long_way(last: list[str]) -> None:
    assert sent_in_text(an_id(1), "\n".join([f"{AT - 800} -", "transactional", "AAAAA-BBBBB", "3", "", "{}", *last])) is None


@pytest.mark.parametrize(
    "unusual",
    [
        {"state": "expired"},
        {"causes": "an answer was lost"},
        {"doubts": "1"},
        {"unknown": '["u2"]'},
        {"replays": an_id(2)},
        {"replay_of": an_id(2)},
        {"letter": an_id(2)},
        {"cancel": "asked"},
        {"detail": "no"},
        {"n": "2"},
        {"a:1": '{"at_ms": 12, "outcome": "sent"}'},
    ],
)
def test_what_is_unusual_goes_the_long_way(unusual: dict[str, str]) -> None:
    assert sent_intent(an_id(1), a_row(**unusual), changed_ms=AT) is None
