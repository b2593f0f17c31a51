"""JSON text as values. Refuses everything that JSON parsers disagree about: duplicate keys, NaN, numbers that a float cannot hold."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from math import isinf
from typing import Any, Final

from wooshq_schemas.validation.names import shown
from wooshq_schemas.validation.problem import IntentInvalid, Problem


def loads(raw: str | bytes) -> Any:
    """The values of a JSON text (RFC 8259). Raises IntentInvalid with every problem of the text."""
    value, problems = read(raw)
    if problems:
        raise IntentInvalid(problems)
    return value


def read(raw: str | bytes) -> tuple[Any, tuple[Problem, ...]]:
    """
    The values, and the problems of a text that can still be read: for a duplicate key the last value, for a number the nearest float.

    Raises IntentInvalid if there are no values: not UTF-8, not JSON, or nested too deeply for Python's own stack.
    """
    try:
        text = raw if isinstance(raw, str) else bytes(raw).decode()
    except UnicodeDecodeError as error:
        raise _stop(f"is not UTF-8 (byte {error.start})", "Encode it as UTF-8") from None
    text = text.removeprefix("\ufeff")
    try:
        try:
            return _QUICK.decode(text), ()
        except _Doubtful:
            found = _THOROUGH.decode(text)
    except json.JSONDecodeError as error:
        raise _stop(f"is not JSON ({error.msg.lower()}: line {error.lineno}, column {error.colno})", "Write one JSON object") from None
    except RecursionError:
        raise _stop("is nested too deeply", "Flatten it") from None
    except ValueError:  # an integer of more digits than Python reads
        raise _stop("has a whole number with too many digits", "Write it as a string") from None
    return _plain(found), tuple(_doubts(found))


def _stop(problem: str, hint: str) -> IntentInvalid:
    return IntentInvalid([Problem("", problem, hint)])


class _Doubtful(Exception):
    """Something is wrong. The thorough decoder finds out where."""


@dataclass(frozen=True, slots=True)
class _Doubled:
    """An object with duplicate keys."""

    pairs: list[tuple[str, Any]]


@dataclass(frozen=True, slots=True)
class _Inexact:
    """A number that differs from the float that it becomes."""

    value: float
    problem: str
    hint: str


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise _Doubtful
    return made


def _pairs_or_mark(pairs: list[tuple[str, Any]]) -> dict[str, Any] | _Doubled:
    made = dict(pairs)
    return made if len(made) == len(pairs) else _Doubled(pairs)


def _constant(name: str) -> Any:
    raise _Doubtful


def _constant_or_mark(name: str) -> _Inexact:
    return _Inexact(float(name.replace("Infinity", "inf")), f"is {name}, which JSON does not have", "Leave it out")


def _number(text: str) -> float:
    value = _number_or_mark(text)
    if isinstance(value, _Inexact):
        raise _Doubtful
    return value


def _number_or_mark(text: str) -> float | _Inexact:
    value = float(text)
    if repr(value) == text:
        return value
    if isinf(value):
        return _Inexact(value, "is too large for a float", "Write it as a string")
    if len(text) > 400 or Decimal(repr(value)) != Decimal(text):
        return _Inexact(value, "has more digits than a float can hold", "Write it as a string: numbers are not rounded")
    return value


_QUICK: Final = json.JSONDecoder(object_pairs_hook=_pairs, parse_constant=_constant, parse_float=_number)
_THOROUGH: Final = json.JSONDecoder(object_pairs_hook=_pairs_or_mark, parse_constant=_constant_or_mark, parse_float=_number_or_mark)


def _plain(value: Any) -> Any:
    match value:
        case _Inexact():
            return value.value
        case _Doubled():
            return {name: _plain(inner) for name, inner in value.pairs}
        case dict():
            return {name: _plain(inner) for name, inner in value.items()}
        case list():
            return [_plain(inner) for inner in value]
        case _:
            return value


def _doubts(value: Any, path: str = "") -> Iterator[Problem]:
    pairs: list[tuple[Any, Any]] = []
    match value:
        case _Inexact():
            yield Problem(path, value.problem, value.hint)
        case _Doubled():
            pairs = value.pairs
        case dict():
            pairs = list(value.items())
        case list():
            pairs = list(enumerate(value))
    seen: set[Any] = set()
    for name, inner in pairs:
        where = f"{path}.{shown(name)}" if path else shown(name)
        if name in seen:
            yield Problem(where, "appears more than once", "Keep one: JSON parsers disagree about which one counts")
        seen.add(name)
        yield from _doubts(inner, where)
