"""Queries on the command line, and the filter of dead letters as options. A new condition is one parameter of `_options`; see `Conditions`."""

from __future__ import annotations

import contextlib
import functools
import inspect
from collections.abc import Callable, Iterator, Sequence
from typing import Annotated, Any, Final, cast

import typer

from wooshq.errors import QueryInvalid
from wooshq.letters.filter import Conditions, names_a_state
from wooshq_worker.cli.terminal.out import USED_WRONGLY, one_line, say
from wooshq_worker.cli.values import moment

Query = Annotated[
    list[str] | None,
    typer.Argument(metavar="QUERY", help='For example: reason:rejected status:400 text:"INV-9981" since:2h. See docs/search.md.'),
]


def _options(
    where: Annotated[str | None, typer.Option(metavar="QUERY", help="A query, such as 'reason:rejected since:2h'.")] = None,
    reason: Annotated[
        str | None, typer.Option(metavar="REASON", help="invalid, rejected, exhausted, unknown, poison or too_large.")
    ] = None,
    application: Annotated[str | None, typer.Option(metavar="CODE", help="Application code.")] = None,
    lane: Annotated[str | None, typer.Option(metavar="LANE", help="transactional or bulk.")] = None,
    since: Annotated[
        str | None,
        typer.Option(
            metavar="TIME", help="Filed at this time or later: 2026-05-01T09:00:00Z, 2026-05-01, or an age such as 30m, 2h, 1d, 5w."
        ),
    ] = None,
    until: Annotated[str | None, typer.Option(metavar="TIME", help="Filed before this time, date or age.")] = None,
    campaign: Annotated[str | None, typer.Option(metavar="CODE", help="Campaign code.")] = None,
    tag: Annotated[str | None, typer.Option(metavar="NAME=VALUE", help="Tag of the intent.")] = None,
    recipient: Annotated[str | None, typer.Option(metavar="ID", help="User, hwid, push token or test device.")] = None,
    bulk: Annotated[str | None, typer.Option(metavar="ID", help="Id of a fan-out job.")] = None,
    detail: Annotated[str | None, typer.Option(metavar="TEXT", help="Exact detail, as wooshq dead groups --json shows it.")] = None,
    state: Annotated[str | None, typer.Option(metavar="STATE", help="open, replaying, closed or discarded; any for all.")] = None,
) -> None:
    """Never called: its signature is the list of options, in the order of `--help`."""


_QUERY: Final = inspect.Parameter("query", inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Query)
_CONTEXT: Final = inspect.Parameter("ctx", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context)
_PARAMETERS: Final = tuple(inspect.signature(_options, eval_str=True).parameters.values())


def query_of(words: Sequence[str] | None) -> str | None:
    """The query of an argument, which may be given in several words. None without one."""
    return " ".join(words) if words else None


@contextlib.contextmanager
def pointing_at(query: str | None) -> Iterator[None]:
    """If a query cannot be read, show where, say why, and end with status 2."""
    try:
        yield
    except QueryInvalid as error:
        if query is not None:
            # A long query is cut before the column: the sentence has the column itself.
            start = max(0, error.column - 1 - 60)
            say(one_line(query[start:].replace("\n", " ")))
            say(" " * (error.column - 1 - start) + "^")
        say(str(error))
        raise typer.Exit(USED_WRONGLY) from None


def filtered(*, state: str | None, takes_query: bool = False) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """
    Give a command the options of the filter in place of its keyword `wanted`, and call it with the conditions as `wanted`.

    state: the default of `--state`; None for a command without this option, which works on open letters only. takes_query: whether the
    command has a query as its last argument. A command with `ids` takes a query in place of them.
    """
    options = [
        p.replace(kind=p.KEYWORD_ONLY, default=state if p.name == "state" else p.default)
        for p in _PARAMETERS
        if p.name != "state" or state is not None
    ]
    names = [p.name for p in options]
    argument = [_QUERY] if takes_query else []

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        # Evaluated here: typer does not evaluate the annotations of a signature that is set like this.
        own = inspect.signature(command, eval_str=True)

        @functools.wraps(command)
        def with_options(*, ctx: typer.Context, **given: Any) -> None:
            options = {name: given.pop(name) for name in names}
            query = _query_among(given)
            if query is not None and options["where"] is not None:
                raise typer.BadParameter("give one query: as the argument, or with this option", param_hint="--where")
            options["where"] = where = options["where"] if query is None else query
            if state is not None and not _is_given(ctx, "state") and where is not None and names_a_state(where):
                options["state"] = "any"
            with pointing_at(where):
                command(wanted=wanted_of(**options), **given)

        shown = [_CONTEXT] + [p for mine in own.parameters.values() for p in ([*argument, *options] if mine.name == "wanted" else [mine])]
        with_options.__signature__ = own.replace(parameters=shown)  # type: ignore[attr-defined]
        return with_options

    return decorate


def _query_among(given: dict[str, Any]) -> str | None:
    """Take the query out of a command's arguments: its own argument, or ids that are none, because an id has no colon. None without one."""
    words = given.pop("query", None)
    if words is None and any(":" in word for word in given.get("ids") or ()):
        words, given["ids"] = given["ids"], None
    return query_of(words)


def _is_given(ctx: typer.Context, name: str) -> bool:
    source = ctx.get_parameter_source(name)
    return source is not None and source.name != "DEFAULT"


def wanted_of(**given: str | None) -> Conditions:
    """The conditions for the Python API. Options that were not given are left out. Raises typer.BadParameter."""
    made: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    for name in ("since", "until"):
        if name in made:
            made[name] = moment(made[name], f"--{name}")
    if "tag" in made:
        name, equals, value = made["tag"].partition("=")
        if not equals:
            raise typer.BadParameter("must be NAME=VALUE, such as shop=berlin", param_hint="--tag")
        made["tag"] = (name, value)
    if made.get("state") == "any":
        made["state"] = None  # not left out: some calls take a missing state for `open`
    return cast(Conditions, made)
