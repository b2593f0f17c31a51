"""The calls that find things, and that end the wait of one. `Wooshq` and `AsyncWooshq` have them; both faces carry out the same descriptions."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from wooshq.finding.acts import Acts, list_acts, which_acts
from wooshq.finding.browse import browse
from wooshq.finding.doubles import Doubles, find_doubles
from wooshq.finding.find import MOST_READ, count, find, reading_of
from wooshq.finding.found import Count, FoundPage
from wooshq.finding.why import Explained, explain
from wooshq.gates.faces import AsyncGateCalls, GateCalls
from wooshq.intents.cancel import try_now
from wooshq.intents.find import find_intents
from wooshq.intents.status import Status


class FindCalls(GateCalls):
    """The calls that find what was accepted."""

    def why(self, intent_id: str, *, application: str | None = None) -> Explained | None:
        """
        Why an intent is not out yet: one reason of a closed list (`NotYet`), in a sentence, with the moment that is expected and the act that
        fits. None if the id is unknown. The parameters, and what is raised, are those of `status`.
        """
        application = application or self.settings.application or ""
        return self.do(explain(self.ledger, self.settings, intent_id, application))

    def try_now(self, intent_id: str, *, why: str = "", by: str | None = None) -> str | None:
        """
        End the wait of a retry: its next attempt is due now. Returns the state it is in (`retrying`: a worker takes it within a second, unless
        something else holds it back, see `why`); None if unknown. Any other state than `retrying` stays as it is.

        why, by: for the audit log; by: None for the user and host.
        """
        return self.do(try_now(self.ledger, intent_id, why, by))

    def find(
        self,
        query: str,
        *,
        most: int = 100,
        after: str | None = None,
        most_read: int | None = MOST_READ,
        progress: Callable[[int], object] | None = None,
    ) -> FoundPage:
        """
        What fits a query (docs/search.md), the newest first: intents, dead letters and jobs. An intent that is dead is found as its letter.

        most: things of one page, up to 10,000. after: of the page before. most_read: where the ledger has no index, so many of its intents are read
        (None: all; about a minute for a million), in no order; if there are more, `not_searched` says so. progress: called with how many were read.
        Raises QueryInvalid, ValueError.
        """
        return self.do(find(self.ledger.keys, self.settings, query, most, after, reading_of(most_read, progress)))

    def count(self, query: str, *, most_read: int | None = MOST_READ, progress: Callable[[int], object] | None = None) -> Count:
        """How many things fit a query; see `find`. At least so many, if `not_searched` is not empty. Raises QueryInvalid, ValueError."""
        return self.do(count(self.ledger.keys, self.settings, query, reading_of(most_read, progress)))

    def doubles(self, *, since: datetime | None = None, most: int | None = None, after: str | None = None) -> Doubles:
        """
        Every case on record in which a person may have got a message twice, the newest first, at most `most`: intents, and calls of fan-out
        jobs. since: aware; in doubt, or ended if it is in the history alone, at this time or later. after: of the page before. Memory grows with what
        is found.

        Raises ValueError for a time without a zone, and for what is not an `after`.
        """
        return self.do(find_doubles(self.ledger.keys, since, most, after))

    def browse(self, shelf: str = "waiting", *, most: int = 100) -> list[Status]:
        """
        Intents that have not ended, at most `most` (up to 500), in the order in which they go on: those `waiting` longest, those longest
        `under_way`, or those `retrying` whose time comes next. Its cost does not grow with how many there are. Raises ValueError.
        """
        return self.do(browse(self.ledger.keys, shelf, most))

    def intents(self, *, state: str | None = None, in_doubt: bool = False, most: int | None = None) -> list[Status]:
        """
        Intents in a state, of the ledger and of the history, the newest first, at most `most`. in_doubt: only those with a call that got no answer, whatever
        became of them.

        A state is found by reading the whole ledger in pages: about half a minute for a million intents. Raises ValueError for an unknown
        state, or without a state and `in_doubt`.
        """
        return self.do(find_intents(self.ledger.keys, state=state, in_doubt=in_doubt, most=most))

    def audit(
        self,
        *,
        most: int = 100,
        after: str | None = None,
        by: str | None = None,
        what: str | None = None,
        id: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> Acts:
        """
        The audit log: every act of an operator, the newest first, at most `most` (up to 10,000). after: of the page before.

        by: only acts of this person. what: only acts on such a thing, one of `wooshq.history.acts.KINDS`. id: only acts that name this id. since, until:
        aware times. The ledger has the last 10,000 acts, and the history those of `audit_retention_s`. Raises ValueError.
        """
        return self.do(list_acts(self.ledger.keys, self.settings, which_acts(by, what, id, since, until, after), most))


class AsyncFindCalls(AsyncGateCalls):
    """The calls that find what was accepted."""

    async def why(self, intent_id: str, *, application: str | None = None) -> Explained | None:
        """
        Why an intent is not out yet: one reason of a closed list (`NotYet`), in a sentence, with the moment that is expected and the act that
        fits. None if the id is unknown. The parameters, and what is raised, are those of `status`.
        """
        application = application or self.settings.application or ""
        return await self.do(explain(self.ledger, self.settings, intent_id, application))

    async def try_now(self, intent_id: str, *, why: str = "", by: str | None = None) -> str | None:
        """
        End the wait of a retry: its next attempt is due now. Returns the state it is in (`retrying`: a worker takes it within a second, unless
        something else holds it back, see `why`); None if unknown. Any other state than `retrying` stays as it is.

        why, by: for the audit log; by: None for the user and host.
        """
        return await self.do(try_now(self.ledger, intent_id, why, by))

    async def find(
        self,
        query: str,
        *,
        most: int = 100,
        after: str | None = None,
        most_read: int | None = MOST_READ,
        progress: Callable[[int], object] | None = None,
    ) -> FoundPage:
        """
        What fits a query (docs/search.md), the newest first: intents, dead letters and jobs. An intent that is dead is found as its letter.

        most: things of one page, up to 10,000. after: of the page before. most_read: where the ledger has no index, so many of its intents are read
        (None: all; about a minute for a million), in no order; if there are more, `not_searched` says so. progress: called with how many were read.
        Raises QueryInvalid, ValueError.
        """
        return await self.do(find(self.ledger.keys, self.settings, query, most, after, reading_of(most_read, progress)))

    async def count(self, query: str, *, most_read: int | None = MOST_READ, progress: Callable[[int], object] | None = None) -> Count:
        """How many things fit a query; see `find`. At least so many, if `not_searched` is not empty. Raises QueryInvalid, ValueError."""
        return await self.do(count(self.ledger.keys, self.settings, query, reading_of(most_read, progress)))

    async def doubles(self, *, since: datetime | None = None, most: int | None = None, after: str | None = None) -> Doubles:
        """
        Every case on record in which a person may have got a message twice, the newest first, at most `most`: intents, and calls of fan-out
        jobs. since: aware; in doubt, or ended if it is in the history alone, at this time or later. after: of the page before. Memory grows with what
        is found.

        Raises ValueError for a time without a zone, and for what is not an `after`.
        """
        return await self.do(find_doubles(self.ledger.keys, since, most, after))

    async def browse(self, shelf: str = "waiting", *, most: int = 100) -> list[Status]:
        """
        Intents that have not ended, at most `most` (up to 500), in the order in which they go on: those `waiting` longest, those longest
        `under_way`, or those `retrying` whose time comes next. Its cost does not grow with how many there are. Raises ValueError.
        """
        return await self.do(browse(self.ledger.keys, shelf, most))

    async def intents(self, *, state: str | None = None, in_doubt: bool = False, most: int | None = None) -> list[Status]:
        """
        Intents in a state, of the ledger and of the history, the newest first, at most `most`. in_doubt: only those with a call that got no answer, whatever
        became of them.

        A state is found by reading the whole ledger in pages: about half a minute for a million intents. Raises ValueError for an unknown
        state, or without a state and `in_doubt`.
        """
        return await self.do(find_intents(self.ledger.keys, state=state, in_doubt=in_doubt, most=most))

    async def audit(
        self,
        *,
        most: int = 100,
        after: str | None = None,
        by: str | None = None,
        what: str | None = None,
        id: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> Acts:
        """
        The audit log: every act of an operator, the newest first, at most `most` (up to 10,000). after: of the page before.

        by: only acts of this person. what: only acts on such a thing, one of `wooshq.history.acts.KINDS`. id: only acts that name this id. since, until:
        aware times. The ledger has the last 10,000 acts, and the history those of `audit_retention_s`. Raises ValueError.
        """
        return await self.do(list_acts(self.ledger.keys, self.settings, which_acts(by, what, id, since, until, after), most))
