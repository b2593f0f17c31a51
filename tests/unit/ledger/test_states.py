"""The state machine is one table: scripts are held against it by their headers."""

from __future__ import annotations

import re

import pytest

from wooshq.ledger import scripts
from wooshq.ledger.keys import FIXED, JOB_PARTS
from wooshq.ledger.states import FINAL, JOB_MOVES, MOVES, Event, JobEvent, JobState, State


def moves_of(name: str) -> set[tuple[State | JobState | None, Event | JobEvent, State | JobState]]:
    """What a script's header says that it moves: intents, or, in the rooms `jobs` and `chunks`, jobs."""
    states, events = (JobState, JobEvent) if name.startswith(("jobs/", "chunks/")) else (State, Event)
    text = re.search(r"-- moves\s+(.*?)(?=\n-- \w+ {2,}|\Z)", scripts.header(name), re.DOTALL)
    assert text is not None, f"{name}.lua does not say what it moves"
    found = set()
    source: State | JobState | None = None
    said = text[1].replace("\n--", " ")
    for part in re.split(r",\s*", said):
        arrow = re.match(r"(?:(\w+) )?→ (\w+)(?: \((\w+)\))?", part.strip())
        listed = re.match(r"(\w+) \((\w+)\)", part.strip())
        if arrow:
            source = states(arrow[1]) if arrow[1] else None
            if arrow[3]:
                found.add((source, events(arrow[3]), states(arrow[2])))
        elif listed:
            found.add((source, events(listed[2]), states(listed[1])))
    return found


@pytest.mark.parametrize("name", scripts.names())
def test_a_script_makes_only_moves_of_the_table(name: str) -> None:
    for source, event, target in moves_of(name):
        if source is not None:
            table = JOB_MOVES if isinstance(source, JobState) else MOVES
            assert table[source][event] is target  # type: ignore[index]


def test_every_move_of_the_table_is_made_by_a_script() -> None:
    made = {(source, event, target) for name in scripts.names() for source, event, target in moves_of(name)}
    wanted: set[object] = {(source, event, target) for source, events in MOVES.items() for event, target in events.items()}
    wanted |= {(source, event, target) for source, events in JOB_MOVES.items() for event, target in events.items()}
    assert wanted <= made


@pytest.mark.parametrize("name", scripts.names())
def test_a_header_tells_keys_answer_cost_and_what_a_second_run_does(name: str) -> None:
    header = scripts.header(name)
    assert header.startswith(f"-- {name.rpartition('/')[2]}.lua: ")
    for part in ("KEYS[", "-- returns", "-- cost", "-- moves"):
        assert part in header
    named = re.findall(r"^-- KEYS\[[^\]]+\]\s+(\w+) ", header, re.MULTILINE)
    assert set(named) - {"intent", "letter", "held", "queued", "two", "three", "pace", "job", "chunk", "marks"} <= FIXED.keys()
    parts = re.findall(r"^-- KEYS\[[^\]]+\]\s+job:<job>:(\w+) ", header, re.MULTILINE)
    assert set(parts) <= JOB_PARTS.keys()


def test_final_states_have_no_way_out() -> None:
    assert {State.SENT, State.DEAD, State.EXPIRED, State.CANCELLED} == FINAL
