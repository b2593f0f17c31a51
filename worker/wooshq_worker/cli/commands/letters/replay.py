"""`wooshq dead replay`: plan a replay, show the plan, and start it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from wooshq import IntentInvalid, Wooshq
from wooshq.ledger.states import ReplayState
from wooshq.letters.filter import Conditions
from wooshq.letters.replays.planning import MEANS, LeftOutFor
from wooshq.letters.replays.start import Replayed
from wooshq_worker.cli.change_options import By, Why
from wooshq_worker.cli.commands.letters.parts import DryRun, Ids, matching, patch_of, say_missing, show_difference
from wooshq_worker.cli.commands.letters.watch import watch_replay
from wooshq_worker.cli.filters import filtered
from wooshq_worker.cli.opening import open_wooshq
from wooshq_worker.cli.terminal.files import opened
from wooshq_worker.cli.terminal.help import EXAMPLE_ID, examples
from wooshq_worker.cli.terminal.out import ALL_DONE, SOME_REFUSED, Json, continue_unread, emit, finish, people, say, several
from wooshq_worker.cli.terminal.out import show as print_line
from wooshq_worker.cli.values import fraction

EXAMPLES: Final = examples(
    "wooshq dead replay --reason rejected --dry-run",
    'wooshq dead replay --reason rejected --patch \'{"message": {"preset": "SALE-2"}}\' --first 100',
    f"wooshq dead replay {EXAMPLE_ID}",
)
#: Most letters left out of a replay to name one by one.
_MOST_NAMED: Final = 20


Patch = Annotated[
    str | None,
    typer.Option(
        metavar="JSON",
        help="JSON merge patch (RFC 7396) for the intent of every letter. The letters stay as they are. @FILE reads it from a file, - from standard input.",
    ),
]
ToApplication = Annotated[str | None, typer.Option(metavar="CODE", help="Send for this application, not the letter's own.")]
ToLane = Annotated[str | None, typer.Option(metavar="LANE", help="Send through this lane, not the letter's own.")]
ToToken = Annotated[
    str | None,
    typer.Option(metavar="CODE", help="Use the API token of this application, not the letter's own. The workers must have it."),
]
Rate = Annotated[float | None, typer.Option(metavar="N", help="API calls per second. Default: as fast as the limits allow.")]
First = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        min=0,
        help="Send N letters first, and the rest if not too many of them fail again. Default: WOOSHQ_REPLAY_FIRST.",
        show_default=False,
    ),
]
StopAt = Annotated[
    str | None,
    typer.Option(metavar="SHARE", help="Stop if more than this share fails again: 5%. Default: WOOSHQ_REPLAY_STOP_AT.", show_default=False),
]
InDoubt = Annotated[
    bool | None,
    typer.Option(
        "--in-doubt/--no-in-doubt",
        help="Whether to replay letters whose recipient may have received the message. Default: only if you name them by id or --reason.",
        show_default=False,
    ),
]
KeepPlan = Annotated[bool, typer.Option("--plan", help="Keep the plan for a day; wooshq replays start ID starts it.")]
LeftOutFile = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Write the letters that are left out, and why, to this file, as NDJSON; - for standard output."),
]
Force = Annotated[bool, typer.Option("--force", help="Overwrite an existing file.")]
Watch = Annotated[bool, typer.Option("--watch", help="Follow the replay until it ends, pauses or stops.")]


@filtered(state=None)
def replay(
    ids: Ids = None,
    *,
    wanted: Conditions,
    patch: Patch = None,
    to_application: ToApplication = None,
    to_lane: ToLane = None,
    to_token: ToToken = None,
    rate: Rate = None,
    first: First = None,
    stop_at: StopAt = None,
    in_doubt: InDoubt = None,
    plan: KeepPlan = False,
    left_out: LeftOutFile = None,
    force: Force = False,
    why: Why = "",
    by: By = None,
    watch: Watch = False,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Replay dead letters, the oldest first, in the background. Each is sent once, even if two people replay it. Give ids, a query or a filter."""
    continue_unread()
    if dry_run and (plan or watch):
        raise typer.BadParameter("cannot be used with --plan or --watch", param_hint="--dry-run")
    named = [i.lower() for i in ids or ()]
    given: dict[str, Any] = {"stop_at": None if stop_at is None else fraction(stop_at, "--stop-at"), "first": first, "why": why, "by": by}
    change = None if patch is None else patch_of(patch)
    to = {"to_application": to_application, "to_lane": to_lane, "to_token": to_token, "patch": change}
    with open_wooshq() as wooshq:
        done = _plan(wooshq, named, dry_run=dry_run, start=False, rate=rate, in_doubt=in_doubt, **to, **given, **wanted)
        missing = say_missing(wooshq, named, done.selected, wanted)
        if left_out is not None:
            _write(done, left_out, force)
        if not as_json:
            _say(done, dry_run, to_file=left_out is not None)
        if done.id is not None and not plan:
            # The plan is shown before anything is sent.
            done = replace(done, state=wooshq.replays.start(done.id, by=by).state)
        if as_json:
            emit(done)
        elif done.id is not None:
            print_line(done.id)
            _say_state(done.id, done.state)
        went_badly = watch and done.id is not None and not plan and not watch_replay(wooshq, done.id, as_json)
    finish(SOME_REFUSED if done.skipped or done.invalid or missing or went_badly else ALL_DONE)


def _plan(wooshq: Wooshq, named: list[str], **given: Any) -> Replayed:
    try:
        with people.status("planning") if people.is_terminal else people:
            return wooshq.dead_letters.replay(*named, **given)
    except IntentInvalid as error:  # the patch
        for problem in error.problems:
            say(str(problem))
        say("Nothing was replayed.")
        raise typer.Exit(SOME_REFUSED) from None


def _say(done: Replayed, dry_run: bool, *, to_file: bool) -> None:
    verb = "would be replayed" if dry_run else "will be replayed"
    calls = f" in {several(done.calls, 'call')}" if done.replayed else ""
    over = f" over {done.takes_s:,.0f} s" if done.takes_s >= 1 else ""
    end = " Nothing was sent." if dry_run else ""
    say(f"{matching(done.selected)}: {done.replayed:,} {verb}{calls}{over}, {done.skipped:,} skipped, {done.invalid:,} invalid.{end}")
    for kind, n in done.left_out.items():
        say(f"  {n:,} left out: {MEANS[LeftOutFor(kind)]}")
    if done.why and not to_file:
        for line in why_left_out(done.why):
            say(f"  {line}")
    _say_examples(done)


def why_left_out(why: Mapping[str, str]) -> Iterator[str]:
    """A line for each reason: letters that share one are a number, and are listed elsewhere. why: letter → why it is left out."""
    alike: dict[str, list[str]] = {}
    for letter_id, reason in why.items():
        alike.setdefault(reason, []).append(letter_id)
    shown = sorted(alike.items(), key=lambda one: -len(one[1]))[:_MOST_NAMED]
    for reason, ids in shown:
        yield f"{ids[0]}: {reason}" if len(ids) == 1 else f"{len(ids):,} letters: {reason}"
    if rest := len(why) - sum(len(ids) for _, ids in shown):
        yield f"… and {rest:,} more for other reasons"
    if len(why) > len(shown):
        yield "(--left-out FILE writes all of them)"


def _say_state(replay_id: str, state: str) -> None:
    if state == ReplayState.PLANNED:
        say(f"Planned, and not started. To start it: wooshq replays start {replay_id}. To drop it: wooshq replays cancel {replay_id}")
    else:
        say(f"The replay is {state}. Follow it: wooshq replays show {replay_id} --watch. Stop it: wooshq replays pause {replay_id}")


def _say_examples(done: Replayed) -> None:
    if not done.examples:
        return
    say(f"The recipe changes {several(len(done.examples), 'letter')} like this; they differ most from each other:")
    for one in done.examples:
        say(f"letter {one.id}, the intent:")
        if not show_difference(people, one.before, one.after):
            say("  stays the same")
        if one.payload_before is not None or one.payload_after is not None:
            say(f"letter {one.id}, the payload:")
            show_difference(people, one.payload_before, one.payload_after)


def _write(done: Replayed, file: Path, force: bool) -> None:
    with opened(file, force=force, option="--left-out") as out:
        for letter_id, why in done.why.items():
            out.write(json.dumps({"id": letter_id, "why": why}, ensure_ascii=False) + "\n")
        out.flush()
    if str(file) != "-":
        say(f"{several(len(done.why), 'letter')} written to {file}.")
