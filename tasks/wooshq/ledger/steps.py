"""What a call wants done, as values. Each call is described once; a sync or an async client carries it out."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class RunScript:
    """One script, in one round trip."""

    script: str
    keys: Sequence[str]
    args: Sequence[str | bytes | int | float] = field(default=())


@dataclass(frozen=True, slots=True)
class Ask:
    """Plain commands in one pipeline; the answer is the list of theirs."""

    commands: Sequence[tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class Together:
    """
    Several scripts in one round trip; the answer is the list of theirs.

    Each is atomic, all of them are not, nor is their order sure: one that the server had forgotten runs after the others, and one may be
    refused (no memory) where the next runs. A script that must come after another asks the ledger for its trace.
    """

    runs: Sequence[RunScript]


Wanted: TypeAlias = RunScript | Ask | Together

Steps: TypeAlias = Generator[Wanted, Any, T]
"""Yields what to ask Redis, is sent the answer, returns the result."""
