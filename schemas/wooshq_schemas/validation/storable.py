"""Values that cannot be stored as JSON and read back unchanged: NUL, lone surrogates, numbers of thousands of digits."""

from __future__ import annotations

from collections.abc import Container
from typing import Any, Final

from wooshq_schemas.validation.names import shown, shown_path
from wooshq_schemas.validation.problem import MOST_PROBLEMS, Problem

NUL: Final = ("has a NUL character (U+0000)", "Remove it")
SURROGATE: Final = ("is not valid Unicode (a lone surrogate)", "Encode the text as UTF-8")
_NUL_IN_KEY: Final = ("has a key with a NUL character (U+0000)", "Remove it")
_SURROGATE_IN_KEY: Final = ("has a key that is not valid Unicode (a lone surrogate)", "Encode the text as UTF-8")
_DIGITS: Final = ("has too many digits", "Write it as a string")
_MOST_BITS: Final = 4096
_MOST_LEVELS: Final = 200
_MOST_VALUES: Final = 1_000_000
"""A walk ends here: the value contains itself, and the models have reported that."""


def wrong_text(text: str) -> tuple[str, str] | None:
    """(problem, hint) if a text cannot be stored."""
    if "\0" in text:
        return NUL
    try:
        text.encode()
    except UnicodeEncodeError:
        return SURROGATE
    return None


def unstorable(data: Any, known: Container[str] = ()) -> list[Problem]:
    """Problems of all values in `data` that cannot be stored, sorted by field. known: fields that need no second problem."""
    out: dict[str, Problem] = {}
    inside: list[tuple[tuple[str, ...], Any]] = [((), data)]
    walked = 0
    while inside and len(out) < MOST_PROBLEMS and walked <= _MOST_VALUES:
        path, value = inside.pop()
        walked += 1
        wrong = _wrong(value)
        if isinstance(value, dict) and len(path) < _MOST_LEVELS:
            inside.extend(((*path, shown(name)), inner) for name, inner in value.items())
        elif isinstance(value, list) and len(path) < _MOST_LEVELS:
            inside.extend(((*path, str(place)), inner) for place, inner in enumerate(value))
        if wrong is not None and (field := shown_path(path)) not in known:
            out.setdefault(field, Problem(field, *wrong))
    return sorted(out.values(), key=lambda problem: problem.field)


def _wrong(value: Any) -> tuple[str, str] | None:
    """(problem, hint) of one value, without the values inside it."""
    if isinstance(value, str):
        return wrong_text(value)
    if isinstance(value, int) and value.bit_length() > _MOST_BITS:
        return _DIGITS
    if isinstance(value, dict):
        for name in value:
            if isinstance(name, str) and (wrong := wrong_text(name)) is not None:
                return _NUL_IN_KEY if wrong is NUL else _SURROGATE_IN_KEY
    return None
