"""In SQL a query finds the records that its words say: with NOT, too, and with records that lack a value."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.unit.history.records import AT, KINDS, WORDS, a_history, a_record, meets, some_records, trees
from wooshq.history.contract import History
from wooshq.history.record import Record
from wooshq.search.parse import parse
from wooshq.search.tree import Field, Is, Tree, fits

NOW = datetime.fromtimestamp(AT / 1000, UTC)
HOUR_MS = 3_600_000


@pytest.fixture(scope="module", params=KINDS)
def history(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[History]:
    with a_history(request.param, tmp_path_factory.mktemp("history")) as opened:
        yield opened


def emptied(history: History) -> History:
    while history.prune(1 << 60, 1000):
        pass
    return history


SENT = a_record(1, at_ms=AT - HOUR_MS, lane="bulk", bulk="11111111-1111-4111-8111-111111111111", body={"to": {"users": ["u1", "u2"]}, "message": {"push": {"title": "Invoice INV-9981"}}})  # fmt: skip
DEAD = a_record(
    2,
    at_ms=AT - 3 * HOUR_MS,
    state="dead",
    reason="rejected",
    detail="100% of_it",
    body={"idempotency_key": "k:1", "tags": {"order": "77"}, "campaign": "May"},
    **{"a:1": '["2026-04-24T03:06:39.950Z","dead",400,"INVALID_ARGUMENT"]'},
)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("recipient:u1", "SD"),
        ("recipient:u2", "S"),
        ("NOT recipient:u2", "D"),
        ("tag.order:77", "D"),
        ("tag.order:78", ""),
        ("key:k:1", "D"),
        ("campaign:May", "D"),
        ("NOT reason:rejected", "S"),
        ("state:dead OR state:sent", "SD"),
        ("state:dead status:400 code:INVALID_ARGUMENT", "D"),
        ("NOT status:400 job:11111111-1111-4111-8111-111111111111 lane:bulk", "S"),
        ("since:1h", "S"),
        ("until:1h", "D"),
        ("until:3h", ""),
        (f"id:{DEAD.id.upper()}", "D"),
        ("text:inv-9981", "S"),
        ("text:99", "S"),
        ("text:inv-9981 OR text:of_it", "SD"),
        ("text:of_it OR text:inv-9981", "SD"),
        ("text:invoice text:inv-9981", "S"),
        ('text:"0% of_"', "D"),
        ('text:"o%e"', ""),
        ("(recipient:u1 state:sent) OR NOT (lane:bulk OR tag.order:77)", "S"),
    ],
)
def test_a_query_finds_its_records(history: History, query: str, found: str) -> None:
    emptied(history).write([DEAD, SENT])
    records = history.find(parse(query, now=NOW), limit=10)
    assert "".join({SENT.id: "S", DEAD.id: "D"}[record.id] for record in records) == found


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(some_records(), max_size=8, unique_by=lambda record: (record.kind, record.id)), st.lists(trees, min_size=1, max_size=5))
@example([], [Is(Field.TEXT, '"')])
def test_any_query_finds_just_what_fits(history: History, records: list[Record], asked: list[Tree]) -> None:
    emptied(history).write(records)
    for tree in asked:
        wanted = [record for record in records if fits(tree, meets(record))]
        found = history.find(tree, limit=100)
        assert sorted(found, key=repr) == sorted(wanted, key=repr)
        assert [record.ended_ms for record in found] == sorted((record.ended_ms for record in wanted), reverse=True)


def test_what_many_have_and_what_few_have_is_found_alike(history: History) -> None:
    """SQLite answers in another way if more than two thousand records have a mark or a text."""
    emptied(history).write(a_record(n, at_ms=AT + n, body={"tags": {"n": str(n % 2), "all": "1"}}) for n in range(5000))
    for query, count in (("tag.all:1 tag.n:0", 2500), ('text:"on its way" tag.n:1', 2500), ("tag.all:1 NOT tag.n:1", 2500)):
        assert len(history.find(parse(query, now=NOW), limit=9999)) == count, query


def test_a_query_of_many_conditions_that_many_records_meet_is_answered(history: History) -> None:
    """A statement of PostgreSQL has at most 65,535 parameters, and one of SQLite 32,766."""
    emptied(history).write(a_record(n, body={"tags": {f"t{i}": "1" for i in range(40)}}) for n in range(1900))
    tree = parse(" OR ".join(f"(tag.t{i}:1 NOT recipient:nobody)" for i in range(40)), now=NOW)
    assert len(history.find(tree, limit=9999)) == 1900


@pytest.mark.parametrize("word", WORDS)
def test_every_part_of_a_text_finds_it_in_any_case(history: History, word: str) -> None:
    emptied(history).write([a_record(1, body={"message": {"push": {"title": f"<{word}>"}}})])
    for start in range(len(word)):
        for text in (word[start:], word[: start + 1], word[start:].upper(), f"<{word}"):
            assert len(history.find(Is(Field.TEXT, text), limit=2)) == 1, text
