"""The words that programs write where they have no value."""

from __future__ import annotations

from typing import Final

_WORDS: Final = ("null", "none", "nan", "undefined", "nil", "n/a", "#n/a", "<na>", "<null>", "(null)", "[null]", "nat")
_AS_THEY_ARE: Final = ("\\N", "[object Object]", "#REF!", "#VALUE!", "#NAME?", "#NULL!", "#DIV/0!", "#NUM!")

NO_VALUE: Final = frozenset([*_AS_THEY_ARE, "NaN", "NaT", "<NA>"]).union(*((w, w.upper(), w.title(), w.capitalize()) for w in _WORDS))
"""
Python's None, JavaScript's undefined and [object Object], pandas' nan, NaT and <NA>, SQL's NULL and \\N, Excel's errors. As a set, in the
cases of letters that occur: a text is looked up as it is, which costs next to nothing.
"""
