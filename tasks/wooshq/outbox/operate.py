"""The outbox for operators: what waits, what was set aside or parked and why; edit it, try it again, discard it."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from wooshq.client import Wooshq
from wooshq.errors import LedgerUnavailable, WooshqError
from wooshq.intents.edited import CHANGED, UNCHANGED, edited_entry
from wooshq.intents.entry import IntentLike
from wooshq.intents.status import Status
from wooshq.ledger.replies import Result, moment
from wooshq.ledger.steps import Ask, Steps
from wooshq.outbox import statements
from wooshq.outbox.database import Database
from wooshq.outbox.row import body_of
from wooshq.outbox.table import RowState
from wooshq.settings import Settings

_PAGE: Final = 500

WAITS_AGAIN: Final = {
    False: "It waits for a relay.",
    True: f"It waits for a relay. {UNCHANGED}",
}
"""What a person is told after `retry`, by `OutboxRow.was_refused`."""


class RowUnknown(WooshqError):
    """The outbox has no row with this id: the id is wrong, or a relay has moved the row into the ledger (see `wooshq status`)."""

    def __init__(self, row_id: str) -> None:
        super().__init__(f"{row_id}: no row of the outbox has this id. If a relay has moved it, `wooshq status` knows it")


class RowWaits(WooshqError):
    """Only a row that was set aside or parked can be changed: a relay may be moving one that waits."""

    def __init__(self, row_id: str) -> None:
        super().__init__(f"{row_id}: it waits for a relay, and cannot be changed. Only rows that are set aside or parked can")


class MaySendTwice(WooshqError):
    """A parked row may have been sent. Somebody must have looked before it is tried again."""

    def __init__(self, which: str) -> None:
        super().__init__(
            f"{which}: parked, because it may have been sent. Look whether the message arrived, then discard it, or try again with --may-double"
        )


@dataclass(frozen=True)
class OutboxRow(Result):
    """
    A row of the outbox. Times are RFC 3339, UTC.

    state: waiting, set_aside or parked. tries: how often a relay tried to move it. reason: why it does not wait, for a person. intent: as it
    will be enqueued; None if it is not JSON.
    """

    id: str
    state: str
    application: str | None
    lane: str | None
    created_at: str | None
    first_tried_at: str | None
    tries: int
    reason: str | None
    intent: dict[str, Any] | None = field(default=None, metadata={"shown": False})

    @property
    def was_refused(self) -> bool:
        """Whether the ledger refused just this intent: unchanged, it will refuse it again, unless its cause is gone."""
        return self.state == RowState.SET_ASIDE and self.reason != CHANGED


@dataclass(frozen=True)
class Depth(Result):
    """
    How many rows are in each state. oldest_s: for how long the oldest row that waits has waited; None if none waits.

    set_aside: also rows in a state that wooshq does not know, which somebody has written: no relay moves them.
    """

    waiting: int
    set_aside: int
    parked: int
    oldest_s: float | None


class OutboxRows:
    """The calls of operators for the outbox of one database."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self._database = database
        self._settings = settings

    def depth(self) -> Depth:
        """How much waits. Raises DatabaseAway, TableMissing."""
        with self._database.transaction() as db:
            found = {state: (n, at) for state, n, at in statements.depth(db)}
        waiting, oldest = found.pop(RowState.WAITING, (0, None))
        parked, _ = found.pop(RowState.PARKED, (0, None))
        age_s = None if oldest is None else max(0.0, round(datetime.now(UTC).timestamp() - oldest / 1000, 3))
        return Depth(waiting, sum(n for n, _ in found.values()), parked, age_s)

    def list(self, *, state: str | None = None, most: int | None = None) -> Iterator[OutboxRow]:
        """Rows, the oldest first, at most `most`, in pages. state: only these. Raises ValueError for an unknown state."""
        if state is not None and state not in set(RowState):
            raise ValueError(f"state: {state!r} is no state of a row. Use one of: {', '.join(RowState)}")
        after = None
        while most is None or most > 0:
            with self._database.transaction() as db:
                found = statements.page(db, state=state, after=after, most=min(_PAGE, most or _PAGE))
            for row in found:
                yield _shown(row)
            if len(found) < _PAGE:
                return
            after = (found[-1][2], found[-1][0])
            most = None if most is None else most - len(found)

    def show(self, row_id: str) -> OutboxRow:
        """One row, with its intent. Raises RowUnknown."""
        with self._database.transaction() as db:
            found = statements.read(db, row_id)
        if found is None:
            raise RowUnknown(row_id)
        return _shown(found)

    def edit(self, row_id: str, intent: IntentLike) -> None:
        """
        Give a row another intent; its id stays. It stays set aside until `retry`. Raises RowUnknown, RowWaits, IntentInvalid.

        intent: also a row as `show` prints it, with its `intent` changed. It counts as enqueued now: `ttl_s` begins again, and a schedule is
        checked as of now.
        """
        row = self._put_away(row_id)
        body = body_of(json.loads(edited_entry(intent, row_id, self._settings, mark="tries").body), self._settings)
        reason = CHANGED if row.state == RowState.SET_ASIDE else row.reason
        with self._database.transaction() as db:
            if not statements.edit(db, row_id, body, state=row.state, reason=reason, now=time.time_ns() // 1_000_000):
                raise RowWaits(row_id)

    def retry(self, row_id: str, *, may_double: bool = False) -> OutboxRow:
        """
        Let relays try a row again. may_double: also a parked one, which may have been sent. Returns the row as it was.

        Raises RowUnknown, RowWaits, MaySendTwice.
        """
        row = self._put_away(row_id)
        if row.state == RowState.PARKED and not may_double:
            raise MaySendTwice(row_id)
        with self._database.transaction() as db:
            if not statements.wait_again(db, row_id, state=row.state):
                raise RowWaits(row_id)
        return row

    def retry_all(self, state: str, *, may_double: bool = False) -> int:
        """
        Let relays try all rows in a state again. Returns how many. may_double: as in `retry`.

        Raises MaySendTwice; ValueError if rows in this state were not put away.
        """
        if state not in (RowState.SET_ASIDE, RowState.PARKED):
            raise ValueError(f"state: {state!r} cannot be tried again. Use set_aside or parked")
        if state == RowState.PARKED and not may_double:
            raise MaySendTwice("these rows")
        with self._database.transaction() as db:
            return statements.all_wait_again(db, state=state)

    def discard(self, row_id: str) -> None:
        """Delete a row for good: its message will not be sent. Raises RowUnknown, RowWaits."""
        row = self._put_away(row_id)
        with self._database.transaction() as db:
            if not statements.discard(db, row_id, state=row.state):
                raise RowWaits(row_id)

    def _put_away(self, row_id: str) -> OutboxRow:
        row = self.show(row_id)
        if row.state == RowState.WAITING:
            raise RowWaits(row_id)
        return row


def as_status(row: OutboxRow) -> Status:
    """What `wooshq status` says of an intent that no relay has moved yet. state: in_outbox, set_aside or parked."""
    waits = row.state == RowState.WAITING
    return Status(
        id=row.id,
        state="in_outbox" if waits else row.state,
        lane=row.lane or "transactional",
        application=row.application,
        accepted_at=row.created_at,
        ended_at=None,
        message_codes=[],
        unknown_identifiers=[],
        reason=None,
        detail=row.reason,
        waiting_for="a relay, which moves it from the outbox of the app's database" if waits else "a person: see wooshq outbox",
        next_attempt_at=None,
        attempts=[],
        replay_of=None,
        replays=[],
    )


def why_rows_wait(wooshq: Wooshq) -> str | None:
    """A sentence if the ledger's Redis does not answer, so that no relay can move a row; else None. Raises SettingsInvalid."""
    if wooshq.installation.memory is not None:
        return None
    try:
        wooshq.do(_ping())
    except LedgerUnavailable as error:
        return f"{error}. Relays cannot move rows until it does, so they wait"
    return None


def _ping() -> Steps[None]:
    yield Ask([("PING",)])


def _shown(row: tuple[Any, ...]) -> OutboxRow:
    row_id, body, created_at, first_tried_at, tries, state, reason = row
    try:
        intent = json.loads(body)
    except (ValueError, TypeError, RecursionError):  # somebody has written this row
        intent = None
    known = intent if isinstance(intent, dict) else {}
    return OutboxRow(
        id=row_id,
        state=state,
        application=known.get("application"),
        lane=known.get("lane") or "transactional" if known else None,
        created_at=moment(created_at),
        first_tried_at=moment(first_tried_at),
        tries=tries,
        reason=reason,
        intent=known or None,
    )
