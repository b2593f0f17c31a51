"""Replays of dead letters: plan one, start it, watch it, stop it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, create_model
from starlette.responses import Response

from wooshq.letters.replays.examples import Example
from wooshq.letters.replays.show import OUTCOME_NAMES, Replay
from wooshq.letters.replays.start import Replayed
from wooshq.tokens.token import Scope
from wooshq_worker.console.api import answers
from wooshq_worker.console.api.body import NDJSON
from wooshq_worker.console.api.cursors import page_of_newest
from wooshq_worker.console.api.operation import Call, Room
from wooshq_worker.console.api.shapes import Asked, Because, Paged, model_of, page_of
from wooshq_worker.console.calls.selection import Selected, Text

room = Room("replays", "Dead letters that are sent again, as a job of its own with brakes.")

_OUTCOMES = {"type": "string", "description": "A letter a line: `{letter, outcome, left_out, why}`; the last line is `{done, count}`."}


class ReplayOf(Selected):
    """What to replay, what to change in every letter, and the brakes."""

    to_application: Text | None = None
    """Application code that is used instead of the letter's own."""
    to_lane: Text | None = None
    """Lane that is used instead of the letter's own."""
    to_token: Text | None = None
    """Code of the application whose API token is used."""
    patch: dict[str, Any] | None = None
    """A JSON merge patch (RFC 7396) for the intent of every letter. The letters themselves stay as they are."""
    rate: float | None = None
    """API calls a second. Null: as fast as the limits allow."""
    first: int | None = None
    """Letters that are sent first; the rest follows only if not too many of them failed again. Null: `WOOSHQ_REPLAY_FIRST`."""
    stop_at: float | None = None
    """Share of letters (0 to 1) that may fail again. Null: `WOOSHQ_REPLAY_STOP_AT`."""
    in_doubt: bool | None = None
    """Whether letters are taken whose recipient may have received the message. Null: those that are named by id or by their reason."""
    start: bool = False
    """Start at once, without a look at the plan."""


Plan = create_model(
    "ReplayPlan",
    __base__=model_of(Replayed),
    __doc__="What a replay will do. `id` is null for a dry run, or if there is nothing to replay. `examples`: the letters that differ most.",
    examples=(list[model_of(Example)], ...),  # type: ignore[misc, arg-type]
)


class WhichOutcome(Asked):
    """Query parameters of the outcomes."""

    outcome: Annotated[str, Field(json_schema_extra={"enum": list(OUTCOME_NAMES)})] | None = None
    """Only letters with this outcome."""
    left_out_for: Annotated[str, Field(max_length=200)] | None = None
    """Only letters that are left out for one of these, separated by commas, such as `invalid,expired`."""


@room.call(
    "POST",
    "/v1/replays",
    "planReplay",
    Scope.OPERATE,
    body=ReplayOf,
    leads_to=dict.fromkeys(("getReplay", "getReplayOutcomes", "startReplay", "pauseReplay", "resumeReplay", "cancelReplay"), "/id"),
    answers={202: Plan, 200: Plan},
    headers={"Location": "The replay; only with 202."},
    examples={
        "plan what was rejected since two hours, with another preset": {
            "where": "reason:rejected since:2h",
            "patch": {"message": {"preset": "B-2"}},
            "rate": 50,
            "why": "INC-7",
        },
        "only look": {"ids": ["018f6d0a-7d2c-7c54-9b1e-3a6f3c1d2e4f"], "dry_run": True},
    },
)
async def plan(call: Call, said: ReplayOf) -> Response:
    """
    Plan a replay of letters: those of `ids`, or all open ones that meet the conditions.

    202: the plan is kept for a day, with just these letters; start it with `/v1/replays/{id}/start`. 200: a dry run, or there is nothing
    to replay. Without ids and conditions nothing is done, and the answer is 422. Each letter is sent once, even if two people replay it.
    """
    given = said.model_dump(
        include={"to_application", "to_lane", "to_token", "patch", "rate", "first", "stop_at", "in_doubt", "start", "dry_run", "why"}
    )
    made = await call.client.dead_letters.replay(*said.ids, by=call.by, **given, **said.conditions())
    shown = {**made, "examples": made.examples}
    return answers.one(shown) if made.id is None else answers.accepted("replays", made.id, body=shown)


@room.call(
    "GET",
    "/v1/replays",
    "listReplays",
    Scope.READ,
    query=Paged,
    answers={200: page_of(model_of(Replay))},
)
async def list_(call: Call, wanted: Paged) -> Response:
    """Replays, the newest first."""
    return answers.page(*await page_of_newest(lambda most: call.client.replays.list(most=most), wanted.after, wanted.limit))


@room.call("GET", "/v1/replays/{replay_id}", "getReplay", Scope.READ, answers={200: model_of(Replay)})
async def show(call: Call, replay_id: str) -> Response:
    """The state of a replay, with its counters."""
    return answers.one(await call.client.replays.show(replay_id))


@room.call(
    "GET",
    "/v1/replays/{replay_id}/outcomes",
    "getReplayOutcomes",
    Scope.READ,
    query=WhichOutcome,
    answers={200: {NDJSON: _OUTCOMES}},
)
async def outcomes(call: Call, replay_id: str, wanted: WhichOutcome) -> Response:
    """What became of each letter of a replay, in its order."""
    kinds = wanted.left_out_for.split(",") if wanted.left_out_for else ()
    return await answers.lines(call.client.replays.outcomes(replay_id, outcome=wanted.outcome, left_out_for=kinds))


def _verb(verb: Literal["pause", "resume", "cancel"], doc: str) -> None:
    async def act(call: Call, replay_id: str, said: Because) -> Response:
        done = getattr(call.client.replays, verb)
        return answers.one(await done(replay_id, *([said.why] if said.why else []), by=call.by))

    act.__doc__ = doc
    path, operation_id = f"/v1/replays/{{replay_id}}/{verb}", f"{verb}Replay"
    room.call("POST", path, operation_id, Scope.OPERATE, body=Because, optional_body=True, answers={200: model_of(Replay)})(act)


@room.call("POST", "/v1/replays/{replay_id}/start", "startReplay", Scope.OPERATE, answers={200: model_of(Replay)})
async def start(call: Call, replay_id: str) -> Response:
    """Start a replay that is planned, with just the letters of its plan."""
    return answers.one(await call.client.replays.start(replay_id, by=call.by))


_verb("pause", "Pause a replay. Calls in progress end.")
_verb("resume", "Resume a replay that is paused or stopped.\n\nOne that was stopped begins with a first slice again.")
_verb("cancel", "Cancel a replay. Letters that were not sent yet stay open.")
