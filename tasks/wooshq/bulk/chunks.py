"""A chunk: recipients that one worker takes at once, as the calls that they need, packed small."""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

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


@dataclass(frozen=True, slots=True)
class Chunk:
    """Its place in the job, and what goes into the ledger. digest: of what it says, for a resume to compare."""

    number: int
    size: int
    calls: int
    digest: str
    data: bytes


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
