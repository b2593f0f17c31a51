"""Which recipients share a call: those with the same request, in whatever order they come, within bounded memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

from wooshq.jobs.units import MOST_BYTES, MOST_CALLS, MOST_RECIPIENTS, Unit, pack
from wooshq.ledger.chunks import Chunk
from wooshq_schemas import Recipient

MOST_WAITING: Final = 200_000
"""Recipients that may wait here for others with the same request: about 30 MB."""
_FIRST_PATIENCE: Final = 2000
_WORTH_WAITING: Final = 8
"""Recipients a request on average, below which waiting for more of them does not pay."""

_Key = tuple[str, str | None, tuple[tuple[str, str], ...]]


class Packer:
    """
    Puts recipients into calls, and calls into chunks. Deterministic: the same stream makes the same chunks again.

    Recipients with few different requests (a city, a locale) wait until their calls are full. If nearly every request is different, no
    recipient waits: the number that may wait grows only as long as it pays.
    """

    def __init__(
        self,
        list_limit: int,
        locale_of: Callable[[str | None], str | None],
        *,
        columns: frozenset[str] | None = None,
        most_waiting: int = MOST_WAITING,
    ) -> None:
        """
        list_limit: identifiers that one call may carry. locale_of: the locale that a recipient gets (`Template.locale_of`). columns: the
        placeholders that are sent; None for all.
        """
        self._limit = list_limit
        self._locale_of = locale_of
        self._columns = columns
        self._most = most_waiting
        self._patience = min(_FIRST_PATIENCE, most_waiting)
        self._groups: dict[_Key, list[str]] = {}
        self._waiting = 0
        self._units: list[Unit] = []
        self._size = 0
        self._bytes = 0
        self._number = 0

    def add(self, recipients: Iterable[Recipient]) -> Iterator[Chunk]:
        """Take recipients. Yields the chunks that are full."""
        groups, limit, locale_of, columns = self._groups, self._limit, self._locale_of, self._columns
        for identifier, to, locale, placeholders in recipients:
            if placeholders and columns is not None:
                placeholders = tuple([one for one in placeholders if one[0] in columns])
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
        """The stream has ended. Yields the rest."""
        yield from self._flush(0)
        if self._units:
            yield self._chunk()

    @property
    def made(self) -> int:
        """Chunks made so far."""
        return self._number

    def _relieve(self) -> Iterator[Chunk]:
        """Too many recipients wait: let more of them wait if that pays, otherwise make calls that are not full."""
        if len(self._groups) * _WORTH_WAITING <= self._waiting and self._patience < self._most:
            self._patience = min(self._most, self._patience * 2)
            return
        yield from self._flush(self._patience // 2)

    def _flush(self, down_to: int) -> Iterator[Chunk]:
        """Make calls until only `down_to` recipients wait, the largest groups first: if calls cannot be full, then as full as possible."""
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
