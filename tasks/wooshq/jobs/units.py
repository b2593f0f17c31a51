"""The recipients of a chunk, as units that share a request, and how the ledger stores them."""

from __future__ import annotations

import hashlib
import json
import uuid
import zlib
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from wooshq.ledger.chunks import Chunk

MOST_CALLS: Final = 1000
"""Calls that a chunk needs at most. With personal texts that is the number of recipients."""
MOST_RECIPIENTS: Final = 10_000
"""Recipients of a chunk whose calls are shared."""
MOST_BYTES: Final = 256 * 1024
"""Bytes of a chunk's recipients before compression: what a worker and a script handle in one piece."""


class Unit(NamedTuple):
    """Recipients whose request is the same apart from the identifier: one call, with at most the API's list limit of identifiers."""

    to: str
    locale: str | None
    placeholders: tuple[tuple[str, str], ...]
    identifiers: tuple[str, ...]


def pack(number: int, units: Sequence[Unit]) -> Chunk:
    """The units as a chunk: JSON, compressed at the fastest level (identifiers have much in common)."""
    text = json.dumps([[u.to, u.locale, u.placeholders, u.identifiers] for u in units], ensure_ascii=False, separators=(",", ":")).encode()
    return Chunk(
        number=number,
        size=sum(len(unit.identifiers) for unit in units),
        calls=len(units),
        digest=hashlib.blake2b(text, digest_size=12).hexdigest(),
        data=zlib.compress(text, 1),
    )


def unpack(data: bytes) -> list[Unit]:
    """The units that `pack` stored."""
    rows: list[list[Any]] = json.loads(zlib.decompress(data))
    return [Unit(to, locale, tuple(map(tuple, placeholders)), tuple(ids)) for to, locale, placeholders, ids in rows]


def letter_id_of(job_id: str, to: str, identifier: str) -> str:
    """The id of the dead letter that a recipient of a job may become. It is always the same, so a letter that is filed twice is one letter."""
    return str(uuid.uuid5(uuid.UUID(job_id), f"{to}\0{identifier}"))
