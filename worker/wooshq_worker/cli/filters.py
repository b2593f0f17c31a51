"""Which dead letters: the options that `wooshq dead …` shares, and the Python API's filter that they make."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Any, Final

import typer

Reason = Annotated[str | None, typer.Option(metavar="REASON", help="invalid, rejected, exhausted, unknown, poison or too_large.")]
Application = Annotated[str | None, typer.Option(metavar="CODE", help="Application code.")]
Lane = Annotated[str | None, typer.Option(metavar="LANE", help="transactional or bulk.")]
Since = Annotated[
    str | None, typer.Option(metavar="TIME", help="Filed at or after: 2026-05-01T09:00:00Z, 2026-05-01, or an age: 30m, 2h, 1d, 5w.")
]
Until = Annotated[str | None, typer.Option(metavar="TIME", help="Filed before: a time, a date or an age.")]
Campaign = Annotated[str | None, typer.Option(metavar="CODE", help="Campaign code.")]
Tag = Annotated[str | None, typer.Option(metavar="NAME=VALUE", help="A tag of the intent.")]
Recipient = Annotated[str | None, typer.Option(metavar="ID", help="A user, hwid, push token or test device.")]
Bulk = Annotated[str | None, typer.Option(metavar="ID", help="A fan-out job's id.")]
Detail = Annotated[str | None, typer.Option(metavar="TEXT", help="The exact detail, as dead groups --json shows it.")]
State = Annotated[str, typer.Option(metavar="STATE", help="open, replaying, closed or discarded; any for all.")]
Ids = Annotated[list[str] | None, typer.Argument(metavar="ID", help="Letters' ids (an intent's id stands for its letter).")]

_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
_RIGHT: Final = "right would be 2026-05-01T09:00:00Z, 2026-05-01, or an age such as 2h"


def wanted(**given: Any) -> dict[str, Any]:
    """The options as the Python API's filter; those that were not given are left out."""
    made = {name: value for name, value in given.items() if value is not None}
    for name in ("since", "until"):
        if name in made:
            made[name] = moment(made[name], f"--{name}")
    if "tag" in made:
        name, equals, value = made["tag"].partition("=")
        if not equals:
            raise typer.BadParameter("right would be NAME=VALUE", param_hint="--tag")
        made["tag"] = (name, value)
    if made.get("state") == "any":
        made["state"] = None  # said, not left out: some calls take a state that is left out for `open`
    return made


def moment(text: str, option: str, now: datetime | None = None) -> datetime:
    """A time, a date (midnight, UTC) or an age. option: whose value it is. now: what ages are counted from, aware."""
    try:
        if age := re.fullmatch(r"([0-9]+)([smhdw])", text):
            return (now or datetime.now(UTC)) - timedelta(seconds=int(age[1]) * _UNITS[age[2]])
        if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
            return datetime.combine(date.fromisoformat(text), time(), UTC)
        found = datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        raise typer.BadParameter(f"is no time; {_RIGHT}", param_hint=option) from None
    if found.tzinfo is None:
        raise typer.BadParameter(f"is a time without a zone; {_RIGHT}", param_hint=option)
    return found


def duration_s(text: str, option: str) -> float:
    """Seconds: `90`, or with a unit, `10m`."""
    found = re.fullmatch(r"([0-9]{1,9}(?:\.[0-9]+)?)([smhdw]?)", text)
    if found is None:
        raise typer.BadParameter("is no duration; right would be 90s, 10m, 2h or 1d", param_hint=option)
    return float(found[1]) * _UNITS[found[2] or "s"]


def part(text: str, option: str) -> float:
    """A part of a whole: `5%` or `0.05`."""
    found = re.fullmatch(r"([0-9]{1,3}(?:\.[0-9]+)?)(%?)", text)
    if found is None:
        raise typer.BadParameter("is no part; right would be 5% or 0.05", param_hint=option)
    return float(found[1]) / (100 if found[2] else 1)
