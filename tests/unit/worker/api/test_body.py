"""Parsing the body of an answer: the fast parser changes nothing."""

from __future__ import annotations

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.strategies import json_values
from wooshq_worker.api.answer.body import NOT_JSON, parsed


def by_json(body: bytes) -> object:
    """What Python's own parser reads."""
    try:
        return json.loads(body.decode("utf-8-sig", "replace"))
    except (ValueError, RecursionError):
        return NOT_JSON


def same(one: object, other: object) -> bool:
    """Also NaN is the same as NaN, and 1 is not 1.0."""
    return repr(one) == repr(other)


@given(json_values, st.booleans(), st.sampled_from([b"", b" \r\n", b"x", b"\xef\xbb\xbf"]))
def test_whatever_is_json_is_read_as_python_reads_it(value: object, is_ascii: bool, before: bytes) -> None:
    body = before + json.dumps(value, ensure_ascii=is_ascii).encode("utf-8", "surrogatepass")
    assert same(parsed(body), by_json(body))


@given(st.binary(max_size=20) | st.text(alphabet='{}[]",:0123456789eE+-.\\u NaInfitylserd', max_size=20).map(str.encode))
@example(b'"\x01"')
@example(b'"\\ud800"')
@example(b"[01]")
@example(b"[1.]")
@example(b"1 2")
@example(b"[1,]")
@example(b"\xff")
@example(b'"\xff"')
def test_whatever_is_not_json_is_not_read(body: bytes) -> None:
    assert same(parsed(body), by_json(body))


@pytest.mark.parametrize("body", [b"9" * 25, b"-0", b"-0.0", b"1e999", b"0.1e-400", b"9" * 5000, b"[" * 300 + b"]" * 300, b"[" * 5000])
def test_large_numbers_and_deep_lists_are_read_alike(body: bytes) -> None:
    assert same(parsed(body), by_json(body))


def test_the_last_of_two_values_counts() -> None:
    assert parsed(b'{"code": 1, "code": 2}') == {"code": 2}
