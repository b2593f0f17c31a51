"""The calls for gates, pauses and limits. `Wooshq` and `AsyncWooshq` have them; both faces carry out the same descriptions."""

from __future__ import annotations

import builtins
from abc import abstractmethod
from typing import TypeVar

from wooshq.gates.audit import note_export
from wooshq.gates.changes import Change, list_changes
from wooshq.gates.limits import Limit, list_limits, set_limit, unset_limit
from wooshq.gates.pause import open_gate, pause, resume, shut_gate
from wooshq.ledger.gates import EVERY, Gate
from wooshq.ledger.intents import IntentLedger
from wooshq.ledger.steps import Flow
from wooshq.settings import Settings

T = TypeVar("T")


class GateCalls:
    """The calls for what holds messages back."""

    @property
    @abstractmethod
    def ledger(self) -> IntentLedger: ...

    @property
    @abstractmethod
    def settings(self) -> Settings: ...

    @abstractmethod
    def do(self, flow: Flow[T]) -> T:
        """Carry out a described call."""

    def gates(self) -> list[Gate]:
        """Every gate that is not open. A pause is the gate `hand`."""
        return self.do(self.ledger.gates.every())

    def shut_gate(self, name: str, application: str = EVERY, why: str = "shut manually", *, by: str | None = None) -> Gate:
        """
        Hold back an application's calls (`*`: of all applications) until the gate is opened. Raises ValueError for an unknown name.

        why, by: shown with the gate, and kept with the change; by: None for the user and host.
        """
        return self.do(shut_gate(self.ledger.gates, name, application, why, by))

    def open_gate(self, name: str, application: str = EVERY, why: str = "", *, by: str | None = None) -> bool:
        """
        Open a gate that anything has shut. False if it was open. Raises ValueError for an unknown name.

        application: `*` opens the gate that all applications share; if that one is open, the gate of this name of each application.
        """
        return self.do(open_gate(self.ledger.gates, name, application, why, by))

    def pause(self, application: str = EVERY, *, lane: str | None = None, why: str = "paused manually", by: str | None = None) -> Gate:
        """
        Pause an application (`*`: all), or one lane of it, in every worker. Calls in progress end. What waits uses up no attempt and no age.

        why, by: shown by everything that waits; by: None for the user and host. `bulk.pause` pauses a job. Raises ValueError.
        """
        return self.do(pause(self.ledger.gates, application, lane, why, by))

    def resume(self, application: str = EVERY, *, lane: str | None = None, why: str = "", by: str | None = None) -> bool:
        """Take back the pause with the same `application` and `lane`. False if there is none. Other pauses stay. Raises ValueError."""
        return self.do(resume(self.ledger.gates, application, lane, why, by))

    def changes(self, *, most: int | None = None) -> list[Change]:
        """What people changed: pauses, gates, limits and jobs, the newest first."""
        return self.do(list_changes(self.ledger.gates, most))

    def note_export(self, what: str, count: int, *, selection: str = "", why: str = "", by: str | None = None) -> None:
        """
        Write into the audit log that somebody wrote personal data to a file: `count` of `letters`, `doubles`, or recipients of `job <id>`.

        selection: in words, without personal data. by: None for the user and host. Raises ValueError.
        """
        self.do(note_export(self.ledger.keys, what, count, selection, why, by))


class Limits:
    """The calls for limits. A limit that is set counts at once, for all workers, instead of the environment's."""

    def __init__(self, owner: GateCalls) -> None:
        self._w = owner

    def list(self) -> builtins.list[Limit]:
        """The limits that count now: of applications, of jobs that have not ended, and what was learned from answers 429."""
        return self._w.do(list_limits(self._w.ledger.gates, self._w.settings))

    def set(self, name: str, value: float | None, application: str = EVERY, *, why: str = "", by: str | None = None) -> Limit:
        """
        Set the `rate` of an application (calls a second; None for no ceiling), or the transactional lane's `share` of it.

        application: `*` for all that have no limit of their own here. why, by: kept with it; by: None for the user and host. Raises
        ValueError. `bulk.set_rate` sets the rate of a job.
        """
        return self._w.do(set_limit(self._w.ledger.gates, name, value, application, why, by))

    def unset(self, name: str, application: str = EVERY, *, why: str = "", by: str | None = None) -> bool:
        """Take a limit back: the environment's counts again. False if none was set. Raises ValueError."""
        return self._w.do(unset_limit(self._w.ledger.gates, name, application, why, by))


class AsyncGateCalls:
    """The calls for what holds messages back."""

    @property
    @abstractmethod
    def ledger(self) -> IntentLedger: ...

    @property
    @abstractmethod
    def settings(self) -> Settings: ...

    @abstractmethod
    async def do(self, flow: Flow[T]) -> T:
        """Carry out a described call."""

    async def gates(self) -> list[Gate]:
        """Every gate that is not open. A pause is the gate `hand`."""
        return await self.do(self.ledger.gates.every())

    async def shut_gate(self, name: str, application: str = EVERY, why: str = "shut manually", *, by: str | None = None) -> Gate:
        """
        Hold back an application's calls (`*`: of all applications) until the gate is opened. Raises ValueError for an unknown name.

        why, by: shown with the gate, and kept with the change; by: None for the user and host.
        """
        return await self.do(shut_gate(self.ledger.gates, name, application, why, by))

    async def open_gate(self, name: str, application: str = EVERY, why: str = "", *, by: str | None = None) -> bool:
        """
        Open a gate that anything has shut. False if it was open. Raises ValueError for an unknown name.

        application: `*` opens the gate that all applications share; if that one is open, the gate of this name of each application.
        """
        return await self.do(open_gate(self.ledger.gates, name, application, why, by))

    async def pause(
        self, application: str = EVERY, *, lane: str | None = None, why: str = "paused manually", by: str | None = None
    ) -> Gate:
        """
        Pause an application (`*`: all), or one lane of it, in every worker. Calls in progress end. What waits uses up no attempt and no age.

        why, by: shown by everything that waits; by: None for the user and host. `bulk.pause` pauses a job. Raises ValueError.
        """
        return await self.do(pause(self.ledger.gates, application, lane, why, by))

    async def resume(self, application: str = EVERY, *, lane: str | None = None, why: str = "", by: str | None = None) -> bool:
        """Take back the pause with the same `application` and `lane`. False if there is none. Other pauses stay. Raises ValueError."""
        return await self.do(resume(self.ledger.gates, application, lane, why, by))

    async def changes(self, *, most: int | None = None) -> list[Change]:
        """What people changed: pauses, gates, limits and jobs, the newest first."""
        return await self.do(list_changes(self.ledger.gates, most))

    async def note_export(self, what: str, count: int, *, selection: str = "", why: str = "", by: str | None = None) -> None:
        """
        Write into the audit log that somebody wrote personal data to a file: `count` of `letters`, `doubles`, or recipients of `job <id>`.

        selection: in words, without personal data. by: None for the user and host. Raises ValueError.
        """
        await self.do(note_export(self.ledger.keys, what, count, selection, why, by))


class AsyncLimits:
    """The calls for limits. A limit that is set counts at once, for all workers, instead of the environment's."""

    def __init__(self, owner: AsyncGateCalls) -> None:
        self._w = owner

    async def list(self) -> builtins.list[Limit]:
        """The limits that count now: of applications, of jobs that have not ended, and what was learned from answers 429."""
        return await self._w.do(list_limits(self._w.ledger.gates, self._w.settings))

    async def set(self, name: str, value: float | None, application: str = EVERY, *, why: str = "", by: str | None = None) -> Limit:
        """
        Set the `rate` of an application (calls a second; None for no ceiling), or the transactional lane's `share` of it.

        application: `*` for all that have no limit of their own here. why, by: kept with it; by: None for the user and host. Raises
        ValueError. `bulk.set_rate` sets the rate of a job.
        """
        return await self._w.do(set_limit(self._w.ledger.gates, name, value, application, why, by))

    async def unset(self, name: str, application: str = EVERY, *, why: str = "", by: str | None = None) -> bool:
        """Take a limit back: the environment's counts again. False if none was set. Raises ValueError."""
        return await self._w.do(unset_limit(self._w.ledger.gates, name, application, why, by))
