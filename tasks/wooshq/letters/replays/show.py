"""Where replays are, and what became of each letter in them."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from wooshq.errors import ReplayUnknown
from wooshq.ledger.keys import Keys
from wooshq.ledger.replies import Result, as_row, moment, text, text_or_none
from wooshq.ledger.states import Outcome, ReplayState
from wooshq.ledger.steps import Ask, Steps
from wooshq.letters.replays.planning import LeftOut, LeftOutFor

_PAGE: Final = 500
NO_SUCH_REPLAY: Final = (
    "no replay has this id. Check the id (wooshq replays list). It may have ended longer ago than WOOSHQ_DEAD_RETENTION_S, or was planned and not "
    "started within a day"
)


@dataclass(frozen=True)
class Replay(Result):
    """
    A replay, as `wooshq replays show` prints it. Counters count letters, except `calls`. The sum is: total = waiting + sending + sent + dead +
    expired + cancelled + left_out.

    selection: what was selected, in words. why, by: of who started it. recipe: what is changed in each letter, or None. note: why it is
    paused or stopped. rate: calls a second. first, stop_at: see `Brakes`.
    """

    id: str
    state: str
    total: int
    waiting: int
    sending: int
    sent: int
    dead: int
    expired: int
    cancelled: int
    left_out: int
    calls: int
    selection: str
    why: str
    by: str
    recipe: dict[str, Any] | None
    rate: float | None
    first: int
    stop_at: float | None
    planned_at: str | None
    started_at: str | None
    ended_at: str | None
    note: str = ""
    calls_planned: int = field(default=0, metadata={"shown": False})
    in_first_slice: bool = field(default=False, metadata={"shown": False})
    """It sends its first letters, and the rest waits for their outcomes."""
    takes_s: float = field(default=0.0, metadata={"shown": False})
    """As it was planned, see `Replayed`."""
    left_out_for: dict[str, int] = field(default_factory=dict, metadata={"shown": False})
    """Why → how many letters were left out when it was planned."""

    @property
    def is_at_rest(self) -> bool:
        """Whether nothing more happens unless someone acts."""
        return self.ended_at is not None or (self.state not in (ReplayState.RUNNING, ReplayState.CANCELLED) and self.sending == 0)

    @property
    def left_s(self) -> float | None:
        """Seconds until the last call may leave, at the rate of the replay; None without a rate."""
        return max(0, self.calls_planned - self.calls) / self.rate if self.rate else None


@dataclass(frozen=True)
class LetterOutcome(Result):
    """What became of one letter in a replay. outcome: see `Outcome`. left_out, why: of a letter that was left out."""

    letter: str
    outcome: str
    left_out: str | None = None
    why: str | None = None


def show_replay(keys: Keys, replay_id: str) -> Steps[Replay]:
    """See `Replays.show`."""
    row = as_row((yield Ask([("HGETALL", keys.replay(replay_id))]))[0])
    if not row:
        raise ReplayUnknown(NO_SUCH_REPLAY)
    return _replay(replay_id, row)


def list_replays(keys: Keys, *, most: int | None) -> Steps[list[Replay]]:
    """See `Replays.list`. Replays that are no longer kept are removed from the list."""
    found: list[Replay] = []
    at = 0
    while most is None or len(found) < most:
        ids = [text(i) for i in (yield Ask([("ZREVRANGE", keys.fixed("replays"), at, at + _PAGE - 1)]))[0]]
        if not ids:
            break
        rows = yield Ask([("HGETALL", keys.replay(i)) for i in ids])
        gone = []
        for replay_id, flat in zip(ids, rows, strict=True):
            if row := as_row(flat):
                found.append(_replay(replay_id, row))
            else:
                gone.append(replay_id)
        if gone:
            yield Ask([("ZREM", keys.fixed("replays"), *gone)])
        at += len(ids) - len(gone)
    return found[:most]


def standing_replays(keys: Keys, most: int) -> Steps[list[Replay]]:
    """Of the newest `most` replays, those that wait until somebody resumes them. Two round trips."""
    ids = [text(i) for i in (yield Ask([("ZREVRANGE", keys.fixed("replays"), 0, most - 1)]))[0]]
    states = (yield Ask([("HGET", keys.replay(i), "state") for i in ids])) if ids else ()
    still = [i for i, state in zip(ids, states, strict=True) if text_or_none(state) in (ReplayState.PAUSED, ReplayState.STOPPED)]
    rows = (yield Ask([("HGETALL", keys.replay(i)) for i in still])) if still else ()
    return [_replay(i, row) for i, flat in zip(still, rows, strict=True) if (row := as_row(flat))]


def outcomes_page(
    keys: Keys, replay_id: str, outcome: str | None, start: int, left_out_for: Collection[str] = ()
) -> Steps[tuple[list[LetterOutcome], int | None]]:
    """One page of `Replays.outcomes`, and the place where the next one begins; None after the last."""
    outcome = name_of(Outcome.LEFT_OUT) if left_out_for else outcome
    if start == 0:
        yield from show_replay(keys, replay_id)
    part = [keys.replay_part(replay_id, name) for name in ("letters", "outcomes", "why")]
    end = start + _PAGE - 1
    ids, marks = yield Ask([("LRANGE", part[0], start, end), ("GETRANGE", part[1], start, end)])
    wanted = [(start + n, text(i), Outcome(m)) for n, (i, m) in enumerate(zip(ids, text(marks), strict=False)) if _is(outcome, m)]
    left_out = [place for place, _, mark in wanted if mark is Outcome.LEFT_OUT]
    reasons: dict[int, str | None] = {}
    if left_out:
        said: Sequence[Any] = (yield Ask([("HMGET", part[2], *left_out)]))[0]
        reasons = {place: text_or_none(one) for place, one in zip(left_out, said, strict=True)}
    items = [_outcome(letter_id, mark, reasons.get(place)) for place, letter_id, mark in wanted]
    if left_out_for:
        items = [one for one in items if one.left_out in left_out_for]
    return items, end + 1 if len(ids) == _PAGE else None


def check_outcomes(outcome: str | None, left_out_for: Collection[str]) -> None:
    """Raises ValueError for words that are none."""
    if outcome is not None and outcome not in OUTCOME_NAMES:
        raise ValueError(f"outcome: must be one of {', '.join(OUTCOME_NAMES)}")
    if isinstance(left_out_for, str) or not set(left_out_for) <= set(LeftOutFor):
        raise ValueError(f"left_out_for: must be of {', '.join(LeftOutFor)}")
    if left_out_for and outcome not in (None, name_of(Outcome.LEFT_OUT)):
        raise ValueError("left_out_for: a letter that is left out has no other outcome. Leave out `outcome`")


def _is(wanted: str | None, mark: str) -> bool:
    return wanted is None or name_of(Outcome(mark)) == wanted


def name_of(outcome: Outcome) -> str:
    """An outcome as people and machines read it: its own word, but `sending` for a letter that is under way."""
    return "sending" if outcome is Outcome.BEGUN else outcome.name.lower()


OUTCOME_NAMES: Final = tuple(map(name_of, Outcome))


def _outcome(letter_id: str, mark: Outcome, reason: str | None) -> LetterOutcome:
    if reason is None:
        return LetterOutcome(letter_id, name_of(mark))
    left_out = LeftOut.of(reason)
    return LetterOutcome(letter_id, name_of(mark), str(left_out.kind), left_out.why)


def _replay(replay_id: str, row: Mapping[str, str]) -> Replay:
    def n(name: str) -> int:
        return int(float(row.get(name) or 0))

    ended = sum(map(n, ("sent", "dead", "expired", "cancelled", "left_out")))
    recipe = json.loads(row["recipe"]) if "recipe" in row else None
    return Replay(
        id=replay_id,
        state=row["state"],
        total=n("total"),
        waiting=n("total") - ended - n("begun"),
        sending=n("begun"),
        sent=n("sent"),
        dead=n("dead"),
        expired=n("expired"),
        cancelled=n("cancelled"),
        left_out=n("left_out"),
        calls=n("calls"),
        selection=row.get("selection", ""),
        why=row.get("why", ""),
        by=row.get("by", ""),
        recipe=None if recipe is None else {name: value for name, value in recipe.items() if value is not None},
        rate=float(row["rate"]) if "rate" in row else None,
        first=n("first"),
        stop_at=float(row["stop_at"]) if "stop_at" in row else None,
        planned_at=moment(row.get("at")),
        started_at=moment(row.get("started")),
        ended_at=moment(row.get("ended")),
        note=row.get("note", ""),
        calls_planned=n("calls_planned"),
        in_first_slice=row["state"] == ReplayState.RUNNING and "allow" in row,
        takes_s=float(row.get("takes_s") or 0),
        left_out_for=json.loads(row.get("left_out_for") or "{}"),
    )
