"""Whatever a recipient is called, if it is accepted it is found as wooshq writes it, and can be forgotten."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.unit.history.records import KINDS, a_history, a_record
from wooshq.history.contract import History
from wooshq.search.parse import parse
from wooshq.search.tree import Field, Is
from wooshq.search.write import written

NOW = datetime(2026, 5, 1, tzinfo=UTC)
ODD = [
    "\n",
    "\r\n",
    "\t",
    "\x1b",
    "\x1f",
    "\x7f",
    "\x85",
    "\u2028",
    "\u2029",
    "\u200b",
    " ",
    '"',
    "\\",
    "\\n",
    ":",
    "(",
    "OR",
    "\U0001f600",
]
names = st.lists(st.sampled_from(ODD) | st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=6).map(
    "".join
)


@pytest.fixture(params=KINDS)
def history(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[History]:
    with a_history(request.param, tmp_path_factory.mktemp("history")) as opened:
        yield opened


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=names)
@example(name="a\nb")
def test_every_recipient_is_found_and_forgotten(history: History, name: str) -> None:
    record = a_record(1, body={"to": {"users": [name]}})
    history.write([record])
    for query in (f"recipient:{written(Is(Field.RECIPIENT, name)).partition(':')[2]}", f"recipient:{json.dumps(name)}"):
        assert history.find(parse(query, now=NOW), limit=2) == [record], query
    assert history.forget(name).removed == 1
    assert history.find(Is(Field.RECIPIENT, name), limit=2) == []
    assert history.read(record.id) is None
    history.prune(1 << 60, 10)  # also who was forgotten: the next example may be the same one


@given(name=names)
@example(name="a\nb")
def test_what_is_written_fits_a_terminal_and_an_input_field(name: str) -> None:
    query = written(Is(Field.RECIPIENT, name))
    assert parse(query, now=NOW) == Is(Field.RECIPIENT, name)
    assert not any(unicodedata.category(char) in ("Cc", "Zl", "Zp") for char in query)


@given(name=names)
def test_a_string_of_json_is_a_value(name: str) -> None:
    for query in (f"recipient:{json.dumps(name)}", f"recipient:{json.dumps(name, ensure_ascii=False)}"):
        assert parse(query, now=NOW) == Is(Field.RECIPIENT, name)
