"""Which text is a value that is not a string? Of JSON, and of the Python types that a database gives."""

from __future__ import annotations

from decimal import Decimal
from numbers import Integral
from typing import Final
from uuid import UUID

#: From here on, a float skips whole numbers: its digits may not be those of the number that was meant.
_EXACT_BELOW: Final = 2.0**53
#: Digits that a Decimal is written with. Ten characters of it can stand for gigabytes.
_MOST_DIGITS: Final = 1_000


def text_of(value: object) -> str | None:
    """
    A value as text, in the words of JSON: 7 is `7`, 1.5 is `1.5`, True is `true`. A whole number has no point: 5.0 is `5`.

    No value (None, NaN) is the empty text, as an empty cell is. None if there is no text for it: an object, a list, an infinite number, a
    number with thousands of digits.
    """
    if type(value) is int:  # the most frequent one, for which the ladder below takes as long as all the rest of a row
        return _digits(value)
    match value:
        case None:
            return ""
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case Integral():
            return _digits(int(value))
        case float() | Decimal() if value != value:
            return ""
        case float():
            if value in (float("inf"), float("-inf")):
                return None
            return str(int(value)) if value.is_integer() and abs(value) < _EXACT_BELOW else repr(float(value))
        case Decimal():
            return format(value, "f") if value.is_finite() and len(value.as_tuple().digits) + abs(value.adjusted()) < _MOST_DIGITS else None
        case UUID():
            return str(value)
        case _:
            return None


def _digits(value: int) -> str | None:
    try:
        return str(value)
    except ValueError:
        return None
