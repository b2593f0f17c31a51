"""Where an intent is, with every attempt."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from wooshq.intents.schedule import held_by_pushwoosh, schedule_in
from wooshq.ledger.gates import Gate, holds, read, waits_for_slot
from wooshq.ledger.intents import read_rows
from wooshq.ledger.keys import Keys
from wooshq.ledger.replies import Result, moment, read_kept, text_or_none
from wooshq.ledger.states import HELD, State
from wooshq.ledger.steps import Ask, Steps


@dataclass(frozen=True)
class Status(Result):
    """
    The object of `wooshq status`. state: also `spooled` (in the spool of this machine until Redis is back) or `set_aside` there. Times are RFC 3339, UTC. attempts: `{at, outcome, http_status, code, latency_ms, error,
    probe}` each; a probe tested a shut gate, and costs no attempt if the gate stays shut.

    reason, detail: why it is dead; if it has expired, detail says what it waited for. waiting_for: what must happen before it is sent, in words; for a sent one, until when Pushwoosh keeps
    it. replay_of, replays: intent ids. cancel: of a sent intent, what came of the request to cancel it, `{outcome, asked_at, answered_at,
    detail}`; outcome is `asked`, `cancelled`, `refused`, or `unknown` (a request without an answer may have cancelled it).
    """

    id: str
    state: str
    lane: str
    application: str | None
    accepted_at: str | None
    ended_at: str | None
    message_codes: list[str]
    unknown_identifiers: list[str]
    reason: str | None
    detail: str | None
    waiting_for: str | None
    next_attempt_at: str | None
    attempts: list[dict[str, Any]]
    replay_of: str | None
    replays: list[str]
    cancel: dict[str, Any] | None = None

    @property
    def is_final(self) -> bool:
        return self.state in ("sent", "dead", "expired", "cancelled")


def statuses_of(keys: Keys, ids: Sequence[str]) -> Steps[list[Status | None]]:
    """The status of each intent, in at most two round trips. None for an unknown id."""
    found = yield from read_rows(keys, ids)
    now_ms = found.now_ms
    holding = _Holding(read(found.gates, now_ms), (yield from _without_slot(keys, [row for row in found.rows if row], now_ms)))
    return [_status(i, row, holding, now_ms) if row else None for i, row in zip(ids, found.rows, strict=True)]


@dataclass(frozen=True, slots=True)
class _Holding:
    """What holds queued intents back now. without_slot: (application, lane) of which intents were left without a slot."""

    gates: list[Gate]
    without_slot: frozenset[tuple[str, str]]


_NOTHING_HELD: Final = _Holding([], frozenset())


def _without_slot(keys: Keys, rows: Sequence[Mapping[str, str]], now_ms: int) -> Steps[frozenset[tuple[str, str]]]:
    queued = sorted({(row.get("app", ""), row.get("lane", "")) for row in rows if row.get("state") == State.QUEUED})
    if not queued:
        return frozenset()
    asked = yield Ask([("HGET", keys.pace(application), "asked") for application, _ in queued])
    return frozenset(one for one, said in zip(queued, asked, strict=True) if waits_for_slot(text_or_none(said) or "", one[1], now_ms))


def ended_status(intent_id: str, row: Mapping[str, str]) -> Status:
    """The status of an intent that has ended, by its whole row. What Pushwoosh still keeps for a schedule is not a part of it: that passes by."""
    return _status(intent_id, row, _NOTHING_HELD, None)


def attempts_of(row: Mapping[str, str]) -> list[dict[str, Any]]:
    """An intent's attempts, in order."""
    return [read_kept(row[f"a:{n}"]) for n in range(1, int(row.get("n", 0)) + 1) if f"a:{n}" in row]


def _status(intent_id: str, row: Mapping[str, str], holding: _Holding, now_ms: int | None) -> Status:
    """now_ms: None without what it waits for."""
    state = State(row["state"])
    is_held = state is State.QUEUED and holds(holding.gates, row.get("app", ""), row.get("lane")) is not None
    waiting_for, next_at = _waits(state, row, holding)
    if state is State.SENT and now_ms is not None:
        waiting_for = _held(row, now_ms)
    return Status(
        id=intent_id,
        state=HELD if is_held else state.value,
        lane=row.get("lane", ""),
        application=row.get("app") or None,
        accepted_at=moment(row.get("at")),
        ended_at=moment(row.get("ended")),
        message_codes=[row["code"]] if row.get("code") else [],
        unknown_identifiers=json.loads(row["unknown"]) if "unknown" in row else [],
        reason=row.get("reason"),
        detail=row.get("detail"),
        waiting_for=waiting_for,
        next_attempt_at=next_at,
        attempts=attempts_of(row),
        replay_of=row.get("replay_of"),
        replays=row.get("replays", "").split(),
        cancel=_cancel(row),
    )


def _held(row: Mapping[str, str], now_ms: int) -> str | None:
    """A message with a schedule ahead is handed over at once. Pushwoosh sends it when its time has come."""
    held = held_by_pushwoosh(schedule_in(json.loads(row.get("body", "null"))), int(row["ended"]))
    if held is None or held.until_ms <= now_ms or row.get("cancel") == "cancelled":
        return None
    return f"its schedule: Pushwoosh keeps it until {held}"


def _cancel(row: Mapping[str, str]) -> dict[str, Any] | None:
    if "cancel" not in row:
        return None
    return {
        "outcome": row["cancel"],
        "asked_at": moment(row.get("cancel_asked")),
        "answered_at": moment(row.get("cancel_answered")),
        "detail": row.get("cancel_detail"),
    }


def _waits(state: State, row: Mapping[str, str], holding: _Holding) -> tuple[str | None, str | None]:
    """What it waits for, in words, and until when if that is known."""
    if state is State.SENDING:
        return "the API's answer", None
    if state is State.RETRYING:
        return row.get("waits_for") or "the time of its next attempt", moment(row.get("due"))
    if state is State.QUEUED:
        application, lane = row.get("app", ""), row.get("lane", "")
        gate = holds(holding.gates, application, lane)
        if gate is not None:
            return gate.in_words, gate.until
        if (application, lane) in holding.without_slot:
            return "a slot: its application makes as many calls a second as it may", None
        return f"a worker of the {lane} lane", None
    return None, None
