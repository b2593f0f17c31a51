"""A query means the tree that its author expects, and an error says where and what would be right."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.search.trees import trees
from wooshq.errors import QueryInvalid
from wooshq.search.parse import parse
from wooshq.search.tokens import LONGEST
from wooshq.search.tree import And, Field, Is, Not, Or, Since, Tree, Until, fits
from wooshq.search.write import written

NOW = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)
DEAD, SENT, BULK = Is(Field.STATE, "dead"), Is(Field.STATE, "sent"), Is(Field.LANE, "bulk")


def tree(query: str) -> Tree:
    return parse(query, now=NOW)


class WhenAQueryIsRead:
    def test_every_field_is_known(self) -> None:
        query = (
            "id:I-1 state:dead reason:rejected detail:refused cause:0123456789ab status:400 code:INVALID_ARGUMENT app:A-1 lane:bulk job:J campaign:C "
            'recipient:u1 key:k:1 tag.order:77 text:"INV-9981"'
        )
        found = tree(query)
        assert isinstance(found, And)
        assert {part.field for part in found.parts if isinstance(part, Is)} == set(Field)
        assert Is(Field.TAG, "77", "order") in found.parts
        assert Is(Field.KEY, "k:1") in found.parts

    @pytest.mark.parametrize(
        ("query", "meaning"),
        [
            ("state:dead lane:bulk", And((DEAD, BULK))),
            ("state:dead AND lane:bulk", And((DEAD, BULK))),
            ("state:dead OR state:sent lane:bulk", Or((DEAD, And((SENT, BULK))))),
            ("(state:dead OR state:sent) lane:bulk", And((Or((DEAD, SENT)), BULK))),
            ("NOT state:dead lane:bulk", And((Not(DEAD), BULK))),
            ("NOT(state:dead lane:bulk)", Not(And((DEAD, BULK)))),
            ("((state:dead))", DEAD),
            ("state:dead (lane:bulk state:sent)", And((DEAD, BULK, SENT))),
        ],
    )
    def test_not_binds_first_then_and_then_or(self, query: str, meaning: Tree) -> None:
        assert tree(query) == meaning

    @pytest.mark.parametrize(
        ("query", "value"),
        [
            (r'text:"he said \"OR\" (twice)"', 'he said "OR" (twice)'),
            (r'text:"a \\ b"', "a \\ b"),
            ("text:INV-9981", "INV-9981"),
            ('text:"state:dead"', "state:dead"),
        ],
    )
    def test_a_quoted_value_is_exact(self, query: str, value: str) -> None:
        assert tree(query) == Is(Field.TEXT, value)

    def test_a_tag_can_have_any_name(self) -> None:
        assert tree('tag."order no: (1)":77') == Is(Field.TAG, "77", "order no: (1)")

    @pytest.mark.parametrize(
        ("query", "meaning"),
        [
            ("since:2h", Since(NOW - timedelta(hours=2))),
            ("until:1w", Until(NOW - timedelta(weeks=1))),
            ("since:2026-05-01", Since(datetime(2026, 5, 1, tzinfo=UTC))),
            ("since:2026-05-01T11:00:00+02:00", Since(datetime(2026, 5, 1, 9, tzinfo=UTC))),
        ],
    )
    def test_times_become_absolute(self, query: str, meaning: Tree) -> None:
        assert tree(query) == meaning


class WhenAQueryIsWrong:
    @pytest.mark.parametrize(
        ("query", "column", "words"),
        [
            ("", 1, "The query is empty"),
            ("state:dead lnae:bulk", 12, "Did you mean lane?"),
            ("state:daed", 7, "Did you mean dead?"),
            ("state:", 7, "must not be empty"),
            ("status:9000", 8, "is not an HTTP status"),
            ("since:yesterday", 7, "Use 2026-05-01T09:00:00Z"),
            ("since:2026-05-01T09:00:00", 7, "has no time zone"),
            ("since:999999999w", 7, "is not a valid time"),
            ("invoice", 1, "a field, a colon and a value"),
            ("state:dead or state:sent", 12, "Write OR in capital letters"),
            ("state:dead OR", 14, "A condition is missing"),
            ("OR state:dead", 1, "A condition is missing"),
            ("(state:dead", 1, "is not closed"),
            ("state:dead)", 11, "closes nothing"),
            ("()", 2, "A condition is missing"),
            ('text:"abc', 6, "This quote is not closed"),
            (r'text:"a\\b', 6, "This quote is not closed"),
            (r'text:"a\xb"', 8, "After a backslash"),
            (r'text:"a\u12"', 8, "After a backslash"),
            (r'recipient:"\u0000"', 11, "cannot be stored"),
            (r'recipient:"\ud800"', 11, "cannot be stored"),
            ('text:"a"b', 9, "A space is missing"),
            ('text:a"b"', 7, "A quote stands inside a value"),
            ("tag:77", 1, "The name of the tag is missing"),
            ("tag.:77", 5, "The name of the tag is missing"),
            ("text:\0", 6, "cannot be stored"),
            ("(" * 60 + "state:dead" + ")" * 60, 52, "inside each other"),
            ("NOT " * 60 + "state:dead", 205, "inside each other"),
            ("x" * (LONGEST + 1), LONGEST + 1, "is longer than"),
        ],
    )
    def test_the_error_has_the_column_and_what_would_be_right(self, query: str, column: int, words: str) -> None:
        with pytest.raises(QueryInvalid) as told:
            tree(query)
        assert (told.value.column, words in str(told.value)) == (column, True), str(told.value)

    def test_the_error_does_not_repeat_a_value(self) -> None:
        with pytest.raises(QueryInvalid) as told:
            tree('recipient:anna@example.com"')
        assert "anna" not in str(told.value)


class WhenATreeIsWritten:
    @given(trees())
    def test_the_query_means_the_same_tree(self, some: Tree) -> None:
        assert tree(written(some)) == some

    def test_a_record_can_leave_out_recipients_keys_and_texts(self) -> None:
        some = tree('recipient:u1 NOT text:"Dear Anna" key:anna-1 since:2026-05-01')
        assert written(some, hide_personal=True) == "recipient:(hidden) NOT text:(hidden) key:(hidden) since:2026-05-01T00:00:00Z"


class WhenAnythingIsWritten:
    @given(st.text(max_size=60) | st.text(st.sampled_from('state:dead"\\ ()NOTANDORtag.x:2h'), max_size=60))
    def test_it_is_a_tree_or_an_error_with_a_column_inside_the_query(self, query: str) -> None:
        try:
            found = tree(query)
        except QueryInvalid as error:
            assert 1 <= error.column <= len(query) + 1
        else:
            assert tree(written(found)) == found


class WhenATreeDecides:
    @given(st.lists(st.booleans(), min_size=3, max_size=3))
    def test_it_decides_as_the_words_say(self, answers: list[bool]) -> None:
        dead, sent, bulk = answers
        meets = dict(zip((DEAD, SENT, BULK), answers, strict=True))
        assert fits(tree("(state:dead OR NOT state:sent) lane:bulk"), lambda one: isinstance(one, Is) and meets[one]) is (
            (dead or not sent) and bulk
        )
