"""`wooshq limits`: show and set how many calls a second may leave, and the transactional lane's share, while workers run."""

from __future__ import annotations

from typing import Annotated, Final

import typer

from wooshq.errors import JobUnknown
from wooshq.gates.limits import Limit, LimitName, Origin
from wooshq.ledger.gates import EVERY
from wooshq_worker.cli.change_options import By, Why, check_application, whose
from wooshq_worker.cli.opening import open_wooshq
from wooshq_worker.cli.terminal.help import EXAMPLE_ID, Command, Group, examples
from wooshq_worker.cli.terminal.out import SOME_REFUSED, Json, emit, finish, say, several, short
from wooshq_worker.cli.terminal.tables import Column, table

NO_CEILING: Final = "none"

app = typer.Typer(
    cls=Group,
    help="Show the limits that count now, and set limits while workers run. A limit that is set counts at once for all workers, instead of the environment's (WOOSHQ_RATE_PER_S, WOOSHQ_RATES, WOOSHQ_TRANSACTIONAL_SHARE).",
    epilog=examples(
        "wooshq limits",
        "wooshq limits set --rate 50 --why 'the API is slow today'",
        "wooshq limits set --rate 5 --application AAAAA-BBBBB",
        f"wooshq limits set --rate 20 --job {EXAMPLE_ID}",
        "wooshq limits set --share 0.5",
        "wooshq limits unset --rate --share",
    ),
    invoke_without_command=True,
    rich_markup_mode="rich",
)
_COLUMNS: Final = (
    Column("limit"),
    Column("whose"),
    Column("value"),
    Column("from"),
    Column("since (UTC)", 2),
    Column("by", 1),
    Column("why", cut=True),
)
Application = Annotated[str, typer.Option(metavar="CODE", help="Application code. Default: every application.", show_default=False)]


@app.callback()
def show(context: typer.Context, as_json: Json = False) -> None:
    """Show the limits that count now."""
    if context.invoked_subcommand is not None:
        return
    with open_wooshq() as wooshq:
        found = wooshq.limits.list()
    if as_json:
        for limit in found:
            emit(limit)
        return
    rows = [(one.limit, _whose(one), value_of(one), one.origin, short(one.since), one.by, one.why) for one in found]
    table(several(len(found), "limit"), _COLUMNS, rows, empty="There are no limits.")
    if any(one.origin == Origin.LEARNED for one in found):
        say("learned: what the API seems to allow, after an answer 429. Of two rates the lower one counts.")


@app.command(
    "set", cls=Command, epilog=examples("wooshq limits set --rate 50 --why 'the API is slow today'", "wooshq limits set --rate none")
)
def set_(
    rate: Annotated[str | None, typer.Option(metavar="N", help="Calls per second; none for no limit.", show_default=False)] = None,
    share: Annotated[
        float | None,
        typer.Option(
            metavar="N", help="Share of the rate that is reserved for the transactional lane, above 0 and below 1.", show_default=False
        ),
    ] = None,
    application: Application = EVERY,
    job: Annotated[str | None, typer.Option(metavar="ID", help="Set the rate of this fan-out job.", show_default=False)] = None,
    why: Why = "",
    by: By = None,
    as_json: Json = False,
) -> None:
    """Set a limit for all workers at once."""
    if rate is None and share is None:
        raise typer.BadParameter("name the limit", param_hint="--rate or --share")
    if job is not None and (share is not None or application != EVERY):
        raise typer.BadParameter("a job has only a --rate of its own", param_hint="--job")
    check_application(application)
    calls_a_second = None if rate is None else _rate(rate)
    with open_wooshq() as wooshq:
        if job is not None:
            try:
                found = wooshq.bulk.set_rate(job, calls_a_second, why=why, by=by)
            except JobUnknown as error:
                say(f"{job}: {error}.")
                raise typer.Exit(SOME_REFUSED) from None
            if found.is_final:
                say(f"The job is {found.state}. Its rate was not changed.")
                finish(SOME_REFUSED)
            done = [Limit(LimitName.RATE, found.application, found.limit, Origin.JOB, job=job)]
        else:
            done = []
            if rate is not None:
                done.append(wooshq.limits.set(LimitName.RATE, calls_a_second, application, why=why, by=by))
            if share is not None:
                done.append(wooshq.limits.set(LimitName.SHARE, share, application, why=why, by=by))
    for one in done:
        emit(one) if as_json else say(f"The {one.limit} of {_whose(one)} is {value_of(one)} now.")


@app.command(cls=Command, epilog=examples("wooshq limits unset --rate", "wooshq limits unset --rate --application AAAAA-BBBBB"))
def unset(
    rate: Annotated[bool, typer.Option("--rate", help="The rate.")] = False,
    share: Annotated[bool, typer.Option("--share", help="The transactional lane's share.")] = False,
    application: Application = EVERY,
    why: Why = "",
    by: By = None,
    as_json: Json = False,
) -> None:
    """Take a limit back. The environment's counts again."""
    if not (rate or share):
        raise typer.BadParameter("name the limit", param_hint="--rate or --share")
    check_application(application)
    with open_wooshq() as wooshq:
        for name in (name for name, is_meant in ((LimitName.RATE, rate), (LimitName.SHARE, share)) if is_meant):
            was_set = wooshq.limits.unset(name, application, why=why, by=by)
            if as_json:
                emit({"limit": name, "application": application, "unset": was_set})
            else:
                say(f"The {name} of {whose(application)} {'is taken back: the environment counts again' if was_set else 'was not set'}.")


def value_of(limit: Limit) -> str:
    """`50/s`, `none`, `0.2`."""
    if limit.value is None:
        return NO_CEILING
    return f"{limit.value:g}/s" if limit.limit == LimitName.RATE else f"{limit.value:g}"


def _whose(limit: Limit) -> str:
    return f"job {limit.job}" if limit.job else whose(limit.application)


def _rate(text: str) -> float | None:
    if text == NO_CEILING:
        return None
    try:
        return float(text)
    except ValueError:
        raise typer.BadParameter(f"is not a number. Use calls per second, or {NO_CEILING}", param_hint="--rate") from None
