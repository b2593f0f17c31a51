"""Replaying dead letters: the plan of it, and each letter sent again at most once."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Literal

from wooshq.accept import entry_of_model, new_id
from wooshq.errors import IntentInvalid
from wooshq.ledger.keys import LANES
from wooshq.ledger.ledger import Entry, Ledger, Replay
from wooshq.ledger.replies import ms
from wooshq.ledger.states import LetterState
from wooshq.ledger.steps import Ask, Steps
from wooshq.letters import Filter, Letter, bodies_of, checked, find, pages
from wooshq.record import Record
from wooshq.settings import Settings
from wooshq_schemas import NewerModel, render
from wooshq_schemas.intent import loads, migrated

#: Letters in one script.
_TOGETHER = 100


@dataclass(frozen=True)
class Replayed(Record):
    """
    What a replay did, or with `dry_run` would do. skipped: not open (replaying, closed, discarded), gone, or expired.

    invalid: would not pass today's models. why: letter id → why it was left out. ids: letter id → new intent's id.
    takes_s: until the last of them may be sent, by the rate that was asked for.
    """

    selected: int
    replayed: int
    skipped: int
    invalid: int
    why: dict[str, str] = field(default_factory=dict, metadata={"shown": False})
    ids: dict[str, str] = field(default_factory=dict, metadata={"shown": False})
    lanes: dict[str, str] = field(default_factory=dict, metadata={"shown": False})
    """New intents that are queued already → lane; the rest waits in the due set."""
    takes_s: float = field(default=0.0, metadata={"shown": False})


@dataclass(frozen=True, slots=True)
class Rules:
    """How letters are to be replayed. application, lane: instead of the letter's own. rate: letters a second, None for all at once."""

    dry_run: bool = False
    application: str | None = None
    lane: str | None = None
    rate: float | None = None

    def __post_init__(self) -> None:
        if self.lane is not None and self.lane not in LANES:
            raise ValueError(f"lane: there are {', '.join(LANES)}")
        if self.rate is not None and not 0 < self.rate <= 1_000_000:
            raise ValueError("rate: letters a second, more than 0; right would be 10, or 0.5 for one every two seconds")


def replay(ledger: Ledger, settings: Settings, wanted: Filter, rules: Rules) -> Steps[Replayed]:
    """
    Turn the letters that fit into new intents, each at most once whoever else tries.

    With a rate they wait their turn in the due set, like retries: whoever asked may go away, and `cancel` takes one back.
    Raises ValueError for a filter that picks everything: say `since` at least, or the ids.
    """
    if wanted.picks_all:
        raise ValueError("an empty filter would replay every letter; name ids, a reason, an application, a time or another filter")
    time = (yield Ask([("TIME",)]))[0]
    now = datetime.fromtimestamp(ms(time) / 1000, UTC)
    letters = yield from find(ledger.keys, wanted)
    counts = {"replayed": 0, "skipped": 0, "invalid": 0}
    why: dict[str, str] = {}
    ids: dict[str, str] = {}
    lanes: dict[str, str] = {}
    step_ms = 1000 / rules.rate if rules.rate is not None else 0.0
    for some in pages(letters, _TOGETHER):
        planned: list[Replay] = []
        bodies = yield from bodies_of(ledger.keys, some)
        for letter, kept in zip(some, bodies, strict=True):
            plan = _plan(letter, kept, settings, now, rules)
            if isinstance(plan, _LeftOut):
                counts[plan.kind] += 1
                why[letter.id] = plan.why
            else:
                turn = counts["replayed"] + len(planned)
                planned.append(Replay(letter.id, letter.intent_id, plan, int(turn * step_ms)))
        answers = (yield from ledger.replay(planned)) if planned and not rules.dry_run else ["replayed"] * len(planned)
        for one, answer in zip(planned, answers, strict=True):
            if answer == "replayed":
                counts["replayed"] += 1
                ids[one.letter_id] = one.new.intent_id
                if one.wait_ms == 0:
                    lanes[one.new.intent_id] = one.new.lane
            else:
                counts["skipped"] += 1
                why[one.letter_id] = f"is {answer.removeprefix('taken ')}"
    takes_s = max(0, counts["replayed"] - 1) * step_ms / 1000
    if rules.dry_run:
        ids, lanes = {}, {}
    return Replayed(len(letters), **counts, why=why, ids=ids, lanes=lanes, takes_s=takes_s)


@dataclass(frozen=True, slots=True)
class _LeftOut:
    kind: Literal["skipped", "invalid"]
    why: str


def _plan(letter: Letter, kept: tuple[str, int] | None, settings: Settings, now: datetime, rules: Rules) -> Entry | _LeftOut:
    """The intent that a letter becomes, held against today's models, or why it cannot become one."""
    if letter.state != LetterState.OPEN:
        return _LeftOut("skipped", f"is {letter.state}")
    if kept is None:
        return _LeftOut("skipped", "its intent is no longer kept")
    body, version = kept
    try:
        data = migrated(loads(body), version)
        if isinstance(data, dict):
            data = _redirected(data, rules.application, rules.lane)
        intent = checked(data, settings)
        render(intent, now=now, platforms=settings.platform_table)
    except NewerModel:
        return _LeftOut("skipped", "was written by a newer wooshq; replay it with that one")
    except IntentInvalid as error:
        return _LeftOut("invalid", "; ".join(str(p) for p in error.problems))
    expires = intent.expires_at_dt
    if expires is not None and expires <= now:
        return _LeftOut("skipped", "has expired; edit expires_at to send it all the same")
    return replace(entry_of_model(intent, settings), intent_id=new_id())


def _redirected(data: dict[str, Any], application: str | None, lane: str | None) -> dict[str, Any]:
    data = {k: v for k, v in data.items() if k not in ("id", "idempotency_key")}
    if lane is not None:
        data["lane"] = lane
    if application is not None:
        data["application"] = application
        request = data.get("request")
        if isinstance(request, dict):
            data["request"] = {k: {**v, "application": application} if isinstance(v, dict) else v for k, v in request.items()}
    return data
