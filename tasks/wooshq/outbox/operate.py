"""The outbox for operators: what waits, what was set aside or parked and why; edit it, try it again, discard it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from wooshq.client import Wooshq
from wooshq.errors import LedgerUnavailable, WooshqError
from wooshq.gates.who import said
from wooshq.history.person import Person
from wooshq.intents.edited import CHANGED, UNCHANGED, edited_entry
from wooshq.intents.entry import IntentLike
from wooshq.intents.late import tried_again
from wooshq.intents.status import Status
from wooshq.ledger.gates import note_act
from wooshq.ledger.keys import Keys
from wooshq.ledger.replies import Result, moment
from wooshq.ledger.steps import Ask, Steps
from wooshq.outbox import statements
from wooshq.outbox.database import Database
from wooshq.outbox.row import body_of, parts_of, traced
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
    trace: str = field(default="", metadata={"shown": False})

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
    """What operators see of the outbox of one database."""

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


class OutboxActs(OutboxRows):
    """
    What operators do with rows. It is in the audit log, too: if that cannot be written, nothing is changed, and the call raises LedgerUnavailable.

    do: carries out a described call, such as `Wooshq.do`. why, by: for the audit log; by: None for the user and host.
    """

    def __init__(self, database: Database, settings: Settings, do: Callable[[Steps[None]], object]) -> None:
        super().__init__(database, settings)
        self._do = do

    def edit(self, row_id: str, intent: IntentLike, *, why: str = "", by: str | None = None) -> None:
        """
        Give a row another intent; its id stays. It stays set aside until `retry`. Raises RowUnknown, RowWaits, IntentInvalid.

        intent: also a row as `show` prints it, with its `intent` changed. It counts as enqueued now: `ttl_s` begins again, and a schedule is
        checked as of now.
        """
        why, who = said(why, by)
        row = self._put_away(row_id)
        edited = body_of(json.loads(edited_entry(intent, row_id, self._settings, mark="tries").body), self._settings)
        body = traced(edited, row.trace)
        reason = CHANGED if row.state == RowState.SET_ASIDE else row.reason
        with self._database.transaction() as db:
            if not statements.edit(db, row_id, body, state=row.state, reason=reason, now=time.time_ns() // 1_000_000):
                raise RowWaits(row_id)
            self._note("edit", why, who, f"outbox {row_id}", count=1, result="edited")

    def retry(self, row_id: str, *, may_double: bool = False, why: str = "", by: str | None = None) -> OutboxRow:
        """
        Let relays try a row again. may_double: also a parked one, which may have been sent: then it is among the doubles. Returns the row as it was.

        Raises RowUnknown, RowWaits, MaySendTwice.
        """
        why, who = said(why, by)
        row = self._put_away(row_id)
        if row.state == RowState.PARKED and not may_double:
            raise MaySendTwice(row_id)
        reason, result = _tried_again(row.state, who)
        with self._database.transaction() as db:
            if not statements.wait_again(db, row_id, state=row.state, reason=reason):
                raise RowWaits(row_id)
            self._note("retry", why, who, f"outbox {row_id}", count=1, result=result)
        return row

    def retry_all(self, state: str, *, may_double: bool = False, why: str = "", by: str | None = None) -> int:
        """
        Let relays try all rows in a state again. Returns how many. may_double: as in `retry`.

        Raises MaySendTwice; ValueError if rows in this state were not put away.
        """
        why, who = said(why, by)
        if state not in (RowState.SET_ASIDE, RowState.PARKED):
            raise ValueError(f"state: {state!r} cannot be tried again. Use set_aside or parked")
        if state == RowState.PARKED and not may_double:
            raise MaySendTwice("these rows")
        reason, result = _tried_again(state, who)
        with self._database.transaction() as db:
            n = statements.all_wait_again(db, state=state, reason=reason)
            if n:
                self._note("retry", why, who, "outbox", count=n, selection=f"state:{state}", result=result)
        return n

    def discard(self, row_id: str, *, why: str = "", by: str | None = None) -> None:
        """Delete a row for good: its message will not be sent. Raises RowUnknown, RowWaits."""
        why, who = said(why, by)
        row = self._put_away(row_id)
        with self._database.transaction() as db:
            if not statements.discard(db, row_id, state=row.state):
                raise RowWaits(row_id)
            self._note("discard", why, who, f"outbox {row_id}", count=1, result="deleted")

    def forget(self, recipient: str, *, why: str = "", by: str | None = None, dry_run: bool = False) -> tuple[int, int, int]:
        """
        Remove a person from rows that were put away. How many rows were removed, changed because others are in them, and left: a row that waits is
        left, because a relay may be moving it. dry_run: only count.
        """
        person = Person(recipient)
        why, who = person.scrubbed(said(why, by)[0]), said(why, by)[1]
        removed = changed = left = 0
        for row in list(self.list()):
            if row.intent is None or (others := person.others_in(json.dumps(row.intent, ensure_ascii=False))) is None:
                continue
            if row.state == RowState.WAITING:
                left += 1
            elif dry_run or self._forgotten(row, person, is_alone=others == 0):
                removed, changed = removed + (others == 0), changed + (others > 0)
            else:
                left += 1
        if removed + changed and not dry_run:
            self._note("forget", why, who, "outbox", count=removed + changed, result=f"{left} left")
        return removed, changed, left

    def _forgotten(self, row: OutboxRow, person: Person, *, is_alone: bool) -> bool:
        with self._database.transaction() as db:
            if is_alone:
                return statements.discard(db, row.id, state=row.state)
            body = traced(body_of(json.loads(person.without(json.dumps(row.intent, ensure_ascii=False))), self._settings), row.trace)
            return statements.edit(db, row.id, body, state=row.state, reason=row.reason, now=time.time_ns() // 1_000_000)

    def _note(self, did: str, why: str, by: str, what: str, *, count: int, result: str, selection: str = "") -> None:
        """Before the transaction commits: an act on record that did not happen is better than the other way round."""
        keys = Keys(self._settings.namespace)
        self._do(note_act(keys, did, what, why=why, by=by, count=count, selection=selection, result=result))

    def _put_away(self, row_id: str) -> OutboxRow:
        row = self.show(row_id)
        if row.state == RowState.WAITING:
            raise RowWaits(row_id)
        return row


def _tried_again(state: str, by: str) -> tuple[str | None, str]:
    """What a row in this state says while it waits again, and what came of the act."""
    if state == RowState.PARKED:
        return tried_again(by), "waiting again, may be sent twice"
    return None, "waiting again"


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
    trace = ""
    try:
        body, trace = parts_of(body)
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
        trace=trace,
    )
