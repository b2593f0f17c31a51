"""A person who is forgotten is nowhere in the history, and an event that is delivered again does not bring the person back."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.history.records import KINDS, a_history, a_record, act_row, an_id
from wooshq.history.acts import ActPlace, KeptAct
from wooshq.history.contract import Forgotten, History
from wooshq.search.tree import Field, Is

ANN, BOB = Is(Field.RECIPIENT, "ann"), Is(Field.RECIPIENT, "bob")


@pytest.fixture(params=[(kind, keep) for kind in KINDS for keep in (True, False)], ids=lambda given: f"{given[0]}-{given[1]}")
def history(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[History]:
    kind, keep = request.param
    with a_history(kind, tmp_path, history_bodies=keep) as opened:
        yield opened


ALONE = a_record(1, body={"to": {"users": ["ann"]}, "message": {"push": {"title": "Hello Ann"}}})
BOTH = a_record(
    2, body={"to": {"users": ["ann", "bob"]}, "idempotency_key": "order-of-ann"}, unknown='["ann"]', detail="users.list: ann is unknown"
)
OTHER = a_record(3, body={"to": {"users": ["annabel"]}})


def test_a_second_connection_of_a_process_does_not_let_another_process_delete_the_log_of_the_first(tmp_path: Path) -> None:
    with a_history("sqlite", tmp_path) as first, a_history("sqlite", tmp_path) as second:
        first.write([ALONE])
        assert second.read(an_id(1)) is not None, "its connection is the second one of this process"
        look = "import sqlite3, sys; one = sqlite3.connect(sys.argv[1]); one.execute('SELECT count(*) FROM wooshq_history'); one.close()"
        subprocess.run([sys.executable, "-c", look, first.where], check=True)
        assert Path(f"{first.where}-wal").exists()


class WhenAPersonIsForgotten:
    def test_records_of_the_person_alone_go_and_the_others_do_not_name_the_person(self, history: History) -> None:
        history.write([ALONE, BOTH, OTHER])
        assert history.forget("ann") == Forgotten(removed=1, changed=1, left=0)
        assert history.find(ANN, limit=9) == []
        assert history.read(an_id(1)) is None
        assert history.read(an_id(3)) is not None
        (both,) = history.find(BOB, limit=9)
        assert "ann" not in json.dumps(both.shown).replace("annabel", "")
        assert "ann" not in (both.body + both.key + "".join(both.recipients))
        assert history.find(Is(Field.TEXT, "ann is"), limit=9) == []
        assert history.find(Is(Field.TEXT, "is unknown"), limit=9) == [both]

    def test_a_count_says_the_same_and_changes_nothing(self, history: History) -> None:
        history.write([ALONE, BOTH, OTHER])
        history.write_acts(KeptAct(ActPlace(1, n), act_row(selection="tag.customer:ann")) for n in range(600))
        said = history.count_person("ann")
        assert (said.removed, said.changed, said.left, said.acts) == (1, 1, 0, 600)
        assert (history.count_person("ann"), history.size().records) == (said, 3)
        assert history.forget("ann") == said
        assert history.count_person("ann") == Forgotten(0, 0, 0)

    def test_the_last_other_one_takes_the_record_along(self, history: History) -> None:
        history.write([BOTH])
        assert history.forget("ann").changed == 1
        assert history.forget("bob") == Forgotten(removed=1, changed=0, left=0)
        assert history.size().records == 0

    def test_an_event_that_comes_again_does_not_bring_the_person_back(self, history: History) -> None:
        history.write([ALONE, BOTH])
        history.forget("ann")
        history.write([ALONE, BOTH])
        assert history.find(ANN, limit=9) == []
        assert [record.id for record in history.find(BOB, limit=9)] == [an_id(2)]

    def test_what_is_accepted_later_is_kept(self, history: History) -> None:
        history.forget("ann")
        history.write([a_record(4, at_ms=time.time_ns() // 1_000_000 + 60_000, body={"to": {"users": ["ann"]}})])
        assert [record.id for record in history.find(ANN, limit=9)] == [an_id(4)]

    def test_hundreds_of_records_go(self, history: History) -> None:
        history.write(a_record(n, body={"to": {"users": ["ann"]}}) for n in range(1201))
        assert history.forget("ann") == Forgotten(removed=1201, changed=0, left=0)
