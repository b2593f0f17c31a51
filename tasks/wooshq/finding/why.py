"""Why is an intent not out yet? One reason of a closed list, in a sentence, with the moment that is expected and the act that fits."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Final

from wooshq.errors import LetterUnknown
from wooshq.gates.limits import ceiling_of, list_limits
from wooshq.gates.pause import resume_command
from wooshq.intents.find import whereabouts
from wooshq.intents.schedule import held_by_pushwoosh, schedule_in
from wooshq.intents.status import Status
from wooshq.ledger.gates import EVERY, Gate, GateName, holds, read, waits_for_slot
from wooshq.ledger.intents import IntentLedger, read_rows
from wooshq.ledger.keys import Keys
from wooshq.ledger.replies import Result, moment, text_or_none
from wooshq.ledger.states import LetterState, State
from wooshq.ledger.steps import Ask, Flow, Steps
from wooshq.letters.find import find_letter
from wooshq.overview.facts import read_pulse
from wooshq.overview.workers import Worker, mark_of
from wooshq.settings import Settings
from wooshq.spool.look import SET_ASIDE, SPOOLED

_UNANSWERED_MS: Final = 3000
"""A bell that no worker has answered for so long: none takes from this lane. The keeper rings again after a second or two."""
_SOON_MS: Final = 1000
"""A worker that is awake, and is not kept busy, takes what waits within this time."""


class NotYet(StrEnum):
    """Why an intent is not out yet: a closed list."""

    OUTBOX = "outbox"  #: it is in the outbox of the app's database: a relay moves it, or set it aside
    SPOOLED = "spooled"  #: Redis could not be reached: it is on the disk of the machine that accepted it
    SET_ASIDE = "set_aside"  #: the ledger refused it when it came from the spool
    PAUSED = "paused"  #: a person paused its lane or application
    GATE = "gate"  #: a gate is shut: the API fails, refuses the token, or does not know the application
    RETRY_AFTER = "retry_after"  #: the API answered 429, and said when to come back
    RATE = "rate"  #: its application makes as many calls a second as it may
    NO_WORKER = "no_worker"  #: no worker takes from its lane
    LANE = "lane"  #: a worker takes from its lane, and comes to it soon
    SUSPECT = "suspect"  #: workers were lost while they held it: it waits apart, and is sent in a small group
    UNDER_WAY = "under_way"  #: a worker holds it, and the API has not answered yet
    RETRY = "retry"  #: an attempt failed, and the next one has its time
    OTHER_VERSION = "other_version"  #: it needs a worker of the version that accepted it
    SCHEDULED = "scheduled"  #: Pushwoosh has it, and keeps it until its schedule


@dataclass(frozen=True)
class Explained(Result):
    """
    Why an intent is where it is. reason: see `NotYet`; None if it has ended, and nothing more will happen.

    sentence: the answer for a person. since, expected_at: RFC 3339, UTC; since when this holds it, and when it is expected to go on, at the
    earliest; None if nobody knows. before: how many of its application come before it in its lane. act, command: what a person can do; ''
    if there is nothing to do but wait.
    """

    id: str
    state: str
    reason: str | None
    sentence: str
    since: str | None = None
    expected_at: str | None = None
    before: int | None = None
    act: str = ""
    command: str = ""


def explain(ledger: IntentLedger, settings: Settings, name: str, application: str) -> Flow[Explained | None]:
    """See `Wooshq.why`."""
    found = yield from whereabouts(ledger.keys, settings, name, application)
    if found is None:
        return None
    if found.state in (SPOOLED, SET_ASIDE):
        return _in_spool(found)
    if found.is_final and found.waiting_for is None:
        return _ended(found, (yield from _letter_state(ledger.keys, found)))
    seen = yield from _look(ledger.keys, found)
    if seen is None:  # it has just ended, and left the ledger
        return _ended(found)
    if found.state == State.SENT:
        return _scheduled(found, seen)
    if seen.state is State.SENDING:
        return _under_way(found, seen, settings, (yield from read_pulse(ledger.keys, seen.now_ms)).workers)
    if seen.state is State.RETRYING:
        return _retry(found, seen)
    if seen.state is not State.QUEUED:
        return _ended(found)
    ceiling = ceiling_of((yield from list_limits(ledger.gates, settings)), found.application or "") if seen.waits_for_slot else None
    explained = _queued(found, seen, ceiling)
    if explained.reason != NotYet.LANE or not explained.before:
        return explained
    rates = (yield from read_pulse(ledger.keys, seen.now_ms)).rates
    leave = rates[found.lane].a_minute("left_the_lane") if found.lane in rates else 0.0
    return replace(explained, expected_at=moment(seen.now_ms + int(60_000 * explained.before / leave))) if leave else explained


@dataclass(frozen=True, slots=True)
class _Seen:
    """What the ledger says of one intent that has not ended. bell: whether one is out, and when it was rung, ms."""

    now_ms: int
    state: State
    row: Mapping[str, str]
    gates: Sequence[Gate]
    bell: tuple[bool, int]
    has_worker: bool
    lease_ends: int | None
    suspect_until: int | None
    before: int | None
    waits_for_slot: bool

    def ms(self, field: str) -> int | None:
        return int(float(self.row[field])) if self.row.get(field) else None


def _look(keys: Keys, found: Status) -> Steps[_Seen | None]:
    lane, application, intent_id = found.lane, found.application or "", found.id
    read_now = yield from read_rows(keys, [intent_id])
    bells, keeper, lease, suspect, before, asked = yield Ask(
        [
            ("HMGET", keys.fixed("bells"), lane, f"{lane}:rung"),
            ("EXISTS", keys.fixed("keeper")),
            ("ZSCORE", keys.fixed("leases"), intent_id),
            ("ZSCORE", keys.suspects(lane), intent_id),
            ("ZRANK", keys.queue(lane, application), intent_id),
            ("HGET", keys.pace(application), "asked"),
        ]
    )
    (row,), now_ms = read_now.rows, read_now.now_ms
    if "state" not in row:
        return None
    out, rung = (text_or_none(one) for one in bells)
    return _Seen(
        now_ms,
        State(row["state"]),
        row,
        read(read_now.gates, now_ms),
        (out == "1", int(float(rung or 0))),
        bool(keeper),
        None if lease is None else int(float(lease)),
        None if suspect is None else int(float(suspect)),
        None if before is None else int(before),
        waits_for_slot(text_or_none(asked) or "", lane, now_ms),
    )


def _letter_state(keys: Keys, found: Status) -> Flow[str]:
    """What became of the letter of a message that is dead; "" without one."""
    if found.state != State.DEAD:
        return ""
    try:
        return (yield from find_letter(keys, found.id)).state
    except LetterUnknown:
        return ""


def _ended(found: Status, letter: str = "") -> Explained:
    dead = {
        LetterState.CLOSED: f"It died ({found.reason}), and then a replay of it was sent.",
        LetterState.DISCARDED: f"It is a dead letter ({found.reason}) that somebody discarded: it does not have to be sent.",
        LetterState.REPLAYING: f"It is a dead letter ({found.reason}), and a replay of it is under way.",
    }
    said = {
        State.SENT: "It was sent: Pushwoosh has accepted it.",
        State.DEAD: f"It is a dead letter ({found.reason}): {found.detail}" if letter not in dead else dead[LetterState(letter)],
        State.EXPIRED: f"It expired before it could be sent: {found.detail}",
        State.CANCELLED: "It was cancelled before it was sent.",
    }
    act, command = {
        State.DEAD: ("Fix it and replay it." if letter not in dead else "", f"wooshq dead show {found.id}"),
        State.EXPIRED: ("Enqueue it again if it still matters.", ""),
    }.get(State(found.state), ("", ""))
    return Explained(found.id, found.state, None, said[State(found.state)], since=found.ended_at, act=act, command=command)


def in_outbox(found: Status) -> Explained:
    """The answer for a row of an app's outbox, by its status (`wooshq.outbox.operate`)."""
    sentence = f"It waits for {found.waiting_for}." if found.waiting_for else f"{found.detail}."
    return Explained(
        found.id, found.state, NotYet.OUTBOX, sentence, found.accepted_at, act="See whether a relay runs.", command="wooshq outbox"
    )


def _in_spool(found: Status) -> Explained:
    if found.state == SPOOLED:
        sentence = f"It waits for {found.waiting_for}."
        return Explained(
            found.id,
            found.state,
            NotYet.SPOOLED,
            sentence,
            found.accepted_at,
            act="See why Redis cannot be reached.",
            command="wooshq doctor",
        )
    return Explained(
        found.id, found.state, NotYet.SET_ASIDE, f"{found.detail}.", found.accepted_at, act="Fix it, or discard it.", command="wooshq spool"
    )


def _scheduled(found: Status, seen: _Seen) -> Explained:
    held = held_by_pushwoosh(schedule_in(json.loads(seen.row.get("body", "null"))), seen.ms("ended") or seen.now_ms)
    sentence = f"Pushwoosh has accepted it, and sends it at {held}." if held else f"Pushwoosh has it, and waits for {found.waiting_for}."
    until = moment(held.until_ms) if held else None
    act = "Until then it can be cancelled."
    return Explained(found.id, found.state, NotYet.SCHEDULED, sentence, found.ended_at, until, act=act, command=f"wooshq cancel {found.id}")


def _under_way(found: Status, seen: _Seen, settings: Settings, workers: Sequence[Worker]) -> Explained:
    begun = seen.ms("begun")
    mark = seen.row.get("lease", "")[:8]
    holder = next((one for one in workers if mark_of(one.host, one.pid) == mark), None)
    who = "A worker" if holder is None else f"The worker {holder.name}"
    late_ms = int(settings.http_total_s * 1000)
    if begun is None or seen.now_ms <= begun + late_ms:
        sentence = f"{who} holds it, and waits for the API's answer."
        expected = None if begun is None else moment(min(seen.now_ms + _SOON_MS, begun + late_ms))
        return Explained(found.id, found.state, NotYet.UNDER_WAY, sentence, moment(begun), expected)
    sentence = f"{who} holds it for longer than a call may take. If that worker is lost, another one takes it when the lease ends."
    return Explained(
        found.id,
        found.state,
        NotYet.UNDER_WAY,
        sentence,
        moment(begun),
        moment(seen.lease_ends),
        act="See whether the workers are well.",
        command="wooshq doctor",
    )


def _retry(found: Status, seen: _Seen) -> Explained:
    due, since = seen.ms("due"), seen.ms("failed_at")
    if waits_for := seen.row.get("waits_for"):
        act = "Start a worker of that version."
        return Explained(found.id, found.state, NotYet.OTHER_VERSION, f"It waits for {waits_for}.", moment(since), moment(due), act=act)
    sentence = f"{_last_attempt(found.attempts)} It is tried again when its time has come."
    act, command = "Do not wait: try it now.", f"wooshq try-now {found.id}"
    return Explained(found.id, found.state, NotYet.RETRY, sentence, moment(since), moment(due), act=act, command=command)


def _last_attempt(attempts: Sequence[Mapping[str, Any]]) -> str:
    if not attempts:
        return "An attempt failed."
    last = attempts[-1]
    answer = " ".join(str(part) for part in (last.get("http_status"), last.get("code")) if part)
    tried = "Its attempt" if len(attempts) == 1 else f"Attempt {len(attempts)}"
    return f"{tried} failed ({answer}): {last.get('error') or 'without an answer'}." if answer else f"{tried} failed: {last.get('error')}."


def _queued(found: Status, seen: _Seen, ceiling: float | None) -> Explained:
    application, lane = found.application or "", found.lane
    since = moment(seen.ms("queued_at") or seen.ms("at"))
    if (gate := holds(seen.gates, application, lane)) is not None:
        return _behind(found, gate, seen)
    if seen.suspect_until is not None:
        sentence = f"{seen.row.get('lost', 'Some')} workers were lost while they held it. It waits apart from the others, and is sent in a small group."
        expected = max(seen.suspect_until, seen.now_ms)
        return Explained(found.id, found.state, NotYet.SUSPECT, sentence, since, moment(expected), act="See why the workers ended.")
    n = seen.before
    ahead = "" if not n else f" {n:,} of its application {'comes' if n == 1 else 'come'} before it."
    if seen.waits_for_slot:
        allowed = "as many calls a second as it may" if ceiling is None else f"the {ceiling:g} calls a second that it may"
        expected_at = None if ceiling is None or n is None else moment(seen.now_ms + int(1000 * (n + 1) / ceiling))
        sentence = f"Its application makes {allowed}.{ahead}"
        return Explained(
            found.id, found.state, NotYet.RATE, sentence, since, expected_at, n, "See the ceilings, and who set them.", "wooshq limits"
        )
    if not seen.has_worker or (seen.bell[0] and seen.now_ms - seen.bell[1] > _UNANSWERED_MS):
        what = f"no worker takes from the {lane} lane" if seen.has_worker else "no worker runs"
        sentence = f"Nothing holds it back, but {what}.{ahead}"
        act = "Start a worker, or see what keeps it from its work."
        return Explained(found.id, found.state, NotYet.NO_WORKER, sentence, since, None, n, act, f"wooshq worker -Q {lane}")
    expected_at = moment(seen.now_ms + _SOON_MS) if not n else None
    return Explained(
        found.id, found.state, NotYet.LANE, f"The next worker of the {lane} lane takes it in its turn.{ahead}", since, expected_at, n
    )


def _behind(found: Status, gate: Gate, seen: _Seen) -> Explained:
    """What a gate holds back."""
    if gate.gate == GateName.HAND:
        sentence = f"Its {'lane' if gate.lane else 'application' if gate.application != EVERY else 'sending'} is {gate.in_words}."
        return Explained(
            found.id,
            found.state,
            NotYet.PAUSED,
            sentence,
            gate.since,
            None,
            seen.before,
            "Resume it.",
            resume_command(gate.application, gate.lane),
        )
    reason = NotYet.RETRY_AFTER if gate.gate == GateName.NOT_BEFORE else NotYet.GATE
    sentence = f"{'The API asked us to wait' if reason is NotYet.RETRY_AFTER else f'The gate {gate.gate} is shut'}: {gate.why}."
    act, command = _ACTS[GateName(gate.gate)]
    until = None if not gate.until_ms else moment(max(gate.until_ms, gate.testing_until_ms, seen.now_ms))
    return Explained(found.id, found.state, reason, sentence, gate.since, until, seen.before, act, command)


_ACTS: Final[Mapping[GateName, tuple[str, str]]] = {
    GateName.CIRCUIT: ("It opens by itself when a probe succeeds. See what the API answers.", "wooshq gates"),
    GateName.TOKEN: ("Give the workers a valid API token. It opens when a call succeeds.", "wooshq doctor"),
    GateName.APPLICATION: ("Check the application code. It opens when a call succeeds.", "wooshq doctor"),
    GateName.NOT_BEFORE: ("It opens by itself at this time.", "wooshq gates"),
    GateName.ANSWERS: ("See what the API answers: this version does not understand it.", "wooshq gates"),
}
"""What fits a shut gate, and the command that shows more."""
