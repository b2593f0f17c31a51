"""The state machines are tables: the headers of the scripts are held to them, and every header has the same parts."""

from __future__ import annotations

import re

import pytest

from tests.script_headers import header_of, parts_of, table_moves
from wooshq.ledger import scripts
from wooshq.ledger.keys import FIXED, JOB_PARTS, REPLAY_PARTS
from wooshq.ledger.states import FINAL, FINAL_MARKS, MACHINES, Mark, State


@pytest.mark.parametrize("name", scripts.names())
def test_a_script_makes_only_moves_of_the_tables(name: str) -> None:
    assert {str(move) for move in header_of(name).moves} <= {str(move) for move in table_moves()}


def test_every_move_of_the_tables_is_made_by_a_script() -> None:
    made = {str(move) for name in scripts.names() for move in header_of(name).moves}
    assert {str(move) for move in table_moves()} <= made


@pytest.mark.parametrize("name", scripts.names())
def test_a_header_has_every_part_and_names_keys_that_exist(name: str) -> None:
    assert scripts.header(name).startswith(f"-- {name.rpartition('/')[2]}.lua: ")
    header, parts = header_of(name), parts_of(name)
    assert header.keys
    assert any(part.startswith("ARGV") for part in parts)
    for text in (*(parts[key] for key in header.keys), parts.get("derived", "")):
        prefixes = re.findall(r"(\w+):[<\w]", text)
        assert set(prefixes) <= {
            "intent",
            "letter",
            "cause",
            "subscriber",
            "idem",
            "queue",
            "ring",
            "suspects",
            "took",
            "queued",
            "held",
            "pace",
            "job",
            "chunk",
            "marks",
            "replay",
            "gone",
            "worker",
        }
        assert set(re.findall(r"job:<job>:(\w+)", text)) <= JOB_PARTS.keys()
        assert set(re.findall(r"replay:<replay>:(\w+)", text)) <= REPLAY_PARTS.keys()
        if text and not prefixes:
            assert set(re.split(" {2,}", text)[0].replace(", ", " | ").split(" | ")) <= FIXED.keys()


@pytest.mark.parametrize("machine", MACHINES)
def test_every_state_is_reached_by_a_move(machine: str) -> None:
    table = MACHINES[machine]
    states = type(next(state for state in table if state is not None))
    assert {target for events in table.values() for target in events.values()} == set(states)


def test_final_states_have_no_way_out() -> None:
    assert {State.SENT, State.DEAD, State.EXPIRED, State.CANCELLED} == FINAL
    assert {Mark.SENT, Mark.DEAD, Mark.UNKNOWN, Mark.EXPIRED, Mark.CANCELLED} == FINAL_MARKS
