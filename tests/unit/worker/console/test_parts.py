"""Cursors, pointers, and how deep a body is nested."""

from __future__ import annotations

import json
from dataclasses import dataclass

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from wooshq.problem_details import pointer_to
from wooshq_schemas import IntentInvalid
from wooshq_worker.console.access.refused import Refused
from wooshq_worker.console.api.body import MOST_DEPTH, check_depth
from wooshq_worker.console.api.cursors import cursor_of, page_of_newest, read_cursor


@dataclass(frozen=True)
class Thing:
    id: str


def depth_of(value: object) -> int:
    match value:
        case dict():
            return 1 + max(map(depth_of, value.values()), default=0)
        case list():
            return 1 + max(map(depth_of, value), default=0)
    return 0


nested = st.recursive(
    st.text('[]{}"\\', max_size=5), lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
)


class WhenABodyIsNested:
    @given(nested, st.integers(0, 80))
    def test_it_is_refused_just_if_it_is_too_deep(self, value: object, more: int) -> None:
        for _ in range(more):
            value = [value]
        raw = json.dumps(value).encode()
        if depth_of(value) > MOST_DEPTH:
            with pytest.raises(IntentInvalid):
                check_depth(raw)
        else:
            check_depth(raw)

    @pytest.mark.parametrize("raw", [b'"' + b"[" * 100, b'"\\', b"]" * 100 + b"{" * 64, b"\xff" * 100 + b"{" * 64])
    def test_text_that_is_not_json_is_left_to_the_parser(self, raw: bytes) -> None:
        check_depth(raw)


class WhenACursorIsRead:
    @given(st.integers(0, (1 << 53) - 1), st.text(max_size=50))
    def test_it_is_what_was_written(self, place: int, last_id: str) -> None:
        assert read_cursor(cursor_of(place, last_id)) == (place, last_id)

    @given(st.text(max_size=60))
    @example("M0")
    def test_anything_else_is_422(self, text: str) -> None:
        try:
            place, last_id = read_cursor(text)
        except Refused as error:
            assert error.status == 422
        else:
            assert (type(place), type(last_id)) == (int, str)

    @given(st.integers(1, 7), st.lists(st.integers(0, 5), max_size=20), st.integers(0, 30))
    async def test_pages_have_every_entry_once_although_newer_ones_come(self, limit: int, new: list[int], n: int) -> None:
        things = [Thing(str(i)) for i in range(n)]
        seen: list[str] = []
        after: str | None = None
        arrivals = iter(new)

        async def newest(most: int) -> list[Thing]:
            return things[:most]

        while True:
            page, after = await page_of_newest(newest, after, limit)
            seen += [one.id for one in page]
            things[:0] = [Thing(f"new {len(things)} {i}") for i in range(next(arrivals, 0))]
            if after is None:
                break
        assert seen == [str(i) for i in range(n)]


@pytest.mark.parametrize(
    ("field", "pointer"),
    [
        ("", "#"),
        ("to.users.0", "#/to/users/0"),
        ("a/b.c~d", "#/a~1b/c~0d"),
        ("message.push.title.ü", "#/message/push/title/%C3%BC"),
        ("a b", "#/a%20b"),
    ],
)
def test_a_field_is_a_json_pointer(field: str, pointer: str) -> None:
    assert pointer_to(field) == pointer
