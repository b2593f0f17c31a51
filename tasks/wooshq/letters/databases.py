"""Which databases have what left the ledger: if there is another one than this, the history here is not the whole one. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

FIELD: Final = "kept_in|"
"""In the hash `telling`: a field for each database, with its `History.identity`. See forget.lua."""


@dataclass(frozen=True, slots=True)
class OtherDatabase:
    """
    A database that something left for. identity: as `History.identity` has it. until_ms: until when the ledger still names what is only
    there; ms since the epoch.
    """

    identity: str
    until_ms: int


def databases(telling: Mapping[str, str], now_ms: float) -> list[OtherDatabase]:
    """Those of which the ledger still names something, the one that counts longest first. telling: the ledger's hash."""
    found = [
        OtherDatabase(name.removeprefix(FIELD), int(float(until)))
        for name, until in telling.items()
        if name.startswith(FIELD) and float(until) > now_ms
    ]
    return sorted(found, key=lambda one: (-one.until_ms, one.identity))


def others(telling: Mapping[str, str], identity: str, now_ms: float) -> list[OtherDatabase]:
    """Those but the one with this identity."""
    return [one for one in databases(telling, now_ms) if one.identity != identity]
