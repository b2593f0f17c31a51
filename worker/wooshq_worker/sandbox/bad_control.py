"""The error for a control request or a fault rule that is not valid."""

from __future__ import annotations


class BadControl(ValueError):
    """A control request or a fault rule is not valid. `problems`: one sentence for each problem, `field: what is wrong`."""

    def __init__(self, *problems: str) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems
