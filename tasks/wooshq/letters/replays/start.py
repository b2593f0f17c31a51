"""Plan a replay, keep the plan, and start it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence, Set
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Final

from wooshq.errors import LedgerUnavailable, ReplayUnknown
from wooshq.gates.limits import Limit, ceiling_of, list_limits
from wooshq.gates.who import said
from wooshq.intents.entry import new_id
from wooshq.ledger.gates import GateLedger
from wooshq.ledger.intents import ring
from wooshq.ledger.keys import Keys
from wooshq.ledger.replies import Result, ms, text, text_or_none
from wooshq.ledger.states import ReplayState
from wooshq.ledger.steps import Ask, Flow, Ring, Steps, as_json
from wooshq.letters.filter import Conditions, Selection, selection
from wooshq.letters.find import each_page
from wooshq.letters.read import ReadLetter
from wooshq.letters.replays.examples import Example, Examples
from wooshq.letters.replays.ledger import ReplayLedger
from wooshq.letters.replays.planning import Chosen, LeftOut, LeftOutFor, Planner
from wooshq.letters.replays.rules import Brakes, ReplayRules
from wooshq.letters.replays.run import run_replay
from wooshq.letters.replays.show import NO_SUCH_REPLAY
from wooshq.settings import Settings
from wooshq.tracing import accepting

_PAGE: Final = 1000
"""Letters that one script keeps or holds."""
_LIVE: Final = (ReplayState.RUNNING, ReplayState.PAUSED, ReplayState.STOPPED)
_MOST_IDS: Final = 1000
"""Letters whose new intents are named in the answer."""


@dataclass(frozen=True)
class Replayed(Result):
    """
    What a replay will do, or with `dry_run` would do.

    selected: letters that the filter picked. replayed: those that the replay sends. skipped, invalid: those that are left out; invalid do not
    pass today's models. id: of the replay; None for a dry run, or if there is nothing to replay. calls: API calls at least. takes_s: seconds
    until the last of them may leave, at the rate that was given and the limits of the applications; 0 without any. left_out: why → how many; the words are those of `LeftOutFor`.
    why: letter id → why it is left out. ids: letter id → id of the new intent, of letters that were begun at once: the first ones. examples:
    the letters that differ most, before and after the recipe.
    """

    selected: int
    replayed: int
    skipped: int
    invalid: int
    id: str | None = None
    state: str = ReplayState.PLANNED
    calls: int = 0
    takes_s: float = 0.0
    left_out: dict[str, int] = field(default_factory=dict)
    why: dict[str, str] = field(default_factory=dict, metadata={"shown": False})
    ids: dict[str, str] = field(default_factory=dict, metadata={"shown": False})
    examples: tuple[Example, ...] = field(default=(), metadata={"shown": False})


def replay_letters(
    ledger: ReplayLedger, settings: Settings, ids: Sequence[str], conditions: Conditions, rules: ReplayRules
) -> Flow[Replayed]:
    """
    See `DeadLetters.replay`. If the ledger goes out of reach after the replay was started, the error's `done` is what was started.
    """
    why, by = said(rules.why, rules.by)
    wanted = yield from selection({**conditions, "ids": ids}, only_open=not ids)
    if wanted.picks_all:
        raise ValueError(
            "an empty filter would replay every letter: give ids, a query, a reason, an application, a time or another condition"
        )
    chosen, examples = yield from _choose(ledger.keys, settings, wanted, rules)
    limits = yield from list_limits(GateLedger(settings), settings)
    plan = _as_planned(chosen, examples, settings, rules.brakes, limits)
    if rules.dry_run or not plan.replayed:
        return plan
    planned: dict[str, str | int | float | None] = {
        "calls_planned": plan.calls,
        "takes_s": plan.takes_s,
        "left_out_for": as_json(plan.left_out),
    }
    fields = {**_row(rules, why, by), "selection": wanted.in_words, **planned}
    with accepting(settings, n=plan.replayed) as span:
        replay_id = yield from _keep(ledger, chosen, {**fields, "trace": span.trace or None})
        span.note(replay_id=replay_id)
        plan = replace(plan, id=replay_id)
        if not rules.start:
            return plan
        return (yield from _start(ledger, settings, replay_id, plan, [i for i, _ in islice(chosen.in_order(), _MOST_IDS)]))


def start_replay(ledger: ReplayLedger, settings: Settings, replay_id: str, by: str | None) -> Flow[str]:
    """See `Replays.start`. Returns the state of the replay."""
    _, who = said("", by)
    yield from _hold_and_start(ledger, replay_id, "", who)
    return (yield from _first_page(ledger, settings, replay_id))


def _choose(keys: Keys, settings: Settings, wanted: Selection, rules: ReplayRules) -> Flow[tuple[Chosen, Examples]]:
    """Decide for every letter that the filter picks. The selection is fixed here: what is filed later is not in it."""
    now = datetime.fromtimestamp(ms((yield Ask([("TIME",)]))[0]) / 1000, UTC)
    if not wanted.ids:
        wanted = wanted.until(now + timedelta(milliseconds=1))
    chosen, held, looked = Chosen(), [], 0
    planner = Planner(
        settings=settings,
        now=now,
        recipe=rules.recipe,
        in_doubt=rules.in_doubt,
        wanted=wanted,
    )
    examples = Examples(planner.rendered, planner.exact)

    def take(letters: Sequence[ReadLetter]) -> bool:
        nonlocal looked
        for read in letters:
            planned = planner.plan(read.letter, read.kept)
            chosen.add(read.letter.id, planned)
            examples.look(read.letter, planned)
            if read.letter.held_by:
                held.append((read.letter.id, read.letter.held_by.partition(" ")[0]))
        looked += len(letters)
        rules.watch(looked)
        return False

    yield from each_page(keys, wanted, take, oldest_first=True, bodies=True)
    live = yield from _live(keys, {holder for _, holder in held})
    for letter_id, holder in held:
        if holder in live:
            chosen.leave_out(letter_id, LeftOut(LeftOutFor.REPLAYING, f"is in replay {holder}"))
    return chosen, examples


def _live(keys: Keys, replays: Set[str]) -> Steps[set[str]]:
    """Those of these replays that have not ended: they keep the letters that they hold."""
    ids = list(replays)
    states = (yield Ask([("HGET", keys.replay(i), "state") for i in ids])) if ids else []
    return {i for i, state in zip(ids, states, strict=True) if text_or_none(state) in _LIVE}


def _as_planned(chosen: Chosen, examples: Examples, settings: Settings, brakes: Brakes, limits: Sequence[Limit]) -> Replayed:
    calls = chosen.calls(settings.list_limit)
    invalid = sum(left_out.kind is LeftOutFor.INVALID for _, left_out in chosen.left_out)
    return Replayed(
        selected=chosen.letters + len(chosen.left_out),
        replayed=chosen.letters,
        skipped=len(chosen.left_out) - invalid,
        invalid=invalid,
        calls=calls.total(),
        takes_s=_takes_s(calls, brakes.rate, limits),
        left_out=chosen.counted(),
        why={letter_id: left_out.why for letter_id, left_out in chosen.left_out},
        examples=examples.most_different(),
    )


def _takes_s(calls: Counter[str], rate: float | None, limits: Sequence[Limit]) -> float:
    """Seconds until the last call may leave: at the rate of the replay, and at the ceilings of the applications."""
    ceilings = {application: ceiling_of(limits, application) for application in calls}
    takes = [max(0, n - 1) / ceiling for application, n in calls.items() if (ceiling := ceilings[application])]
    return max([*takes, *([max(0, calls.total() - 1) / rate] if rate else [])], default=0.0)


def _row(rules: ReplayRules, why: str, by: str) -> dict[str, str | int | float | None]:
    brakes = rules.brakes
    return {
        "why": why,
        "by": by,
        "recipe": None if rules.recipe.changes_nothing else rules.recipe.to_json(),
        "rate": brakes.rate,
        "first": brakes.first,
        "stop_at": brakes.stop_at,
        "window": brakes.window,
    }


def _keep(ledger: ReplayLedger, chosen: Chosen, fields: dict[str, str | int | float | None]) -> Steps[str]:
    """Keep a plan. Returns its id."""
    replay_id = new_id()
    yield from ledger.plan(replay_id, fields)
    letters = iter(chosen.in_order())
    for before in range(0, chosen.letters + len(chosen.left_out), _PAGE):
        if not (yield from ledger.choose(replay_id, before, list(islice(letters, _PAGE)))):
            raise LedgerUnavailable("the plan of the replay was lost before it was complete; nothing was replayed", maybe_done=False)
    return replay_id


def _start(ledger: ReplayLedger, settings: Settings, replay_id: str, plan: Replayed, letters: Sequence[str]) -> Flow[Replayed]:
    yield from _hold_and_start(ledger, replay_id, "", None)
    plan = replace(plan, state=ReplayState.RUNNING)
    try:
        state = yield from _first_page(ledger, settings, replay_id)
        return replace(plan, state=state, ids=(yield from _new_ids(ledger.keys, letters)))
    except LedgerUnavailable as error:
        error.done = plan
        raise


def _hold_and_start(ledger: ReplayLedger, replay_id: str, why: str, by: str | None) -> Steps[None]:
    """Hold the letters, then start. by: None for who has planned it."""
    state, planned_by, total = (yield Ask([("HMGET", ledger.keys.replay(replay_id), "state", "by", "total")]))[0]
    if state is None:
        raise ReplayUnknown(NO_SUCH_REPLAY)
    for first in range(0, int(total), _PAGE):
        if not (yield from ledger.hold(replay_id, first, first + _PAGE - 1)):
            break  # it was started meanwhile: `move` says so
    state, moved = yield from ledger.move(replay_id, "start", why, text(planned_by or "") if by is None else by)
    if not moved:
        raise ValueError(f"the replay is {state}, so it cannot be started")


def _first_page(ledger: ReplayLedger, settings: Settings, replay_id: str) -> Flow[str]:
    """Begin the first letters at once: a small replay need not wait for the keeper. Returns the state of the replay."""
    done = yield from run_replay(ledger, settings, replay_id)
    for lane in (yield from ring(ledger.keys, settings)):
        yield Ring(lane)
    return done.state


def _new_ids(keys: Keys, letters: Sequence[str]) -> Steps[dict[str, str]]:
    """Letter → the intent that it became, of those that were begun."""
    found = (yield Ask([("HGET", keys.letter(letter_id), "replay") for letter_id in letters])) if letters else []
    return {letter_id: text(new) for letter_id, new in zip(letters, found, strict=True) if new is not None}
