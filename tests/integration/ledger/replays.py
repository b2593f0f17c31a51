"""A replay of one letter, by its scripts: for tests that need a replay and are about something else. And the walks through every move of replays."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from wooshq.intents.entry import new_id
from wooshq.ledger.entry import Entry
from wooshq.ledger.states import Event
from wooshq.ledger.steps import Ask, Steps
from wooshq.letters.read import read_letters
from wooshq.letters.replays.ledger import NewIntent, NextLetters, ReplayedLetter, ReplayLedger
from wooshq_schemas import MODEL_VERSION

if TYPE_CHECKING:
    from tests.integration.ledger.walker import Walker


def replay_one(ledger: ReplayLedger, letter: str, new: Entry, *, edited: str = "", twice: bool = False) -> Steps[bool]:
    """Whether the letter became the intent `new`. edited: the edit that it was read with. twice: every script is asked twice."""
    replay_id = new_id()
    yield from ledger.plan(replay_id, {"window": 20})
    yield from ledger.choose(replay_id, 0, [(letter, "")])
    for _ in range(1 + twice):
        yield from ledger.hold(replay_id, 0, 0)
    for _ in range(1 + twice):
        yield from ledger.move(replay_id, "start")
    died = (yield Ask([("HGET", ledger.keys.letter(letter), "intent")]))[0].decode()
    wanted = NextLetters(0, 1, 0, 1, 1, [NewIntent(new, [ReplayedLetter(0, letter, died, edited)])])
    _, n = yield from ledger.begin(replay_id, wanted)
    if twice:
        assert (yield from ledger.begin(replay_id, wanted)) == (False, 0)
    if n == 0:
        yield from ledger.move(replay_id, "cancel")
    return n == 1


# Walks


def a_replay_ends_in_every_way(walk: Walker) -> None:
    for event in (Event.ACCEPTED, Event.GIVEN_UP, Event.EXPIRE):
        walk.settled(walk.replayed(), event)


def a_replay_is_planned_and_its_letters_are_looked_at_again(walk: Walker) -> None:
    ready, edited, discarded, taken = (walk.dead() for _ in range(4))
    replay_id = walk.planned(ready, edited, discarded, taken, new_id())
    whole = walk.do(read_letters(walk.keys, [ready, new_id()], bodies=True))
    assert (whole[0].kept.version, whole[1]) == (MODEL_VERSION, None)
    assert not walk.do(walk.replays.choose(replay_id, 0, [(ready, "")])), "they are there already"
    walk.do(walk.ledger.letters.discard([discarded], ""))
    walk.started(taken)
    assert walk.do(walk.replays.hold(replay_id, 0, 999))
    assert walk.do(walk.replays.move(replay_id, "start")) == ("running", True)
    assert not walk.do(walk.replays.hold(replay_id, 0, 999)), "it is started"
    walk.do(walk.ledger.letters.edit(edited, "{}", seen=""))
    assert walk.do(read_letters(walk.keys, [edited], bodies=True))[0].kept.edited
    at = [ReplayedLetter(place, letter, letter) for place, letter in enumerate((ready, edited))]
    intents = [NewIntent(walk.entry(), [one]) for one in at]
    wanted = NextLetters(0, 5, 0, 1, 1, intents, [(4, "gone: it is no longer kept")])
    assert walk.do(walk.replays.begin(replay_id, wanted)) == (True, 1)
    assert walk.do(walk.replays.begin(replay_id, wanted)) == (False, 0), "the fence has changed"
    assert walk.part(replay_id, "again") == [b"1"]
    assert walk.watched.redis.get(walk.keys.replay_part(replay_id, "outcomes")) == b"b.XXXX"


def a_letter_is_discarded_while_it_waits_in_a_replay(walk: Walker) -> None:
    letter = walk.dead()
    replay_id = walk.started(letter)
    walk.do(walk.ledger.letters.discard([letter], ""))
    wanted = NextLetters(0, 1, 0, 1, 1, [NewIntent(walk.entry(), [ReplayedLetter(0, letter, letter)])])
    assert walk.do(walk.replays.begin(replay_id, wanted)) == (True, 0)


def a_replay_ends(walk: Walker) -> None:
    for held in (None, "pause", "stop", "cancel"):
        replay_id, intent_id = walk.replayed_together(first=2, stop_at=0.2)
        walk.hold_replay(replay_id, held)
        assert not walk.do(walk.replays.tidy(replay_id))
        walk.settled(intent_id, Event.ACCEPTED)
        assert walk.do(walk.replays.follow(replay_id, intent_id, 2, most=1, unknown=[])) == 1
        assert walk.do(walk.replays.follow(replay_id, intent_id, 1, most=9)) == 0
        assert walk.do(walk.replays.judge(replay_id)) == ("cancelled" if held == "cancel" else "done")
        assert walk.do(walk.replays.tidy(replay_id))
    assert walk.do(walk.replays.judge(new_id())) == "gone"


def a_replay_is_paused_stopped_resumed_and_cancelled(walk: Walker) -> None:
    for held in ("pause", "stop"):
        replay_id = walk.started(walk.dead(), first=1, stop_at=0.2)
        walk.hold_replay(replay_id, held)
        assert walk.do(walk.replays.move(replay_id, "resume")) == ("running", True)
        assert walk.do(walk.replays.move(replay_id, "resume")) == ("running", False)
    for held in (None, "pause", "stop", "cancel"):
        replay_id = walk.planned(walk.dead()) if held == "cancel" else walk.started(walk.dead())
        walk.hold_replay(replay_id, None if held == "cancel" else held)
        assert walk.do(walk.replays.move(replay_id, "cancel", "why", "ana")) == ("cancelled", True)
    assert walk.do(walk.replays.move(new_id(), "pause")) == ("gone", False)


def a_replay_stops_by_itself(walk: Walker) -> None:
    letters = [walk.dead() for _ in range(2)]
    replay_id = walk.started(*letters, first=1, stop_at=0.2)
    assert walk.do(walk.replays.judge(replay_id)) == "running"
    walk.settled(walk.begun_for(replay_id, letters[0]), Event.GIVEN_UP)
    assert walk.do(walk.replays.judge(replay_id)) == "stopped"


def a_replay_is_taken_back(walk: Walker) -> None:
    for held in ("pause", "cancel"):
        replay_id, together = walk.replayed_together()
        assert walk.do(walk.replays.recall(replay_id, [together])) == 0, "it runs"
        walk.hold_replay(replay_id, held)
        assert walk.do(walk.replays.recall(replay_id, [together])) == 2
        letter = walk.dead()
        replay_id = walk.started(letter)
        waits = walk.begun_for(replay_id, letter)
        walk.settled(waits, Event.FAILED)
        walk.hold_replay(replay_id, held)
        assert walk.do(walk.replays.recall(replay_id, [waits])) == 1


def letters_follow_the_end_of_their_call(walk: Walker) -> None:
    for event in (Event.ACCEPTED, Event.GIVEN_UP, Event.EXPIRE):
        replay_id, intent_id = walk.replayed_together()
        walk.settled(intent_id, event, payload="{}")
        assert walk.do(walk.replays.follow(replay_id, intent_id, 2, most=9, unknown=[new_id()])) == 0
    replay_id, intent_id = walk.replayed_together()
    assert walk.do(walk.ledger.cancel(intent_id)) == "cancelled"
    assert walk.do(walk.replays.follow(replay_id, intent_id, 2, most=9)) == 0
    replay_id, intent_id = walk.replayed_together()
    walk.settled(intent_id, Event.GIVEN_UP)
    assert walk.do(walk.replays.follow(replay_id, intent_id, 2, most=9, apart=["0", "1"])) == 0
    assert walk.part(replay_id, "again") == [b"0", b"1"]
    stale = NextLetters(1, 2, 1, 1, 1, [])
    assert walk.do(walk.replays.begin(replay_id, stale)) == (False, 0), "it has read the list as it was before"
    assert walk.part(replay_id, "again") == [b"0", b"1"]


def a_call_that_is_refused_after_a_cancel_is_not_split(walk: Walker) -> None:
    replay_id, intent_id = walk.replayed_together()
    walk.hold_replay(replay_id, "cancel")
    walk.settled(intent_id, Event.GIVEN_UP)
    assert walk.do(walk.replays.follow(replay_id, intent_id, 2, most=9, apart=["0", "1"])) == 0
    assert walk.watched.redis.get(walk.keys.replay_part(replay_id, "outcomes")) == b"CCX"
    assert walk.part(replay_id, "again") == []
    assert walk.do(walk.replays.judge(replay_id)) == "cancelled"
    assert walk.do(walk.replays.tidy(replay_id)), "it has ended"


WALKS: list[Callable[[Any], None]] = [
    a_replay_ends_in_every_way,
    a_replay_is_planned_and_its_letters_are_looked_at_again,
    a_letter_is_discarded_while_it_waits_in_a_replay,
    a_replay_ends,
    a_replay_is_paused_stopped_resumed_and_cancelled,
    a_replay_stops_by_itself,
    a_replay_is_taken_back,
    letters_follow_the_end_of_their_call,
    a_call_that_is_refused_after_a_cancel_is_not_split,
]
