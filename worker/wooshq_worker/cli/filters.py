"""The filter of dead letters as options of the command line. A new condition is one parameter of `_options`; see `Conditions`."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Annotated, Any, Final, cast

import typer

from wooshq.letters.filter import Conditions
from wooshq_worker.cli.values import moment


def _options(
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


_PARAMETERS: Final = tuple(inspect.signature(_options, eval_str=True).parameters.values())


def filtered(*, state: str | None) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """
    Give a command the options of the filter in place of its keyword `wanted`, and call it with the conditions as `wanted`.

    state: the default of `--state`; None for a command without this option, which works on open letters only.
    """
    options = [
        p.replace(kind=p.KEYWORD_ONLY, default=state if p.name == "state" else p.default)
        for p in _PARAMETERS
        if p.name != "state" or state is not None
    ]
    names = [p.name for p in options]

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        # Evaluated here: typer does not evaluate the annotations of a signature that is set like this.
        own = inspect.signature(command, eval_str=True)

        @functools.wraps(command)
        def with_options(**given: Any) -> None:
            command(wanted=wanted_of(**{name: given.pop(name) for name in names}), **given)

        shown = [p for mine in own.parameters.values() for p in (options if mine.name == "wanted" else [mine])]
        with_options.__signature__ = own.replace(parameters=shown)  # type: ignore[attr-defined]
        return with_options

    return decorate


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
