"""The relay: moves rows of the outbox into the ledger. Any number of relays may run, and each may be killed at any moment."""

from __future__ import annotations

import logging
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

from redis.exceptions import RedisError

from wooshq.client import Wooshq
from wooshq.errors import LedgerUnavailable, Problem, SettingsInvalid
from wooshq.intents.accept import Checked, Outcome, accept_and_ring
from wooshq.intents.entry import entry_of
from wooshq.intents.late import why_parked, with_rest_of_ttl
from wooshq.outbox import statements
from wooshq.outbox.bell import Listening, listen
from wooshq.outbox.database import Database, DatabaseAway
from wooshq.outbox.row import parts_of
from wooshq.outbox.statements import Claimed
from wooshq.outbox.table import RowState
from wooshq.overview.ledger import PulseLedger
from wooshq.settings import Settings
from wooshq_schemas import IntentInvalid

log = logging.getLogger("wooshq.relay")

BATCH: Final = 500
"""Rows of one claim."""
LEASE_S: Final = 30.0
"""After so long, another relay takes over what a lost relay had claimed."""
POLL_S: Final = 1.0
"""How often a relay looks without a bell."""
_MOST_WAIT_S: Final = 5.0
"""The longest wait before the next try, while Redis or the database is away."""
_TELL_S: Final = 10.0
"""How often a relay tells the ledger what it sees."""


@dataclass(frozen=True, slots=True)
class Moved:
    """What one look did. claimed: rows that this relay had; the others of them (Redis away) wait again."""

    claimed: int = 0
    accepted: int = 0
    set_aside: int = 0
    parked: int = 0

    def __add__(self, other: Moved) -> Moved:
        return Moved(
            self.claimed + other.claimed, self.accepted + other.accepted, self.set_aside + other.set_aside, self.parked + other.parked
        )


def on_end_signal(end: Callable[[], object]) -> None:
    """Call `end` when a person or a supervisor ends this process: SIGINT, SIGTERM."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: end())


class Relay:
    """Moves rows of one database. Not for several threads; make one for each."""

    def __init__(
        self,
        wooshq: Wooshq,
        database: Database,
        *,
        batch: int = BATCH,
        lease_s: float = LEASE_S,
        poll_s: float = POLL_S,
        command: str = "wooshq outbox",
    ) -> None:
        """command: with which operators look into this outbox; the log names it."""
        self._wooshq = wooshq
        self._database = database
        self._batch = batch
        self._lease_ms = int(lease_s * 1000)
        self._poll_s = poll_s
        self._command = command
        self._stop = threading.Event()
        self._listening: Listening | None = None
        self._told_at = -_TELL_S

    def stop(self) -> None:
        """End `run` after the batch in progress. May be called by a signal's handler."""
        self._stop.set()
        if (listening := self._listening) is not None:
            listening.wake()

    def run(self, on_moved: Callable[[Moved], object] = lambda _: None) -> None:
        """
        Move rows until `stop`. A bell of an app wakes it after a commit; without one it looks every `poll_s`.

        on_moved: told of each look that found something. Raises only what no later try can mend: SettingsInvalid, or a missing table.
        """
        failures = 0
        with listen(self._wooshq) as self._listening:
            while not self._stop.is_set():
                try:
                    moved = self.move()
                except (LedgerUnavailable, DatabaseAway) as error:
                    failures += 1
                    wait_s = random.uniform(0.05, min(_MOST_WAIT_S, 0.1 * 2 ** min(failures, 10)))
                    if failures == 1 or failures % 20 == 0:
                        log.warning("relay_waits: %s; the rows wait in the outbox, and the relay tries again", error)
                    self._stop.wait(wait_s)
                    continue
                if failures:
                    log.info("relay_goes_on")
                failures = 0
                self._tell()
                if moved.claimed:
                    on_moved(moved)
                else:
                    self._listening.wait(self._poll_s)

    def _tell(self) -> None:
        """Tell the ledger, for the overview, how much waits here. Another try does no harm."""
        if time.monotonic() - self._told_at < _TELL_S:
            return
        self._told_at = time.monotonic()
        try:
            with self._database.transaction() as db:
                found = {state: (n, at) for state, n, at in statements.depth(db)}
            waiting, oldest = found.pop(RowState.WAITING, (0, None))
            oldest_s = None if oldest is None else max(0.0, time.time() - oldest / 1000)
            aside = sum(n for n, _ in found.values())
            self._wooshq.do(PulseLedger(self._wooshq.ledger.keys).saw_outbox(self._command, waiting, aside, oldest_s))
        except (LedgerUnavailable, DatabaseAway):
            log.debug("the outbox was not told; the next look tells it")

    def run_until_signal(self, on_moved: Callable[[Moved], object]) -> None:
        """`run` until SIGTERM or SIGINT. Only in a process's main thread."""
        on_end_signal(self.stop)
        self.run(on_moved)

    def moves(self) -> Iterator[Moved]:
        """Move all that waits now, batch by batch. Raises as `move` does."""
        while (moved := self.move()).claimed:
            yield moved

    def move(self) -> Moved:
        """
        Move one batch. A row is deleted only when the ledger has its intent.

        Raises LedgerUnavailable or DatabaseAway: what was claimed and is not in the ledger waits again.
        """
        with self._database.transaction() as db:
            rows = statements.claim(db, self._database.dialect, self._batch, self._lease_ms)
        if not rows:
            return Moved()
        moved = Moved(claimed=len(rows))
        settings = self._wooshq.settings
        young = [row for row in rows if not self._is_parked(row, settings)]
        for first in range(0, len(young), settings.accept_batch):
            try:
                moved += self._move_some(young[first : first + settings.accept_batch])
            except LedgerUnavailable:
                self._release([row.id for row in young[first:]])
                raise
        return replace(moved, parked=len(rows) - len(young))

    def _is_parked(self, row: Claimed, settings: Settings) -> bool:
        why = why_parked(row.now - row.first_tried_at, settings.retention_s, what="this row")
        if why is not None:
            self._put_away(row.id, RowState.PARKED, why)
        return why is not None

    def _move_some(self, rows: Sequence[Claimed]) -> Moved:
        try:
            outcomes = self._accept(rows)
        except (LedgerUnavailable, SettingsInvalid):
            raise
        except Exception:  # a bug must not hold up the others
            return self._move_each(rows)
        return self._settle(rows, outcomes)

    def _move_each(self, rows: Sequence[Claimed]) -> Moved:
        """
        Move rows one by one, and set aside those that cannot be moved.

        If Redis answers each of them with an error, no row is to blame: then all of them wait. Raises LedgerUnavailable.
        """
        moved = Moved()
        failed: list[tuple[Claimed, Exception]] = []
        for row in rows:
            try:
                outcomes = self._accept([row])
            except (LedgerUnavailable, SettingsInvalid):
                raise
            except Exception as error:
                failed.append((row, error))
            else:
                moved += self._settle([row], outcomes)
        if len(failed) == len(rows) and all(isinstance(error, RedisError) for _, error in failed):
            why = f"Redis answered every row with an error ({type(failed[0][1]).__name__}); wooshq doctor may know more"
            raise LedgerUnavailable(why, maybe_done=True) from failed[0][1]
        for row, fault in failed:
            log.error("row_set_aside: %s raised %s", row.id, type(fault).__name__, exc_info=fault)
            self._put_away(row.id, RowState.SET_ASIDE, f"wooshq could not read it ({type(fault).__name__}); please report this")
        return moved + Moved(set_aside=len(failed))

    def _settle(self, rows: Sequence[Claimed], outcomes: Sequence[Outcome]) -> Moved:
        """Delete what is in the ledger, and set aside what it refused."""
        done = [row.id for row, outcome in zip(rows, outcomes, strict=True) if outcome.accepted is not None]
        again = {row.id: row.reason for row in rows if row.reason is not None and row.id in done}
        if again:  # before the rows go, so that it is on record however this ends
            self._wooshq.do(self._wooshq.ledger.tried_again(again))
        with self._database.transaction() as db:
            if done:
                statements.delete(db, done)
            for row, outcome in zip(rows, outcomes, strict=True):
                if outcome.accepted is None:
                    why = str(outcome.conflict) if outcome.conflict else "; ".join(map(str, outcome.checked.problems))
                    log.warning("row_set_aside: %s was refused; see %s", row.id, self._command)
                    statements.put_away(db, row.id, RowState.SET_ASIDE.value, why)
        return Moved(accepted=len(done), set_aside=len(rows) - len(done))

    def _accept(self, rows: Sequence[Claimed]) -> Sequence[Outcome]:
        checked = [check(row, self._wooshq.settings, index) for index, row in enumerate(rows)]
        return self._wooshq.do(accept_and_ring(self._wooshq.ledger, self._wooshq.settings, checked))

    def _put_away(self, row_id: str, state: RowState, reason: str) -> None:
        with self._database.transaction() as db:
            statements.put_away(db, row_id, state.value, reason)

    def _release(self, ids: Sequence[str]) -> None:
        try:
            with self._database.transaction() as db:
                statements.release(db, ids)
        except DatabaseAway:
            log.debug("claims were not released; they end by themselves")


def check(row: Claimed, settings: Settings, index: int = 0) -> Checked:
    """
    The entry of a row, or the problems of its intent.

    A schedule counts as of the moment when the app enqueued it: that it has passed since is no mistake of the app. `ttl_s` begins at that
    moment, too.
    """
    created_at = row.created_at
    if created_at is None or (enqueued := _moment(created_at)) is None:
        return _by_hand(index, "created_at", "is not a time in ms since the epoch")
    try:
        body, trace = parts_of(row.body)
        entry = entry_of(body, settings, now=enqueued)
    except IntentInvalid as error:
        return Checked(index, None, error.problems)
    if entry.intent_id != row.id:
        return _by_hand(index, "id", "is not the id of its row")
    return Checked(index, replace(with_rest_of_ttl(entry, row.now - created_at), trace=trace))


def _moment(ms: int) -> datetime | None:
    try:
        return datetime.fromtimestamp(ms / 1000, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _by_hand(index: int, field: str, problem: str) -> Checked:
    return Checked(index, None, (Problem(field, problem, "Insert rows with wooshq's own functions"),))
