"""What a call wants done, as values: each call is described once, and the sync or the async client carries it out."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterable, Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, Protocol, TypeAlias, TypeVar

from wooshq.errors import LedgerUnavailable
from wooshq.ledger.entry import Entry

T = TypeVar("T")

_POLL_S: Final = 0.25


# ── What the ledger is asked ────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class RunScript:
    """One script, in one round trip."""

    script: str
    keys: Sequence[str]
    args: Sequence[str | bytes | int | float] = field(default=())


_encode: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def as_json(said: Any) -> str:
    """JSON as the ledger keeps it, and as scripts read arguments of many values: as short as possible."""
    return _encode(said)


@dataclass(frozen=True, slots=True)
class Ask:
    """Plain commands in one pipeline. The answer is the list of their answers."""

    commands: Sequence[tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class Together:
    """
    Several scripts in one round trip. The answer is the list of their answers.

    Each script is atomic; all of them together are not. Their order is not guaranteed: a script that the server has forgotten runs
    after the others, and one script may be refused (no memory) while the next one runs. A script that must come after another one
    checks in the ledger that the other one ran.
    """

    runs: Sequence[RunScript]


Request: TypeAlias = RunScript | Ask | Together

Steps: TypeAlias = Generator[Request, Any, T]
"""Yields what to ask the ledger, receives the answer, returns the result."""


# ── What else a call may want ───────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Sleep:
    """Wait so many seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Ring:
    """Ring the bell of a lane, in the background: a worker that hears it takes what waits there."""

    lane: str


@dataclass(frozen=True, slots=True)
class CallTurns:
    """Tell the workers, in the background, that `n` chunks of jobs wait."""

    n: int


@dataclass(frozen=True, slots=True)
class Within:
    """Carry out a whole flow within so many seconds. Raises LedgerUnavailable in the flow that asked, if the time is over."""

    seconds: float
    flow: Flow[Any]


@dataclass(frozen=True, slots=True)
class Pull:
    """
    Read on in the caller's stream. `into` is given item after item until it returns True (it has enough).

    The answer is False if the stream has ended. An error of the stream itself is raised in the flow.
    """

    stream: Stream | AsyncStream
    into: Callable[[Any], bool]


@dataclass(frozen=True, slots=True)
class AskWhetherAway:
    """Raises LedgerUnavailable in the flow if there is a spool, and Redis was away a moment ago: then it need not be asked now."""


@dataclass(frozen=True, slots=True)
class Keep:
    """
    Keep entries in the spool of this machine, because the ledger raised `error`. The answer is whether there is a spool.

    Raises FolderUnusable in the flow if it is full, or cannot be written: then none of them is in it.
    """

    entries: Sequence[Entry]
    error: LedgerUnavailable


@dataclass(frozen=True, slots=True)
class FindInSpool:
    """The answer is the status of an intent that is in the spool of this machine; None if it is not."""

    name: str
    application: str


@dataclass(frozen=True, slots=True)
class AskHistory:
    """
    Ask the history, which blocks. The answer is what `ask` makes of it (a `wooshq.history` that is open); None if it is off. Its errors are
    raised in the flow.
    """

    ask: Callable[[Any], Any]


OfSpool: TypeAlias = AskWhetherAway | Keep | FindInSpool

Wanted: TypeAlias = Request | Sleep | Ring | CallTurns | Within | Pull | OfSpool | AskHistory

Flow: TypeAlias = Generator[Wanted, Any, T]
"""Steps that may also sleep, ring bells and read the caller's stream: a whole call, as `Wooshq` and `AsyncWooshq` carry it out."""


def in_history(ids: Sequence[str], kind: Literal["intent", "letter", "job"] = "intent") -> Flow[dict[str, Any]]:
    """The records of these ids that the history has, by id; none if it is off. Raises HistoryAway."""
    return (yield AskHistory(lambda history: history.read_many(ids, kind))) or {}


class Rests(Protocol):
    """A job, or a replay."""

    @property
    def is_at_rest(self) -> bool: ...


R = TypeVar("R", bound=Rests)


def until_at_rest(show: Callable[[], Flow[R]], within_s: float | None, watch: Callable[[R], object]) -> Flow[R]:
    """Ask again and again until what `show` gives is at rest, or for `within_s`. watch: called with each answer. Returns the last one."""
    ends = None if within_s is None else time.monotonic() + within_s
    while True:
        found = yield from show()
        watch(found)
        if found.is_at_rest or (ends is not None and time.monotonic() >= ends):
            return found
        yield Sleep(_POLL_S)


class Stream:
    """An iterable of the caller's, read piece by piece."""

    def __init__(self, items: Iterable[Any]) -> None:
        self.items: object = items
        self._iterator: Iterator[Any] | None = None

    def pull(self, into: Callable[[Any], bool]) -> bool:
        """See `Pull`."""
        if self._iterator is None:
            self._iterator = iter(self.items)  # type: ignore[call-overload]
        return any(map(into, self._iterator))  # stops at the first True, and the iterator stays there


class AsyncStream:
    """An iterable of the caller's, sync or async, read piece by piece. Other tasks get their turn between the pieces."""

    def __init__(self, items: Iterable[Any] | AsyncIterable[Any]) -> None:
        self.items: object = items
        self._sync = None if isinstance(items, AsyncIterable) else Stream(items)
        self._async = aiter(items) if isinstance(items, AsyncIterable) else None

    async def pull(self, into: Callable[[Any], bool]) -> bool:
        """See `Pull`."""
        if self._sync is not None:
            await asyncio.sleep(0)
            return self._sync.pull(into)
        assert self._async is not None
        async for item in self._async:
            if into(item):
                return True
        return False
