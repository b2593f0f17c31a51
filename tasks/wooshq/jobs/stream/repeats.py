"""Does one identifier, or one fault, repeat among the first recipients? It is said before anyone is sent to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final

from wooshq.errors import Problem
from wooshq_schemas import Recipient

_MANY: Final = 20
"""Times that the same must occur before it is said."""
_MOST_SAID: Final = 3


class Repeats:
    """What repeats among the first items of a stream."""

    def __init__(self) -> None:
        self._items = 0
        self._recipients: Counter[tuple[str, str]] = Counter()
        self._problems: Counter[str] = Counter()

    def add(self, recipient: Recipient) -> None:
        """One more item: a recipient."""
        self._items += 1
        self._recipients[recipient.to, recipient.identifier] += 1

    def add_refused(self, problems: Sequence[Problem]) -> None:
        """One more item: it is not a recipient."""
        self._items += 1
        self._problems.update({str(problem) for problem in problems})

    def sentences(self) -> Iterator[str]:
        """One sentence for each that repeats, the most frequent first. It shows no identifier."""
        for text, n in self._problems.most_common(_MOST_SAID):
            if n >= _MANY:
                yield f"{n:,} of the first {self._items:,} rows are rejected for the same reason: {text.removesuffix('.')}."
        for _, n in self._recipients.most_common(_MOST_SAID):
            if n >= _MANY:
                yield (
                    f"{n:,} of the first {self._items:,} rows have the same identifier. wooshq sends to it once. Make sure that it is "
                    "a recipient, and not what a program writes if there is none."
                )
