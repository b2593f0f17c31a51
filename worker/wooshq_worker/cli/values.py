"""Values as people write them on the command line: times, ages, durations, percentages, pairs."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import typer

from wooshq.search import values


def moment(text: str, option: str, now: datetime | None = None) -> datetime:
    """
    A time, a date (midnight, UTC) or an age, as in a query. option: the name to use in an error. now: aware; ages are counted back from it.

    Raises typer.BadParameter.
    """
    try:
        return values.moment(text, now or datetime.now(UTC))
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint=option) from None


def duration_s(text: str, option: str) -> float:
    """Seconds: `90`, or with a unit, `10m`. Raises typer.BadParameter."""
    found = re.fullmatch(r"([0-9]{1,9}(?:\.[0-9]+)?)([smhdw]?)", text)
    if found is None:
        raise typer.BadParameter("is not a valid duration. Use 90s, 10m, 2h or 1d", param_hint=option)
    return float(found[1]) * values.UNITS[found[2] or "s"]


def fraction(text: str, option: str) -> float:
    """A part of a whole: `5%` or `0.05`. Raises typer.BadParameter."""
    found = re.fullmatch(r"([0-9]{1,3}(?:\.[0-9]+)?)(%?)", text)
    if found is None:
        raise typer.BadParameter("is not a valid percentage. Use 5% or 0.05", param_hint=option)
    return float(found[1]) / (100 if found[2] else 1)


def pairs(given: list[str] | None, option: str) -> dict[str, str]:
    """Names and values of an option that is repeated: `name=value`. Raises typer.BadParameter."""
    found: dict[str, str] = {}
    for one in given or ():
        name, equals, value = one.partition("=")
        if not equals or not name.strip() or not value:
            raise typer.BadParameter("must be a name, = and a value. Example: user=ID", param_hint=option)
        if name.strip() in found:
            raise typer.BadParameter("gives one name two values", param_hint=option)
        found[name.strip()] = value
    return found
