"""One problem of data from outside: where it is, what it is, how to fix it. Never the value itself."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from pydantic_core import PydanticCustomError

MOST_PROBLEMS: Final = 100
"""Problems that one error lists; it only counts the others. Nobody reads more, and a stranger decides how many there are."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One problem. field: path from the top, "" for the whole. hint: how to fix it, "" if there is nothing to say."""

    field: str
    problem: str
    hint: str = ""

    def as_dict(self) -> dict[str, str]:
        """The object that `--json` prints."""
        return {"field": self.field, "problem": self.problem, "hint": self.hint}

    def __str__(self) -> str:
        where = f"{self.field}: " if self.field else ""
        return f"{where}{self.problem}." + (f" {self.hint}" if self.hint else "")


class IntentInvalid(ValueError):
    """An intent is not valid. `problems` has everything that is wrong with it."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(p) for p in self.problems))


RULE: Final = "rule"
"""The type that pydantic's errors have if one of our own rules raised them."""


def refusal(problem: str, hint: str = "") -> PydanticCustomError:
    """The error for a validator to raise. `from_validation_error` makes a Problem with these words from it."""
    return PydanticCustomError(RULE, "{problem}", {"problem": problem, "hint": hint})
