"""Queries of every shape, as trees."""

from __future__ import annotations

from datetime import UTC

from hypothesis import strategies as st

from wooshq.search.tree import Condition, Field, Is, Not, Since, Tree, Until, all_of, any_of
from wooshq.search.values import KNOWN

_storable = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=8)
_free = st.sampled_from([field for field in Field if field not in (*KNOWN, Field.TAG, Field.STATUS, Field.CAUSE)])
_times = st.datetimes(timezones=st.just(UTC))
conditions: st.SearchStrategy[Condition] = st.one_of(
    st.builds(Is, _free, _storable),
    st.builds(Is, st.just(Field.TAG), _storable, _storable),
    st.sampled_from(sorted(KNOWN)).flatmap(lambda field: st.builds(Is, st.just(field), st.sampled_from(KNOWN[field]).map(str))),
    st.builds(Is, st.just(Field.STATUS), st.integers(100, 599).map(str)),
    st.builds(Since, _times),
    st.builds(Until, _times),
)


def _joined(inner: st.SearchStrategy[Tree]) -> st.SearchStrategy[Tree]:
    several = st.lists(inner, min_size=1, max_size=3)
    return st.one_of(st.builds(Not, inner), several.map(lambda parts: all_of(*parts)), several.map(lambda parts: any_of(*parts)))


def trees(of: st.SearchStrategy[Condition] = conditions) -> st.SearchStrategy[Tree]:
    """Trees of such conditions."""
    return st.recursive(of, _joined, max_leaves=12)
