"""The spool as a client uses it: keep an intent that the ledger cannot take now, and see to it that it is moved later."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Sequence
from typing import Final

from wooshq.errors import FolderUnusable, LedgerUnavailable
from wooshq.installation import forks
from wooshq.installation.installation import Installation
from wooshq.installation.publish import threads_stand_still
from wooshq.intents.status import Status
from wooshq.ledger.entry import Entry
from wooshq.ledger.steps import FindInSpool, Keep
from wooshq.spool.client import Client
from wooshq.spool.folder import SpoolFolder
from wooshq.spool.look import find
from wooshq.spool.mover import Mover
from wooshq.spool.moving import Moved, move_spool
from wooshq.spool.record import Record

log = logging.getLogger("wooshq.spool")

_AWAY_S: Final = 1.0
"""For so long after a failure Redis is not asked, so that not each call of a web app waits for it in vain."""
_LOOK_EVERY_S: Final = 1.0
"""How often a call looks whether something waits that another process has left."""


class Spooling:
    """Of one client. Threads may share it, and forked processes too. If the installation has no spool, nothing here does anything."""

    def __init__(self, installation: Installation, client: Callable[[], Client]) -> None:
        """client: carries out the moves."""
        self._installation = installation
        self._client = client
        self._mover = Mover(self._move)
        self._renew()
        forks.renew_in_children(self, Spooling._renew)

    def _renew(self) -> None:
        self._away_until = -math.inf
        self._why = ""
        self._is_away = False
        self._look_at = -math.inf

    def _folder(self) -> SpoolFolder | None:
        """None also while a ledger in memory is used: it is never away, and a test that says so wants to see the error."""
        return None if self._installation.memory is not None else SpoolFolder.of(self._installation.settings)

    def before_asking(self) -> None:
        """Raises LedgerUnavailable if Redis was away a moment ago. Also wakes the mover if something waits."""
        now = time.monotonic()
        if now < self._away_until:
            raise LedgerUnavailable(self._why, maybe_done=False)
        if now < self._look_at or (folder := self._folder()) is None:
            return
        self._look_at = now + _LOOK_EVERY_S
        try:
            is_empty = folder.is_empty()
        except FolderUnusable as error:
            log.warning("spool_unusable: %s", error)
            return
        if not is_empty:
            if threads_stand_still() and not self._is_away:
                self._move_here()
            self._mover.wake()

    def _move_here(self) -> None:
        """In uWSGI without threads: the thread moves only during a request."""
        try:
            self._move()
        except Exception as error:  # the thread says why
            log.debug("the spool was not moved (%s)", type(error).__name__)

    def answer(self, wanted: Keep | FindInSpool) -> bool | Status | None:
        """`keep`, or `find`."""
        return self.keep(wanted.entries, wanted.error) if isinstance(wanted, Keep) else self.find(wanted.name, wanted.application)

    def keep(self, entries: Sequence[Entry], error: LedgerUnavailable) -> bool:
        """
        Keep entries that the ledger did not take, because of `error`. False if the installation has no spool.

        When it returns, they are on the disk. Raises FolderUnusable: none of them is.
        """
        if (folder := self._folder()) is None:
            return False
        now = time.monotonic()
        if now >= self._away_until:
            self._away_until, self._why = now + _AWAY_S, str(error)
        now_ms = time.time_ns() // 1_000_000
        folder.append([Record(entry, now_ms, error.maybe_done).to_line() for entry in entries])
        if not self._is_away:
            self._is_away = True
            log.warning("spooling: %s. Intents are kept in the spool %s until Redis is back", error, folder.path)
        self._mover.wake()
        return True

    def find(self, name: str, application: str) -> Status | None:
        """See `look.find`. None also if the installation has no spool. Raises FolderUnusable."""
        return None if (folder := self._folder()) is None else find(folder, name, application)

    def close(self) -> None:
        """Stop moving. What waits stays in the spool: another process, a relay or the next call moves it."""
        self._mover.stop()
        self._renew()

    def _move(self) -> Moved:
        moved = move_spool(self._client())
        self._away_until = -math.inf
        self._is_away = False
        return moved
