"""The page of one replay: its plan, its start, its progress, its end. And the page of what became of each of its letters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlencode

from wooshq.ledger.states import ReplayState
from wooshq.letters.replays.planning import LeftOutFor
from wooshq.letters.replays.rules import TYPED_ABOVE
from wooshq.letters.replays.show import OUTCOME_NAMES, LetterOutcome, Replay, outcomes_page
from wooshq_worker.console.pages.letters.differences import shown_examples
from wooshq_worker.console.pages.letters.recipe import left_out_for
from wooshq_worker.console.pages.shell.registry import Act, Done, Page, Shown
from wooshq_worker.console.pages.shell.visit import Form, Visit
from wooshq_worker.console.pages.shell.words import number, plural

_TONES: Final = {
    "sent": "good",
    "dead": "bad",
    "sending": "run",
    "expired": "quiet",
    "cancelled": "quiet",
    "left_out": "quiet",
    "waiting": "",
}


def _context(replay: Replay) -> dict[str, Any]:
    sends = replay.total - replay.left_out
    counts = [(name, getattr(replay, name), tone) for name, tone in _TONES.items()]
    return {
        "replay": replay,
        "sends": sends,
        "ended": replay.sent + replay.dead + replay.expired + replay.cancelled,
        "counts": [(name.replace("_", " "), count, tone) for name, count, tone in counts if name not in ("left_out", "waiting")],
        "outcomes": [(name, count) for name, count, _ in counts],
        "must_be_typed": sends > TYPED_ABOVE,
        "is_planned": replay.state == ReplayState.PLANNED,
    }


async def view(visit: Visit) -> Shown:
    """The replay as it is now."""
    return await _shown(visit)


async def _shown(visit: Visit, *, problem: str = "", status: int = 200) -> Shown:
    replay_id = visit.parameter("replay").lower()
    replay = await visit.client.replays.show(replay_id)
    found: Mapping[str, Any] = {
        **_context(replay),
        "examples": shown_examples(await visit.client.replays.examples(replay_id)) if replay.state == ReplayState.PLANNED else [],
        "left_out": left_out_for(replay.left_out_for),
        "back": _back(visit),
        "problem": problem,
    }
    return Shown(
        found,
        command=f"wooshq replays show {replay_id}" + ("" if replay.ended_at else " --watch"),
        curl=visit.curl("GET", f"/v1/replays/{replay_id}"),
        title="Replay",
        status=status,
    )


def _back(visit: Visit) -> str:
    """The form that the plan was asked with; "" if it is not known."""
    back = visit.asked("back")
    return back if back.startswith("/replays/new?") else ""


async def live(visit: Visit) -> Shown:
    """What changes of it."""
    replay_id = visit.parameter("replay").lower()
    replay = await visit.shared(f"replay {replay_id}", lambda: visit.client.replays.show(replay_id))
    return Shown({**_context(replay), "back": _back(visit)})


async def start(visit: Visit, form: Form) -> Done | Shown:
    """Start it, with just the letters of its plan."""
    replay_id = visit.parameter("replay").lower()
    planned = await visit.client.replays.show(replay_id)
    sends = planned.total - planned.left_out
    if sends > TYPED_ABOVE and "".join(char for char in form["typed"] if char.isdecimal()) != str(sends):
        return await _shown(visit, problem=f"Type {sends}: this many letters would be sent. Nothing was started.", status=422)
    started = await visit.client.replays.start(replay_id, by=visit.by)
    first = f" The first {number(min(started.first, sends))} go first." if 0 < started.first < sends else ""
    return Done(page.url(replay=replay_id), f"Running: {plural(sends, 'letter')}.{first}")


async def pause(visit: Visit, form: Form) -> Done:
    """Pause it."""
    return await _move(
        visit, await visit.client.replays.pause(visit.parameter("replay"), form["why"] or "paused in the console", by=visit.by)
    )


async def resume(visit: Visit, form: Form) -> Done:
    """Resume it."""
    return await _move(visit, await visit.client.replays.resume(visit.parameter("replay"), form["why"], by=visit.by))


async def cancel(visit: Visit, form: Form) -> Done:
    """Cancel it."""
    return await _move(visit, await visit.client.replays.cancel(visit.parameter("replay"), form["why"], by=visit.by))


async def undo(visit: Visit, form: Form) -> Done:
    """Give up a plan, and change its recipe. Nothing was sent."""
    replay_id = visit.parameter("replay").lower()
    replay = await visit.client.replays.show(replay_id)
    if replay.state != ReplayState.PLANNED:
        raise ValueError(f"the replay is {replay.state}, so its recipe cannot be changed. Pause or cancel it")
    await visit.client.replays.cancel(replay_id, "its recipe is changed", by=visit.by)
    back = form["back"]
    return Done(back if back.startswith("/replays/new?") else f"/replays/new?{urlencode({'q': replay.selection})}", "Nothing was sent.")


async def _move(visit: Visit, replay: Replay) -> Done:
    return Done(page.url(replay=visit.parameter("replay")), f"The replay is {replay.state}.")


async def letters_view(visit: Visit) -> Shown:
    """What became of each letter, in the order of the replay; a page of them that has some."""
    replay_id = visit.parameter("replay").lower()
    replay = await visit.client.replays.show(replay_id)
    outcome = visit.asked("outcome")
    wanted = outcome if outcome in OUTCOME_NAMES else None
    kinds = _kinds(visit) if wanted == "left_out" else []
    asked = visit.asked("after")
    place: int | None = int(asked) if asked.isascii() and asked.isdecimal() and len(asked) < 10 else 0
    keys = visit.client.ledger.keys
    letters: Sequence[LetterOutcome] = ()
    while place is not None and not letters:
        letters, place = await visit.client.do(outcomes_page(keys, replay_id, wanted, place, kinds))
    counts: dict[str, int] = dict(_context(replay)["outcomes"])
    return Shown(
        {
            "replay": replay,
            "letters": letters,
            "tabs": [
                ("All", visit.url(outcome=None, after=None, why=None), wanted is None, replay.total),
                *(
                    (name.replace("_", " "), visit.url(outcome=name, after=None, why=None), wanted == name, n)
                    for name, n in counts.items()
                    if n
                ),
            ],
            "reasons": _reasons(visit, replay, kinds) if wanted == "left_out" else [],
            "following": visit.url(after=place) if place is not None else "",
            "first": visit.url(after=None) if asked else "",
        },
        command=f"wooshq replays show {replay_id} --letters"
        + ("".join(f" --left-out-for {kind}" for kind in kinds) or (f" --outcome {wanted}" if wanted else "")),
        curl=visit.curl(
            "GET",
            f"/v1/replays/{replay_id}/outcomes" + (f"?left_out_for={','.join(kinds)}" if kinds else f"?outcome={wanted}" if wanted else ""),
        ),
        title="Letters of a replay",
    )


def _kinds(visit: Visit) -> list[str]:
    """Why letters are left out that are wanted; empty for all of them."""
    return [kind for kind in dict.fromkeys(visit.request.query_params.getlist("why")) if kind in set(LeftOutFor)]


def _reasons(visit: Visit, replay: Replay, kinds: Sequence[str]) -> list[tuple[str, str, bool, int | None]]:
    """Every reason of the plan, to press it on and off: as tabs are."""
    base = visit.url(outcome="left_out", after=None, why=None)
    found: list[tuple[str, str, bool, int | None]] = []
    for kind, words, count in left_out_for(replay.left_out_for):
        others = [one for one in kinds if one != kind] + ([] if kind in kinds else [kind])
        found.append((words, base + "".join(f"&why={one}" for one in others), kind in kinds, count))
    return found


page = Page(
    "replay",
    "/replays/{replay}",
    "Replay",
    view,
    "letters/replay.html",
    parent="replays",
    live=("replay",),
    live_view=live,
    acts=(Act("start", start), Act("pause", pause), Act("resume", resume), Act("cancel", cancel), Act("undo", undo)),
)
outcomes = Page("outcomes", "/replays/{replay}/letters", "Letters of a replay", letters_view, "letters/outcomes.html", parent="replays")
