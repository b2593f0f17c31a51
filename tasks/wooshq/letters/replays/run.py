"""
One round of a running replay: end or stop it, let letters follow shared calls, take back what a pause spares, begin the letters that come next.

Whoever carries it out may be killed at any moment, and two may do it at once: each write is one script that checks first.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from wooshq.ledger.intents import read_rows
from wooshq.ledger.keys import Keys
from wooshq.ledger.replies import as_row, ms, text
from wooshq.ledger.states import LetterState, Outcome, ReplayState
from wooshq.ledger.steps import Ask, Steps
from wooshq.letters.read import ReadLetter, read_letters
from wooshq.letters.replays.ledger import NewIntent, NextLetters, ReplayedLetter, ReplayLedger
from wooshq.letters.replays.planning import LeftOut, LeftOutFor, Planner, ReadyLetter, together
from wooshq.letters.replays.rules import Recipe
from wooshq.settings import Settings

AHEAD: Final = 2000
"""Letters of a replay that are intents and have not ended. More of them could not be spared any more when it must stop."""
_PAGE: Final = 200
"""Calls that one script begins."""
_PAGE_OF_LETTERS: Final = 1000
"""Letters that one script begins, if they share calls."""
_CATCH_UP_MS: Final = 500
"""Slots under the rate that were missed longer ago are not made up for: it would be a burst."""
_RECALLED: Final = 100
_FOLLOW: Final = 200
_APART: Final = 5
"""A refused call for so few letters is repeated for each of them alone."""
_INDEX: Final = re.compile(r"\b(?:users|hwids|push_tokens|test_devices)(?:\.list)?(?:\[(\d+)\]|\.(\d+))(?=[:.\[ ]|$)")
_OF_THE_MESSAGE: Final = re.compile(
    r"^(?:[a-z_]+\.)*(?:payload|email_payload|application|platforms|campaign|schedule|message_type|send_rate)\b[\w.\[\]-]*:"
)


@dataclass(frozen=True, slots=True)
class Round:
    """What one round did. state: of the replay, or 'gone'. did: whether there may be more to do at once."""

    state: str
    did: bool


def run_replay(ledger: ReplayLedger, settings: Settings, replay_id: str) -> Steps[Round]:
    """Do what may be done now, one page of each kind."""
    did = yield from _let_follow(ledger, replay_id)
    state = yield from ledger.judge(replay_id)
    if state == ReplayState.RUNNING:
        did |= yield from _begin(ledger, settings, replay_id)
    elif state in (ReplayState.PAUSED, ReplayState.STOPPED, ReplayState.CANCELLED):
        did |= yield from _take_back(ledger, replay_id)
    if state in (ReplayState.DONE, ReplayState.CANCELLED, "gone"):
        yield from ledger.tidy(replay_id)
    return Round(state, did)


# ── Letters that become intents ─────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class _Room:
    """What may begin now. letters, calls: how many. paced_at_ms: until when the slots under the rate are used up. gap_ms: between two slots."""

    letters: int
    calls: int
    paced_at_ms: float
    gap_ms: float
    now_ms: int

    @classmethod
    def of(cls, row: Mapping[str, str], now_ms: int) -> _Room:
        letters = AHEAD - int(row.get("begun") or 0)
        if allow := row.get("allow"):
            letters = min(letters, int(allow) - int(row.get("gone") or 0))
        if not (rate := float(row.get("rate") or 0)):
            return cls(max(0, letters), _PAGE, now_ms, 0, now_ms)
        gap = 1000 / rate
        paced_at = max(float(row.get("paced_at") or now_ms - gap), now_ms - max(_CATCH_UP_MS, gap))
        return cls(max(0, letters), min(_PAGE, int((now_ms - paced_at) / gap + 1e-6)), paced_at, gap, now_ms)

    def used(self, calls: int) -> tuple[int, int]:
        """(paced_at, due_at) after so many calls, ms."""
        paced_at = self.paced_at_ms + calls * self.gap_ms
        return int(paced_at), int(paced_at + self.gap_ms) if self.gap_ms else self.now_ms


def _begin(ledger: ReplayLedger, settings: Settings, replay_id: str) -> Steps[bool]:
    keys = ledger.keys
    flat, time = yield Ask([("HGETALL", keys.replay(replay_id)), ("TIME",)])
    row = as_row(flat)
    room = _Room.of(row, ms(time))
    if room.letters < 1 or room.calls < 1:
        return False
    planner = Planner(
        settings=settings,
        now=datetime.fromtimestamp(room.now_ms / 1000, UTC),
        recipe=Recipe.from_json(row["recipe"]) if "recipe" in row else Recipe(),
        decided=True,  # what is in doubt, or was in vain, was decided when it was planned
    )
    page = _Page(room, settings.list_limit)
    popped = 0
    for raw in (yield Ask([("LRANGE", keys.replay_part(replay_id, "again"), 0, 49)]))[0]:
        places = [int(place) for place in text(raw).split(",")]
        if popped and not page.has_room(len(places)):
            break
        read = yield from _read(keys, replay_id, places)
        page.new_call()
        for (place, letter_id), found in zip(read, (yield from read_letters(keys, [i for _, i in read], bodies=True)), strict=True):
            page.take(place, letter_id, _planned(planner, found))
        popped += 1
    at = int(row.get("next") or 0)
    if not popped:
        at = yield from _take_next(ledger, planner, replay_id, page, at)
    intents = list(page.intents(planner.recipe.token or ""))
    paced_at, due_at = room.used(len(intents))
    if not (popped or page.left_out or intents or at != int(row.get("next") or 0)):
        return False
    done, _ = yield from ledger.begin(replay_id, NextLetters(int(row["fence"]), at, popped, paced_at, due_at, intents, page.left_out))
    return done


def _take_next(ledger: ReplayLedger, planner: Planner, replay_id: str, page: _Page, at: int) -> Steps[int]:
    """Take the letters that come next in the list into the page. Returns the place where the next page begins."""
    keys = ledger.keys
    most = min(page.room.letters, _PAGE_OF_LETTERS)
    while True:
        ids, outcomes = yield Ask(
            [
                ("LRANGE", keys.replay_part(replay_id, "letters"), at, at + most - 1),
                ("GETRANGE", keys.replay_part(replay_id, "outcomes"), at, at + most - 1),
            ]
        )
        waiting = [(at + n, text(i)) for n, i in enumerate(ids) if text(outcomes)[n] == Outcome.WAITING]
        if waiting or not ids:
            break
        at += len(ids)
    some = waiting[:_PAGE]
    while some:
        letters = yield from read_letters(keys, [letter_id for _, letter_id in some], bodies=True)
        for (place, letter_id), read in zip(some, letters, strict=True):
            planned = _planned(planner, read)
            if not page.has_room_for(planned):
                return place
            page.take(place, letter_id, planned)
        waiting = waiting[len(some) :]
        # Letters that share calls are many to a call, so a page takes more of them.
        some = waiting[:_PAGE]
    return at + len(ids)


_GONE: Final = LeftOut(LeftOutFor.GONE, "it is no longer kept")


def _planned(planner: Planner, read: ReadLetter | LetterState | None) -> ReadyLetter | LeftOut:
    """read: as `read_letters` gives it; a letter that has left for the history was closed or discarded meanwhile."""
    if isinstance(read, LetterState):
        return LeftOut(LeftOutFor(read), f"is {read}")
    return _GONE if read is None else planner.plan(read.letter, read.kept)


def _read(keys: Keys, replay_id: str, places: Sequence[int]) -> Steps[list[tuple[int, str]]]:
    """The letters at these places, without those that do not wait any more."""
    commands: list[tuple[object, ...]] = []
    for place in places:
        commands.append(("LRANGE", keys.replay_part(replay_id, "letters"), place, place))
        commands.append(("GETRANGE", keys.replay_part(replay_id, "outcomes"), place, place))
    flat = yield Ask(commands)
    return [
        (place, text(found[0]))
        for place, found, outcome in zip(places, flat[::2], flat[1::2], strict=True)
        if found and text(outcome) == Outcome.WAITING
    ]


class _Page:
    """The intents that one script begins: letters are taken in their order, and share calls as long as they may."""

    def __init__(self, room: _Room, list_limit: int) -> None:
        self.room = room
        self.left_out: list[tuple[int, str]] = []
        self._limit = list_limit
        self._calls: list[list[tuple[int, ReadyLetter]]] = []
        self._letters = 0
        self._may_join = False

    def has_room(self, letters: int) -> bool:
        return len(self._calls) < self.room.calls and self._letters + letters <= self.room.letters

    def has_room_for(self, planned: ReadyLetter | LeftOut) -> bool:
        return isinstance(planned, LeftOut) or (self._letters < self.room.letters and (self._joins(planned) or self.has_room(1)))

    def new_call(self) -> None:
        """The next letter does not share the call of the one before."""
        self._may_join = False

    def take(self, place: int, letter_id: str, planned: ReadyLetter | LeftOut) -> None:
        if isinstance(planned, LeftOut):
            self.left_out.append((place, str(planned)))
            return
        if self._joins(planned):
            self._calls[-1].append((place, planned))
        else:
            self._calls.append([(place, planned)])
        self._letters += 1
        self._may_join = True

    def _joins(self, planned: ReadyLetter) -> bool:
        if not (self._may_join and planned.share and self._calls):
            return False
        return self._calls[-1][0][1].share == planned.share and len(self._calls[-1]) < self._limit

    def intents(self, token_of: str) -> Iterator[NewIntent]:
        for call in self._calls:
            letters = [ReplayedLetter(place, one.letter.id, one.letter.intent_id, one.edited) for place, one in call]
            yield NewIntent(together([one.entry for _, one in call]), letters, call[0][1].letter.bulk_id or "", token_of)


# ── Letters that follow an intent that was sent for many, and intents that are taken back ───────────────────────────────────────────


def _let_follow(ledger: ReplayLedger, replay_id: str) -> Steps[bool]:
    keys = ledger.keys
    first = (yield Ask([("LRANGE", keys.replay_part(replay_id, "shared"), 0, 0)]))[0]
    if not first:
        return False
    intent_id = text(first[0])
    fields = ("state", "reason", "detail", "unknown", "body")
    (row,) = (yield from read_rows(keys, [intent_id])).rows
    (seen,) = yield Ask([("LLEN", keys.replay_of(replay_id, intent_id))])
    state, reason, detail, unknown, body = (row.get(name) or "" for name in fields)
    left = seen
    if state == "dead" and reason in ("rejected", "too_large") and seen > 1:
        calls = yield from _calls_apart(keys, replay_id, intent_id, detail if reason == "rejected" else "")
        if calls is not None:
            yield from ledger.follow(replay_id, intent_id, seen, most=seen, apart=calls)
            return True
    letters = (yield from _unknown_among(keys, replay_id, intent_id, body, unknown)) if unknown else ()
    while left > 0:
        left = yield from ledger.follow(replay_id, intent_id, left, most=_FOLLOW, unknown=letters)
    return True


def _calls_apart(keys: Keys, replay_id: str, intent_id: str, detail: str) -> Steps[list[str] | None]:
    """
    The calls in which the letters of a refused call are tried again: the one that the API named and the rest, or two halves. None if the
    refusal is about the message: each of them would be refused.
    """
    ids = (yield Ask([("LRANGE", keys.replay_of(replay_id, intent_id), 0, -1)]))[0]
    held = yield Ask([("HGET", keys.letter(text(i)), "held_by") for i in ids])
    places = [text(one).partition(" ")[2] for one in held if one is not None]
    return apart(places, detail)


def apart(places: Sequence[str], detail: str) -> list[str] | None:
    """See `_calls_apart`. places: in the order of the recipients in the call. detail: what the API said. Pure."""
    if not places:
        return None
    if named := [int(a or b) for a, b in _INDEX.findall(detail) if int(a or b) < len(places)]:
        alone = sorted(set(named))
        rest = [place for n, place in enumerate(places) if n not in set(alone)]
        return [*(places[n] for n in alone), *([",".join(rest)] if rest else [])]
    if _OF_THE_MESSAGE.search(detail):
        return None
    if len(places) <= _APART:
        return list(places)
    half = len(places) // 2
    return [",".join(places[:half]), ",".join(places[half:])]


def _unknown_among(keys: Keys, replay_id: str, intent_id: str, body: str, unknown: str) -> Steps[list[str]]:
    """The letters of a shared intent whose recipients the API does not know."""
    ids = [text(i) for i in (yield Ask([("LRANGE", keys.replay_of(replay_id, intent_id), 0, -1)]))[0]]
    not_known = set(json.loads(unknown))
    (listed,) = json.loads(body)["to"].values()
    return [letter_id for letter_id, who in zip(ids, listed[-len(ids) :], strict=False) if who in not_known] if ids else []


def _take_back(ledger: ReplayLedger, replay_id: str) -> Steps[bool]:
    """Take back what waits in the queues, so that a pause counts at once, whatever holds it there."""
    flying = list((yield Ask([("SMEMBERS", ledger.keys.replay_part(replay_id, "flying"))]))[0])
    back = 0
    for start in range(0, len(flying), _RECALLED):
        back += yield from ledger.recall(replay_id, [text(i) for i in flying[start : start + _RECALLED]])
    return back > 0
