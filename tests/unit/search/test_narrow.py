"""A store may look up what a tree says of everything that fits it, and misses nothing by that."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from tests.unit.search.trees import conditions, trees
from wooshq.search.narrow import Span, asks, cheap_first, ms_of, named, one_of, span
from wooshq.search.parse import parse
from wooshq.search.tree import Condition, Field, Is, Since, Tree, Until, fits

NOW = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)
#: Few values, so that trees agree and contradict.
few: st.SearchStrategy[Condition] = st.one_of(
    st.builds(Is, st.sampled_from([Field.ID, Field.APP]), st.sampled_from("ab")),
    st.builds(Since, st.integers(0, 4).map(lambda n: NOW + timedelta(microseconds=n * 500))),
    st.builds(Until, st.integers(0, 4).map(lambda n: NOW + timedelta(microseconds=n * 500))),
)


def tree(query: str) -> Tree:
    return parse(query, now=NOW)


def meets(found: dict[Field, str], at_ms: int) -> object:
    def one(condition: Condition) -> bool:
        match condition:
            case Since(at):
                return at_ms >= ms_of(at)
            case Until(at):
                return at_ms < ms_of(at)
        return found.get(condition.field) == condition.value

    return one


class WhenATreeIsNarrowed:
    @given(trees(few), st.sampled_from("abc"), st.sampled_from("abc"), st.integers(-1, 3))
    def test_whatever_fits_is_in_the_span_and_has_one_of_the_values(self, some: Tree, of: str, app: str, ms: int) -> None:
        at_ms = ms_of(NOW) + ms
        if fits(some, meets({Field.ID: of, Field.APP: app}, at_ms)):  # type: ignore[arg-type]
            time = span(some)
            assert time.since_ms is None or at_ms >= time.since_ms
            assert time.until_ms is None or at_ms < time.until_ms
            for field, value in ((Field.ID, of), (Field.APP, app)):
                values = one_of(some, field)
                assert values is None or value in values

    @given(trees(few), st.sampled_from("abc"), st.integers(-1, 3))
    def test_the_order_of_the_questions_changes_no_answer(self, some: Tree, of: str, ms: int) -> None:
        asked = meets({Field.ID: of}, ms_of(NOW) + ms)
        other = cheap_first(some, lambda one: isinstance(one, Is))
        assert fits(some, asked) == fits(other, asked)  # type: ignore[arg-type]

    @given(trees(conditions))
    def test_every_tree_has_an_answer(self, some: Tree) -> None:
        assert span(some) is not None
        assert all(one_of(some, field) is None or asks(some, field) for field in Field)

    def test_times_that_must_hold_count(self) -> None:
        assert span(tree("since:2h until:1h state:dead")) == Span(ms_of(NOW - timedelta(hours=2)), ms_of(NOW - timedelta(hours=1)))
        assert span(tree("since:2h OR since:3h")).since_ms == ms_of(NOW - timedelta(hours=3))
        assert span(tree("since:2h OR state:dead")) == Span()
        assert span(tree("NOT since:2h")).until_ms == ms_of(NOW - timedelta(hours=2))

    def test_values_that_one_must_have_count(self) -> None:
        assert one_of(tree("(id:a OR id:b) state:dead"), Field.ID) == {"a", "b"}
        assert one_of(tree("id:a OR state:dead"), Field.ID) is None
        assert one_of(tree("NOT id:a"), Field.ID) is None

    def test_a_value_under_not_is_not_named(self) -> None:
        assert named(tree("reason:unknown OR NOT (reason:poison NOT reason:invalid)"), Field.REASON) == {"unknown", "invalid"}
