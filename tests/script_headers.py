"""The headers of the ledger's Lua scripts as values: keys, answers, moves, and what a second run and a full Redis do."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import Any

from wooshq.ledger import scripts
from wooshq.ledger.states import MACHINES

_PART = re.compile(r"^-- (KEYS\[[^\]]+\]|ARGV(?:\[[^\]]+\])?|derived|returns|cost|moves|again|memory) +(.*)$")


@dataclass(frozen=True)
class Move:
    """A move of one of the machines. source: None for one that was not in the ledger."""

    machine: str
    source: StrEnum | None
    event: StrEnum
    target: StrEnum

    def __str__(self) -> str:
        return f"{self.machine} {self.source.name.lower() if self.source else ''} → {self.target.name.lower()} ({self.event})"


@dataclass(frozen=True)
class Header:
    """
    What a script's header says. derived: keys that the script builds itself. answer: see `fits`. again: `same answer`,
    `same answer but the time` or `another answer`. changes: keys that a second run changes. works_when_full: or a full Redis refuses it.
    """

    name: str
    keys: tuple[str, ...]
    derived: tuple[str, ...]
    answer: Answer
    moves: frozenset[Move]
    again: str
    changes: tuple[str, ...]
    works_when_full: bool


@cache
def header_of(name: str) -> Header:
    """The header of the script `name`. Raises AssertionError if a part is missing or is not in the form that all headers have."""
    parts = parts_of(name)
    for wanted in ("returns", "cost", "moves", "again", "memory"):
        assert wanted in parts, f"{name}.lua: its header does not have the part `{wanted}`"
    again = re.match(r"(same answer but the time|same answer|another answer), changes (nothing|only ([^;]*?))(?:: |$)", parts["again"])
    assert again, f"{name}.lua: again: {parts['again']}"
    memory = re.match(r"(works in|refused by) a full Redis: ", parts["memory"])
    assert memory, f"{name}.lua: memory: {parts['memory']}"
    return Header(
        name,
        tuple(key for key in parts if key.startswith("KEYS")),
        tuple(re.findall(r"[a-z]+:<\w+>|\bevents\b|\btelling\b|\bcauses\b|\bletters_gone\b", parts.get("derived", ""))),
        Answer.read(parts["returns"]),
        frozenset(_moves(parts["moves"])),
        again[1],
        tuple(re.split(r", | and ", again[3])) if again[3] else (),
        memory[1] == "works in",
    )


def parts_of(name: str) -> dict[str, str]:
    """A header's parts, each on one line: `returns`, `moves`, `KEYS[1]` and so on."""
    parts: dict[str, str] = {}
    last = ""
    for line in scripts.header(name).splitlines()[1:]:
        if found := _PART.match(line):
            last = found[1]
            parts[last] = found[2].strip()
        elif last:
            assert line.startswith("--    "), f"{name}.lua: {line}"
            parts[last] += " " + line[2:].strip()
    return parts


def table_moves() -> set[Move]:
    """Every move of the tables."""
    return {
        Move(machine, source, event, target)
        for machine, table in MACHINES.items()
        for source, events in table.items()
        for event, target in events.items()
    }


def _moves(text: str) -> Iterator[Move]:
    """`intent queued → sending (claimed), held → queued (opened); letter → open (filed)`: a move without a source keeps the last one."""
    for part in text.split(";") if text != "none" else ():
        machine, _, rest = part.strip().partition(" ")
        table = MACHINES[machine]
        states = type(next(state for state in table if state is not None))
        events = type(next(iter(table[None])))
        sources: list[StrEnum | None] = []
        for one in rest.split(","):
            found = re.fullmatch(r"\s*(?:((?:\w+ \| )*\w+ )?(→) )?(\w+) \((\w+)\)\s*", one)
            assert found, f"{one!r} is not a move"
            if found[2]:
                sources = [states[name.upper()] for name in found[1].strip().split(" | ")] if found[1] else [None]
            yield from (Move(machine, source, events(found[4]), states[found[3].upper()]) for source in sources)


class Answer:
    """
    What a script may answer, as its header writes it: `'text with <a hole>'`, `1`, `<anything>`, `{…, …}` for a list of just so many, `*`
    after what may come any number of times, `|` between alternatives, and remarks in round brackets.
    """

    def __init__(self, alternatives: Sequence[Any]) -> None:
        self._alternatives = alternatives

    @classmethod
    def read(cls, text: str) -> Answer:
        tokens = re.findall(r"'[^']*'|<[^>]*>|\d+|[{}|*,;]|\w+", re.sub(r"\([^()]*\)", "", text))
        answer, rest = cls._read(tokens)
        assert not rest or rest[0] in ",;", f"returns: {text}"
        return answer

    @classmethod
    def _read(cls, tokens: list[str]) -> tuple[Answer, list[str]]:
        alternatives: list[Any] = []
        while True:
            token, tokens = tokens[0], tokens[1:]
            if token == "{":
                items, tokens = cls._items(tokens)
                alternatives.append(items)
            elif token[0] in "'<" or token.isdigit():
                alternatives.append(token)
            else:
                raise AssertionError(f"returns: {token}")
            if not tokens or tokens[0] != "|":
                return cls(alternatives), tokens
            tokens = tokens[1:]

    @classmethod
    def _items(cls, tokens: list[str]) -> tuple[list[tuple[Answer, bool]], list[str]]:
        items: list[tuple[Answer, bool]] = []
        while tokens[0] != "}":
            answer, tokens = cls._read(tokens)
            repeated = tokens[0] == "*"
            tokens = tokens[repeated:]
            items.append((answer, repeated))
            tokens = tokens[tokens[0] == "," :]
        return items, tokens[1:]

    def fits(self, answer: Any) -> bool:
        """Whether a script's answer is one of these."""
        return any(self._fits(one, answer) for one in self._alternatives)

    @staticmethod
    def _fits(wanted: Any, answer: Any) -> bool:
        if isinstance(wanted, list):
            if not isinstance(answer, list):
                return False
            fixed = [item for item, repeated in wanted if not repeated]
            rest = next((item for item, repeated in wanted if repeated), None)
            return (
                (len(answer) == len(fixed) if rest is None else len(answer) >= len(fixed))
                and all(item.fits(one) for item, one in zip(fixed, answer, strict=False))
                and (rest is None or all(rest.fits(one) for one in answer[len(fixed) :]))
            )
        if isinstance(answer, list):
            return False
        if wanted.startswith("<"):
            return answer is not None
        if wanted.isdigit():
            return bool(answer == int(wanted))
        text = answer.decode() if isinstance(answer, bytes) else answer
        return isinstance(text, str) and re.fullmatch("[^|]+".join(map(re.escape, re.split("<[^>]*>", wanted[1:-1]))), text) is not None
