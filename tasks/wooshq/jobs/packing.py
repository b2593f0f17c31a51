"""Who shares a call? Recipients with the same request are put together as they come, in whatever order, within bounded memory."""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final, NamedTuple

from wooshq.ledger.chunks import Chunk
from wooshq_schemas import Recipient

MOST_WAITING: Final = 200_000
"""Recipients that may wait here for others with the same request: about 30 MB."""
_AT_FIRST: Final = 2000
#: At least so many recipients a request on average, or waiting for more of them does not pay.
_WORTH_WAITING: Final = 8

_Key = tuple[str, str | None, tuple[tuple[str, str], ...]]


class Packer:
    """
    Puts recipients into calls, and calls into chunks; deterministic, so that the same stream makes the same chunks again.

    A field with few values (a city, a locale) is waited for until its calls are full. Where nearly everyone's request is their own,
    nobody waits: patience grows only as long as it pays.
    """

    def __init__(self, list_limit: int, locale_of: Callable[[str | None], str | None], *, most_waiting: int = MOST_WAITING) -> None:
        """list_limit: identifiers that one call may carry. locale_of: what a recipient's locale comes down to (`Template.locale_of`)."""
        self._limit = list_limit
        self._locale_of = locale_of
        self._most = most_waiting
        self._patience = min(_AT_FIRST, most_waiting)
        self._groups: dict[_Key, list[str]] = {}
        self._waiting = 0
        self._units: list[Unit] = []
        self._size = 0
        self._bytes = 0
        self._number = 0

    def add(self, recipients: Iterable[Recipient]) -> Iterator[Chunk]:
        """Take recipients in; the chunks that are full."""
        groups, limit, locale_of = self._groups, self._limit, self._locale_of
        for identifier, to, locale, placeholders in recipients:
            key = (to, None if locale is None else locale_of(locale), placeholders)
            group = groups.get(key)
            if group is None:
                groups[key] = [identifier]
            else:
                group.append(identifier)
                if len(group) >= limit:
                    del groups[key]
                    self._waiting -= limit - 1
                    yield from self._out(key, group)
                    continue
            self._waiting += 1
            if limit == 1:
                self._waiting -= 1
                yield from self._out(key, groups.pop(key))
            elif self._waiting >= self._patience:
                yield from self._relieve()

    def end(self) -> Iterator[Chunk]:
        """Nobody comes any more: the rest."""
        yield from self._flush(0)
        if self._units:
            yield self._chunk()

    @property
    def made(self) -> int:
        """Chunks so far."""
        return self._number

    def _relieve(self) -> Iterator[Chunk]:
        if len(self._groups) * _WORTH_WAITING <= self._waiting and self._patience < self._most:
            self._patience = min(self._most, self._patience * 2)
            return
        yield from self._flush(self._patience // 2)

    def _flush(self, down_to: int) -> Iterator[Chunk]:
        """Let go of the largest groups first: of calls that cannot be full, the fullest."""
        for key, group in sorted(self._groups.items(), key=lambda item: -len(item[1])):
            if self._waiting <= down_to:
                return
            del self._groups[key]
            self._waiting -= len(group)
            yield from self._out(key, group)

    def _out(self, key: _Key, identifiers: Sequence[str]) -> Iterator[Chunk]:
        size = sum(map(len, identifiers)) + 3 * len(identifiers) + sum(len(name) + len(value) + 6 for name, value in key[2]) + 24
        if self._units and (self._bytes + size > MOST_BYTES or self._size + len(identifiers) > max(MOST_RECIPIENTS, self._limit)):
            yield self._chunk()
        self._units.append(Unit(*key, tuple(identifiers)))
        self._bytes += size
        self._size += len(identifiers)
        if len(self._units) >= MOST_CALLS:
            yield self._chunk()

    def _chunk(self) -> Chunk:
        made = pack(self._number, self._units)
        self._number += 1
        self._units, self._size, self._bytes = [], 0, 0
        return made


MOST_CALLS: Final = 1000
"""Calls that a chunk needs at most: with personal texts so many recipients."""
MOST_RECIPIENTS: Final = 10_000
"""Recipients of a chunk whose calls are shared."""
MOST_BYTES: Final = 256 * 1024
"""Of a chunk's recipients as text, before they are packed: what a worker and a script handle in one piece."""


class Unit(NamedTuple):
    """Recipients whose request is the same apart from the identifier: one call, at most the API's list limit of them."""

    to: str
    locale: str | None
    placeholders: tuple[tuple[str, str], ...]
    identifiers: tuple[str, ...]


def pack(number: int, units: Sequence[Unit]) -> Chunk:
    """The units as a chunk: JSON, deflated quickly (identifiers have much in common)."""
    text = json.dumps([[u.to, u.locale, u.placeholders, u.identifiers] for u in units], ensure_ascii=False, separators=(",", ":")).encode()
    return Chunk(
        number=number,
        size=sum(len(unit.identifiers) for unit in units),
        calls=len(units),
        digest=hashlib.blake2b(text, digest_size=12).hexdigest(),
        data=zlib.compress(text, 1),
    )


def unpack(data: bytes) -> list[Unit]:
    """What `pack` packed."""
    rows: list[list[Any]] = json.loads(zlib.decompress(data))
    return [Unit(to, locale, tuple(map(tuple, placeholders)), tuple(ids)) for to, locale, placeholders, ids in rows]
