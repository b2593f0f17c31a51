"""The page of one dead letter: what was sent, what was answered, every attempt; edit it, replay it, discard it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from wooshq.errors import IntentInvalid
from wooshq.ledger.states import LetterState
from wooshq.letters.filter import cause_of
from wooshq.letters.letter import WholeLetter
from wooshq_worker.console.pages.letters.causes import to_recipe
from wooshq_worker.console.pages.shell.registry import Act, Done, Page, Shown
from wooshq_worker.console.pages.shell.tones import look
from wooshq_worker.console.pages.shell.visit import Form, Visit
from wooshq_worker.console.pages.shell.words import duration


async def view(visit: Visit) -> Shown:
    """Everything about a letter."""
    return await _shown(visit)


async def _shown(visit: Visit, *, patch: str = "", problems: tuple[str, ...] = (), status: int = 200) -> Shown:
    letter = await visit.client.dead_letters.show(visit.parameter("letter").lower())
    return Shown(
        {
            "letter": letter,
            "cause": cause_of(letter.reason, letter.detail, letter.application),
            "is_open": letter.state == LetterState.OPEN,
            "steps": list(_steps(letter)),
            "to_recipe": to_recipe("", [letter.id]),
            "patch": patch,
            "problems": problems,
        },
        command=f"wooshq dead show {letter.id}",
        curl=visit.curl("GET", f"/v1/dead-letters/{letter.id}"),
        title="Dead letter",
        status=status,
    )


def _steps(letter: WholeLetter) -> Iterator[Mapping[str, Any]]:
    """The attempts of the intent and its replays, and when the letter was filed last."""
    for attempt in letter.attempts:
        outcome = str(attempt.get("outcome") or "")
        how = look(outcome)
        said = [
            ("Status", attempt.get("http_status")),
            ("Code", attempt.get("code")),
            ("Took", duration(attempt["latency_ms"] / 1000) if attempt.get("latency_ms") is not None else None),
            ("Answer", attempt.get("error")),
        ]
        yield {
            "at": attempt.get("at"),
            "title": f"Attempt: {outcome.replace('_', ' ')}" if outcome else "Attempt",
            "tone": how.tone,
            "shape": how.shape,
            "says": "",
            "facts": [(name, value) for name, value in said if value not in (None, "")],
        }
    yield {
        "at": letter.filed_at,
        "title": f"Dead: {letter.reason.replace('_', ' ')}",
        "tone": "bad",
        "shape": "cross",
        "says": letter.detail,
        "facts": (),
    }


async def edit(visit: Visit, form: Form) -> Done | Shown:
    """Change what a replay will send."""
    letter_id = visit.parameter("letter").lower()
    try:
        patch = json.loads(form["patch"])
    except (ValueError, RecursionError):
        return await _shown(visit, patch=form["patch"], problems=("It is not JSON.",), status=422)
    if not isinstance(patch, dict) or not patch:
        return await _shown(
            visit, patch=form["patch"], problems=("A merge patch is an object that names the fields that change.",), status=422
        )
    try:
        await visit.client.dead_letters.edit(letter_id, patch, why=form["why"], by=visit.by)
    except IntentInvalid as error:
        return await _shown(visit, patch=form["patch"], problems=tuple(map(str, error.problems)), status=422)
    return Done(page.url(letter=letter_id), "Edited: a replay sends the letter as it is below.")


async def discard(visit: Visit, form: Form) -> Done:
    """Mark the letter as not to be sent."""
    letter_id = visit.parameter("letter").lower()
    done = await visit.client.dead_letters.discard(letter_id, why=form["why"], by=visit.by)
    return Done(page.url(letter=letter_id), "Discarded." if done.discarded else "It is not open any more, so nothing was changed.")


page = Page(
    "letter",
    "/letters/{letter}",
    "Dead letter",
    view,
    "letters/letter.html",
    parent="causes",
    acts=(Act("edit", edit), Act("discard", discard)),
)
