"""Replay dead letters: plan each one, and send it at most once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Final, Literal

from wooshq.errors import IntentInvalid, LedgerUnavailable
from wooshq.intents.entry import entry_of_model, new_id
from wooshq.ledger.entry import Entry
from wooshq.ledger.intents import ring
from wooshq.ledger.keys import LANES
from wooshq.ledger.letters import LetterLedger, Replay
from wooshq.ledger.replies import Result, ms
from wooshq.ledger.states import LetterState, Reason
from wooshq.ledger.steps import Ask, Flow, Ring, Steps
from wooshq.letters.edit import checked
from wooshq.letters.filter import Conditions, Filter
from wooshq.letters.find import Kept, bodies_of, find, pages
from wooshq.letters.letter import Letter
from wooshq.settings import Settings
from wooshq_schemas import NewerModel, render
from wooshq_schemas.intent.door import migrated
from wooshq_schemas.validation.json_text import loads

_LETTERS_A_SCRIPT: Final = 100
IN_DOUBT: Final = (Reason.UNKNOWN, Reason.POISON)
"""Reasons of letters whose last call may have reached the recipient."""
MAY_BE_REACHED: Final = "in doubt: the recipient may have received the message, and would receive it twice"
_MOST_PLANS: Final = 3
"""How often a letter is planned again because someone edited it in the meantime."""


@dataclass(frozen=True)
class Replayed(Result):
    """
    What a replay did, or with `dry_run` would do.

    selected: letters that the filter picked. skipped: not open (replaying, closed, discarded), gone, expired, or in doubt and excluded.
    invalid: do not pass today's models. why: letter id → why it was left out. ids: letter id → id of the new intent.
    takes_s: seconds until the last of them may be sent, at the rate that was given.
    """

    selected: int
    replayed: int
    skipped: int
    invalid: int
    why: dict[str, str] = field(default_factory=dict, metadata={"shown": False})
    ids: dict[str, str] = field(default_factory=dict, metadata={"shown": False})
    takes_s: float = field(default=0.0, metadata={"shown": False})


@dataclass(frozen=True, slots=True)
class ReplayRules:
    """
    How letters are replayed. application, lane: used instead of the letter's own. rate: letters a second; None for all at once.

    in_doubt: False skips letters whose recipient may have been reached (reasons `unknown` and `poison`).
    """

    dry_run: bool = False
    application: str | None = None
    lane: str | None = None
    rate: float | None = None
    in_doubt: bool = True

    def __post_init__(self) -> None:
        if self.lane is not None and self.lane not in LANES:
            raise ValueError(f"lane: must be one of {', '.join(LANES)}")
        if self.rate is not None and not 0 < self.rate <= 1_000_000:
            raise ValueError("rate: must be more than 0 letters per second. Example: 10, or 0.5 for one letter every two seconds")


def replay_letters(
    ledger: LetterLedger, settings: Settings, ids: Sequence[str], conditions: Conditions, rules: ReplayRules
) -> Flow[Replayed]:
    """
    See `DeadLetters.replay`.

    With a rate, the new intents wait in the due set like retries: the caller may go away, and `cancel` works on each of them. If the
    ledger goes out of reach, the error's `done` says what was replayed before.
    """
    wanted = Filter.to_change(ids, conditions)
    if wanted.picks_all:
        raise ValueError("an empty filter would replay every letter: give ids, a reason, an application, a time or another condition")
    time = (yield Ask([("TIME",)]))[0]
    now = datetime.fromtimestamp(ms(time) / 1000, UTC)
    letters = yield from find(ledger.keys, wanted)
    outcome = _Outcome(rules)
    try:
        for some in pages(letters, _LETTERS_A_SCRIPT):
            # If someone edits a letter while it is replayed, either the edit is refused or the edited intent is sent.
            for _ in range(_MOST_PLANS):
                if not some:
                    break
                some = yield from _replay(ledger, settings, some, now, rules, outcome)
            for letter in some:
                outcome.leave_out(letter.id, _LeftOut("skipped", "was edited several times during the replay; try again"))
    except LedgerUnavailable as error:
        error.done = outcome.so_far(len(letters))
        raise
    if outcome.has_queued:
        for lane in (yield from ring(ledger.keys, settings)):
            yield Ring(lane)
    return outcome.so_far(len(letters))


def _replay(
    ledger: LetterLedger, settings: Settings, letters: Sequence[Letter], now: datetime, rules: ReplayRules, outcome: _Outcome
) -> Steps[list[Letter]]:
    """Replay some letters. Returns those that were edited since they were read."""
    planned: list[tuple[Letter, Replay]] = []
    for letter, kept in zip(letters, (yield from bodies_of(ledger.keys, letters)), strict=True):
        plan = _plan(letter, kept, settings, now, rules)
        if isinstance(plan, _LeftOut):
            outcome.leave_out(letter.id, plan)
        else:
            edited = kept.body if kept is not None and kept.edited else ""
            planned.append((letter, Replay(letter.id, letter.intent_id, plan, edited, outcome.wait_ms(len(planned)))))
    if rules.dry_run or not planned:
        for _, one in planned:
            outcome.take(one)
        return []
    again = []
    for (letter, one), answer in zip(planned, (yield from ledger.replay([one for _, one in planned])), strict=True):
        if answer == "changed":
            again.append(letter)
        elif answer == "replayed":
            outcome.take(one)
        else:
            outcome.leave_out(letter.id, _LeftOut("skipped", f"is {answer.removeprefix('taken ')}"))
    return again


class _Outcome:
    """What became of the letters so far. has_queued: some of the new intents may leave at once."""

    def __init__(self, rules: ReplayRules) -> None:
        self._rules = rules
        self._step_ms = 1000 / rules.rate if rules.rate is not None else 0.0
        self._counts = {"replayed": 0, "skipped": 0, "invalid": 0}
        self._why: dict[str, str] = {}
        self._ids: dict[str, str] = {}
        self.has_queued = False

    def wait_ms(self, after: int) -> int:
        """How long a letter waits that comes after `after` others of its page, ms."""
        return int((self._counts["replayed"] + after) * self._step_ms)

    def leave_out(self, letter_id: str, left_out: _LeftOut) -> None:
        self._counts[left_out.kind] += 1
        self._why[letter_id] = left_out.why

    def take(self, one: Replay) -> None:
        self._counts["replayed"] += 1
        if not self._rules.dry_run:
            self._ids[one.letter_id] = one.new.intent_id
            self.has_queued = self.has_queued or one.wait_ms == 0

    def so_far(self, selected: int) -> Replayed:
        takes_s = max(0, self._counts["replayed"] - 1) * self._step_ms / 1000
        return Replayed(selected, **self._counts, why=self._why, ids=self._ids, takes_s=takes_s)


@dataclass(frozen=True, slots=True)
class _LeftOut:
    kind: Literal["skipped", "invalid"]
    why: str


def _plan(letter: Letter, kept: Kept | None, settings: Settings, now: datetime, rules: ReplayRules) -> Entry | _LeftOut:
    """The new intent of a letter, checked against today's models; or why there is none."""
    if letter.state != LetterState.OPEN:
        return _LeftOut("skipped", f"is {letter.state}")
    if kept is None:
        return _LeftOut("skipped", "its intent is no longer kept")
    if not rules.in_doubt and letter.reason in IN_DOUBT:
        return _LeftOut("skipped", MAY_BE_REACHED)
    try:
        data = migrated(loads(kept.body), kept.version)
        if isinstance(data, dict):
            data = _redirected(data, rules.application, rules.lane)
        intent = checked(data, settings)
        render(intent, now=now, platforms=settings.platform_table)
    except NewerModel:
        return _LeftOut("skipped", "was written by a newer version of wooshq; replay it with that version")
    except IntentInvalid as error:
        return _LeftOut("invalid", "; ".join(str(p) for p in error.problems))
    expires = intent.expires_at_dt
    if expires is not None and expires <= now:
        return _LeftOut("skipped", "has expired; edit expires_at to send it anyway")
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
