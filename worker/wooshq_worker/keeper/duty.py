"""What a duty of the keeper is, and what it is given."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

from wooshq.ledger.intents import IntentLedger
from wooshq.ledger.jobs import JobLedger
from wooshq.settings import Settings
from wooshq_worker.keeper.broker import LaneBroker
from wooshq_worker.ledger_client import LedgerClient

PAGE: Final = 200
"""Intents that one script moves: Redis serves no one else while it runs."""
PAGES: Final = 5
"""Pages of one duty in one round, so that the other duties have their turn."""


@dataclass(frozen=True, slots=True)
class DutyContext:
    """The ledger, its client, the broker. The same for all duties of a keeper."""

    settings: Settings
    intents: IntentLedger
    jobs: JobLedger
    client: LedgerClient
    broker: LaneBroker


Duty: TypeAlias = Callable[[DutyContext], Awaitable[None]]
"""Raises LedgerUnavailable. It does no harm if two workers do it at once: every move is a script that checks first."""
