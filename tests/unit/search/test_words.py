"""The words that complete a query are those of the language."""

from __future__ import annotations

from datetime import UTC, datetime

from wooshq.search.parse import parse
from wooshq.search.tree import Field
from wooshq.search.values import KNOWN
from wooshq.search.words import words


def test_every_field_is_there_once_with_a_sentence() -> None:
    begins = [word.begins for word in words()]
    assert sorted(begins) == sorted([*("tag." if field is Field.TAG else f"{field}:" for field in Field), "since:", "until:"])
    assert all(word.says for word in words())


def test_every_value_makes_a_query_that_can_be_read() -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    for word in words():
        for value in word.values:
            parse(f"{word.begins}{value}", now=now)
    assert {word.begins: word.values for word in words()}["state:"] == tuple(map(str, KNOWN[Field.STATE]))
