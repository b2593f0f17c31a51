"""What a recipe does to some letters, before anything is planned; and to some letters of a plan, before it is started. Nothing is written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from wooshq.errors import ReplayUnknown
from wooshq.ledger.keys import Keys
from wooshq.ledger.replies import Result, as_row, ms, text
from wooshq.ledger.steps import Ask, Flow, Steps
from wooshq.letters.filter import Conditions, selection
from wooshq.letters.find import Reads, each_page
from wooshq.letters.read import ReadLetter, read_letters
from wooshq.letters.replays.examples import Example, Examples
from wooshq.letters.replays.planning import LeftOut, Planner
from wooshq.letters.replays.rules import Recipe
from wooshq.letters.replays.show import NO_SUCH_REPLAY
from wooshq.settings import Settings

LOOKED_AT: Final = 250
"""Letters that are looked at."""
_READ: Final = 5000
"""Letters that are read to find them."""
_REFUSED: Final = 20
_TOGETHER: Final = 10


@dataclass(frozen=True)
class Preview(Result):
    """
    looked: letters that were looked at, the newest that fit. ready: those of them that would be sent. left_out: why → how many are not. refused:
    (letter, why) of the first of these. examples: the letters that differ most, before and after the recipe; none without a recipe.
    """

    looked: int
    ready: int
    left_out: dict[str, int]
    refused: tuple[tuple[str, str], ...] = ()
    examples: tuple[Example, ...] = field(default=(), metadata={"shown": False})


def preview_letters(
    keys: Keys, settings: Settings, ids: Sequence[str], conditions: Conditions, recipe: Recipe, in_doubt: bool | None
) -> Flow[Preview]:
    """See `DeadLetters.preview`."""
    wanted = yield from selection({**conditions, "ids": ids}, only_open=not ids)
    planner = Planner(settings, (yield from _now()), recipe, in_doubt, wanted)
    examples, left_out, refused, looked = Examples(planner.rendered, planner.exact), Counter[str](), list[tuple[str, str]](), 0

    def take(letters: Sequence[ReadLetter]) -> bool:
        nonlocal looked
        for read in letters[: LOOKED_AT - looked]:
            looked += 1
            planned = planner.plan(read.letter, read.kept)
            examples.look(read.letter, planned)
            if isinstance(planned, LeftOut):
                left_out[planned.kind] += 1
                if len(refused) < _REFUSED:
                    refused.append((read.letter.id, planned.why))
        return looked >= LOOKED_AT

    yield from each_page(keys, wanted, take, bodies=True, reads=Reads(_READ))
    return Preview(looked, looked - left_out.total(), dict(left_out.most_common()), tuple(refused), examples.most_different())


def examples_of(keys: Keys, settings: Settings, replay_id: str) -> Steps[tuple[Example, ...]]:
    """See `Replays.examples`."""
    row = as_row((yield Ask([("HGETALL", keys.replay(replay_id))]))[0])
    if not row:
        raise ReplayUnknown(NO_SUCH_REPLAY)
    if "recipe" not in row:
        return ()
    planner = Planner(settings, (yield from _now()), Recipe.from_json(row["recipe"]), decided=True)
    examples = Examples(planner.rendered, planner.exact)
    sends = int(float(row.get("total") or 0)) - int(float(row.get("left_out") or 0))
    part = keys.replay_part(replay_id, "letters")
    # Some that stand together, from everywhere in the list. Those that are left out are behind them.
    places = range(0, sends, max(_TOGETHER, sends * _TOGETHER // LOOKED_AT))
    found = (yield Ask([("LRANGE", part, place, min(place + _TOGETHER, sends) - 1) for place in places])) if places else []
    ids = [text(one) for some in found for one in some]
    for read in (yield from read_letters(keys, ids, bodies=True)):
        if isinstance(read, ReadLetter):  # those that have left are not sent any more
            examples.look(read.letter, planner.plan(read.letter, read.kept))
    return examples.most_different()


def _now() -> Steps[datetime]:
    return datetime.fromtimestamp(ms((yield Ask([("TIME",)]))[0]) / 1000, UTC)
