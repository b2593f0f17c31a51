"""All that a process does for events to the world outside: it passes on what the ledger tells, and delivers it."""

from __future__ import annotations

import asyncio

from wooshq.history.contract import History
from wooshq.settings import Settings
from wooshq_worker.events.deliverer import Deliverer
from wooshq_worker.events.hooks import Hooks, find_hooks
from wooshq_worker.events.passing_on import PassingOn
from wooshq_worker.ledger_client import LedgerClient


class Outward:
    """Make it inside the event loop. While nobody wants events it asks the ledger every two seconds whether somebody does, and that is all. name: of this reader."""

    def __init__(self, settings: Settings, client: LedgerClient, history: History | None, name: str, hooks: Hooks | None = None) -> None:
        hooks = Hooks(find_hooks()) if hooks is None else hooks
        self._passing_on = PassingOn(settings, client, history, name, hooks.names)
        self._deliverer = Deliverer(settings, client, self._passing_on, hooks)

    def stop(self) -> None:
        """End soon. What was not delivered then, another process delivers."""
        self._passing_on.stop()
        self._deliverer.stop()

    async def run(self) -> None:
        """Until `stop`."""
        await asyncio.gather(self._passing_on.run(), self._deliverer.run())
