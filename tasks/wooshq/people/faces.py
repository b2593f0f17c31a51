"""The calls about people. `Wooshq` and `AsyncWooshq` have them; both faces carry out the same descriptions."""

from __future__ import annotations

from wooshq.gates.faces import AsyncGateCalls, GateCalls
from wooshq.people.calls import Forgotten, forget_person


class PeopleCalls(GateCalls):
    """The calls about people."""

    def forget(self, recipient: str, *, why: str = "", by: str | None = None, dry_run: bool = False) -> Forgotten:
        """
        Remove a person from messages, letters, jobs and the history, and count what is left. What was not sent yet is cancelled.

        recipient: an exact identifier. What is accepted after the call began is kept: stop sending to the person first. dry_run: count
        what the call would find, and change nothing. why, by: in the audit log, which does not name the person; by: None for the user and host. Calls in progress are
        waited for, for a minute. Raises ValueError for an empty recipient, LedgerUnavailable and HistoryAway; then call again.
        """
        return self.do(forget_person(self.settings, recipient, why=why, by=by, dry_run=dry_run))


class AsyncPeopleCalls(AsyncGateCalls):
    """The calls about people."""

    async def forget(self, recipient: str, *, why: str = "", by: str | None = None, dry_run: bool = False) -> Forgotten:
        """
        Remove a person from messages, letters, jobs and the history, and count what is left. What was not sent yet is cancelled.

        recipient: an exact identifier. What is accepted after the call began is kept: stop sending to the person first. dry_run: count
        what the call would find, and change nothing. why, by: in the audit log, which does not name the person; by: None for the user and host. Calls in progress are
        waited for, for a minute. Raises ValueError for an empty recipient, LedgerUnavailable and HistoryAway; then call again.
        """
        return await self.do(forget_person(self.settings, recipient, why=why, by=by, dry_run=dry_run))
