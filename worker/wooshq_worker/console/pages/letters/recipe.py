"""The page Fix and replay: a selection, a recipe that is shown on letters that differ most, brakes, a reason. It leads to a plan."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, cast
from urllib.parse import urlencode

from wooshq.errors import IntentInvalid, QueryInvalid
from wooshq.letters.filter import Conditions, ConditionsAndIds
from wooshq.letters.groups import count_at_once
from wooshq.letters.replays.planning import MEANS, LeftOutFor
from wooshq.letters.replays.preview import LOOKED_AT, Preview
from wooshq.letters.replays.start import Replayed
from wooshq.settings import Settings
from wooshq_worker.console.pages.letters.differences import shown_examples
from wooshq_worker.console.pages.letters.planning import nothing_to_send, plan_url
from wooshq_worker.console.pages.shell.registry import Act, Done, Page, Shown
from wooshq_worker.console.pages.shell.shared import Work
from wooshq_worker.console.pages.shell.visit import Form, Visit

_SOON_S: Final = 1.0
"""A plan that takes longer than this is made behind a page that shows how far it is."""
_EXAMPLE: Final = '{"message": {"preset": "SALE-2"}}'
FIELDS: Final = ("q", "patch", "to_application", "to_lane", "to_token", "in_doubt", "rate", "first", "stop_at", "why")
"""Of the form, beside the ids."""


class _Wrong(Exception):
    """A field that cannot be read. Its name, and what is wrong."""

    def __init__(self, field: str, problem: str) -> None:
        self.field = field
        self.problem = problem
        super().__init__(problem)


@dataclass(frozen=True, slots=True)
class Asked:
    """What a form says, as it was typed. ids: empty for all that match `q`."""

    given: Mapping[str, str]
    ids: Sequence[str]

    @classmethod
    def of(cls, get: Callable[[str], str], ids: Sequence[str], settings: Settings) -> Asked:
        defaults = {"first": str(settings.replay_first), "stop_at": f"{settings.replay_stop_at * 100:g}"}
        return cls({name: get(name) or defaults.get(name, "") for name in FIELDS}, [one.lower() for one in dict.fromkeys(ids)])

    @property
    def selection(self) -> Conditions:
        """Keyword arguments of a selection."""
        return {} if self.ids or not self.given["q"] else {"where": self.given["q"]}

    @property
    def recipe(self) -> dict[str, Any]:
        """Keyword arguments of a recipe. Raises _Wrong."""
        return {
            "patch": self._patch(),
            **{name: self.given[name] or None for name in ("to_application", "to_lane", "to_token")},
            "in_doubt": True if self.given["in_doubt"] else None,
        }

    @property
    def brakes(self) -> dict[str, Any]:
        """Keyword arguments. Raises _Wrong."""
        rate, first, stop_at = (self._number(name) for name in ("rate", "first", "stop_at"))
        return {
            "rate": rate,
            "first": None if first is None else int(first),
            "stop_at": None if stop_at is None else stop_at / 100,
        }

    @property
    def url(self) -> str:
        """The page with this form."""
        pairs = [(name, value) for name, value in self.given.items() if value]
        return f"/replays/new?{urlencode([*pairs, *(('id', one) for one in self.ids)])}"

    def _patch(self) -> dict[str, Any] | None:
        text = self.given["patch"]
        if not text:
            return None
        try:
            found = json.loads(text)
        except (ValueError, RecursionError):
            raise _Wrong("patch", f"It is not JSON. Example: {_EXAMPLE}") from None
        if not isinstance(found, dict):
            raise _Wrong("patch", f"A merge patch is an object. Example: {_EXAMPLE}")
        return found

    def _number(self, name: str) -> float | None:
        try:
            return float(self.given[name].replace(",", ".")) if self.given[name] else None
        except ValueError:
            raise _Wrong(name, "It is not a number.") from None


async def view(visit: Visit) -> Shown:
    """The form, and what the recipe does to some letters."""
    # `all` with ids: a list of letters, of which all that match were wanted, not only those that were selected
    ids = [] if visit.asked("all") else visit.request.query_params.getlist("id")
    asked = Asked.of(visit.asked, ids, visit.settings)
    return await _shown(visit, asked)


@dataclass(slots=True)
class _Said:
    """What is wrong, by field; "" for the whole."""

    problems: dict[str, str] = field(default_factory=dict)


async def _shown(visit: Visit, asked: Asked, *, problems: Mapping[str, str] | None = None, status: int = 200) -> Shown:
    said = _Said(dict(problems or {}))
    preview = await _preview(visit, asked, said)
    return Shown(
        {
            "asked": asked,
            "given": asked.given,
            "problems": said.problems,
            "preview": preview,
            "examples": shown_examples(preview.examples) if preview else [],
            "left_out": left_out_for(preview.left_out) if preview else [],
            "looked_at": LOOKED_AT,
            "matching": None if asked.ids else await _count(visit, asked),
            "placeholder": _EXAMPLE,
        },
        command=_command(asked),
        curl=_curl(visit, asked),
        status=status,
    )


async def _preview(visit: Visit, asked: Asked, said: _Said) -> Preview | None:
    if not asked.ids and not asked.given["q"]:
        if visit.request.method == "GET" and not visit.request.query_params:
            return None  # nobody has written anything yet
        said.problems.setdefault("q", "Say which letters: a query such as reason:rejected since:2h, or select letters in the list.")
        return None
    try:
        return await visit.client.dead_letters.preview(*asked.ids, **asked.recipe, **asked.selection)
    except _Wrong as error:
        said.problems.setdefault(error.field, error.problem)
    except IntentInvalid as error:
        said.problems.setdefault("patch", "; ".join(map(str, error.problems)))
    except QueryInvalid as error:
        said.problems.setdefault("q", str(error))
    except ValueError as error:
        name, problem = _told(error)
        said.problems.setdefault(name, problem)
    return None


_FIELD_OF: Final = {
    "token": "to_token",
    "application": "to_application",
    "rate": "rate",
    "first": "first",
    "stop_at": "stop_at",
    "why": "why",
}


def _told(error: ValueError) -> tuple[str, str]:
    """The field that a rule names in front, and what is wrong; "" and the whole if it names none of the form."""
    name, _, problem = str(error).partition(": ")
    return (_FIELD_OF[name], problem) if name in _FIELD_OF and problem else ("", str(error))


async def _count(visit: Visit, asked: Asked) -> int | None:
    """How many letters match; None if it cannot be said quickly."""
    try:
        return await visit.client.do(count_at_once(visit.client.ledger.keys, cast(ConditionsAndIds, asked.selection)))
    except ValueError:  # also QueryInvalid: the form says so
        return None


def left_out_for(counts: Mapping[str, int]) -> list[tuple[str, str, int]]:
    """(why, in words, how many) for the template."""
    return [(kind, MEANS[LeftOutFor(kind)], count) for kind, count in counts.items()]


async def plan(visit: Visit, form: Form) -> Done | Shown:
    """Plan the replay: every letter is checked, nothing is sent."""
    asked = Asked.of(lambda name: form[name], form.all("id"), visit.settings)
    if not asked.given["why"]:
        return await _shown(visit, asked, problems={"why": "Say why. It is kept with the replay and in the audit log."}, status=422)
    try:
        made = await _made(visit, asked)
    except _Wrong as error:
        return await _shown(visit, asked, problems={error.field: error.problem}, status=422)
    except IntentInvalid as error:
        return await _shown(visit, asked, problems={"patch": "; ".join(map(str, error.problems))}, status=422)
    except ValueError as error:
        return await _shown(visit, asked, problems=dict([_told(error)]), status=422)
    if isinstance(made, str):
        return Done(f"/replays/planning/{made}")
    if made.id is None:
        return await _shown(visit, asked, problems={"": nothing_to_send(made)}, status=422)
    return Done(plan_url(made, asked.url))


async def _made(visit: Visit, asked: Asked) -> Replayed | str:
    """The plan; the name of the work that makes it, if it takes long. Raises what `replay` raises, and _Wrong."""
    work = Work(asked.url, len(asked.ids) or await _count(visit, asked))
    making = visit.client.dead_letters.replay(
        *asked.ids,
        start=False,
        why=asked.given["why"],
        by=visit.by,
        watch=work.note,
        **asked.recipe,
        **asked.brakes,
        **asked.selection,
    )
    name = visit.everybody.begin(work, making)
    if not await work.ends(_SOON_S):
        return name
    assert work.task is not None
    made: Replayed = work.task.result()
    return made


def _command(asked: Asked) -> str:
    words = ["wooshq dead replay", *(asked.ids or ([f"'{asked.given['q']}'"] if asked.given["q"] else []))]
    if asked.given["patch"]:
        words.append(f"--patch '{asked.given['patch']}'")
    options = {"to_application": "--to-application", "to_lane": "--to-lane", "to_token": "--to-token", "rate": "--rate", "first": "--first"}
    words += [f"{option} {asked.given[name]}" for name, option in options.items() if asked.given[name]]
    words += [f"--stop-at {asked.given['stop_at']}%"] if asked.given["stop_at"] else []
    words += [f"--why '{asked.given['why']}'"] if asked.given["why"] else []
    return " ".join([*words, "--plan"])


def _curl(visit: Visit, asked: Asked) -> str:
    try:
        said = {
            **({"ids": list(asked.ids)} if asked.ids else {}),
            **asked.selection,
            **asked.recipe,
            **asked.brakes,
            "why": asked.given["why"],
        }
    except _Wrong:
        said = {"where": asked.given["q"]}
    return visit.curl("POST", "/v1/replays", {name: value for name, value in said.items() if value not in (None, "")})


page = Page("recipe", "/replays/new", "Fix and replay", view, "letters/recipe.html", parent="replays", acts=(Act("plan", plan),))
