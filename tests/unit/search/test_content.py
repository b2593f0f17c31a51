"""JSON is read as Python reads it, by a quicker reader; what the content of a message says does not depend on which of them reads it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from wooshq.search.content import Content, read_json

texts = st.text(st.characters(codec=None), max_size=8)
values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), texts),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(texts, inner, max_size=4)),
    max_leaves=12,
)


@given(value=values, ascii_only=st.booleans())
@example(value="\ud800", ascii_only=True)
@example(value=10**400, ascii_only=True)
@example(value=float("nan"), ascii_only=True)
@example(value=-0.0, ascii_only=True)
def test_any_value_is_read_as_python_reads_it(value: Any, ascii_only: bool) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only)
    assert repr(read_json(text)) == repr(json.loads(text))


@pytest.mark.parametrize(
    "text", ["", "{", "nul", "[1,]", '{"a":1}x', "\ufeff{}", '"\n"', "01", "[" * 100_000, '{"a":1,"a":2}', " 1e400 ", "-"]
)
def test_what_is_no_json_is_an_error_of_both(text: str) -> None:
    def outcome(read: Any) -> str:
        try:
            return repr(read(text))
        except (ValueError, RecursionError):
            return "an error"

    assert outcome(read_json) == outcome(json.loads)


def test_a_body_that_is_no_object_says_nothing() -> None:
    for body in ("", "[]", "7", "not JSON", "[" * 100_000, '{"to": 7}'):
        content = Content(body)
        assert (content.recipients, content.tags, content.key, content.campaign, list(content.texts())) == ((), (), "", None, [])
