"""The call for the overview. `Wooshq` and `AsyncWooshq` have it; both faces carry out the same description."""

from __future__ import annotations

from functools import cached_property

from wooshq.gates.faces import AsyncGateCalls, GateCalls
from wooshq.overview.show import Kept, Overview, read_overview


class OverviewCalls(GateCalls):
    """The call for the overview."""

    @cached_property
    def _kept_of_overview(self) -> Kept:
        return Kept()

    def overview(self) -> Overview:
        """
        What is wrong now, since when, and what to do; how lanes, workers, gates and jobs are. What it costs Redis (0.4 ms and more, see
        docs/operations.md) grows with the applications that have messages waiting, 200 in each lane at most, and not with the messages. Raises
        LedgerUnavailable.
        """
        return self.do(read_overview(self.ledger, self.settings, self._kept_of_overview))


class AsyncOverviewCalls(AsyncGateCalls):
    """The call for the overview."""

    @cached_property
    def _kept_of_overview(self) -> Kept:
        return Kept()

    async def overview(self) -> Overview:
        """
        What is wrong now, since when, and what to do; how lanes, workers, gates and jobs are. What it costs Redis (0.4 ms and more, see
        docs/operations.md) grows with the applications that have messages waiting, 200 in each lane at most, and not with the messages. Raises
        LedgerUnavailable.
        """
        return await self.do(read_overview(self.ledger, self.settings, self._kept_of_overview))
