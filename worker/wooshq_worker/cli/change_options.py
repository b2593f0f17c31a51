"""Options and words of the commands that change what may leave: which application, which lane, why, by whom."""

from __future__ import annotations

from typing import Annotated

import typer

from wooshq.ledger.gates import EVERY
from wooshq.ledger.keys import LANES
from wooshq_schemas.lint import is_application_code

Why = Annotated[str, typer.Option(metavar="TEXT", help="Reason, kept with the change.")]
By = Annotated[
    str | None, typer.Option(metavar="NAME", help="Who you are, kept with the change. Default: your user and host.", show_default=False)
]


def check_application(application: str) -> None:
    """Raises BadParameter if it is neither an application code nor `*`."""
    if application != EVERY and not is_application_code(application):
        raise typer.BadParameter("is not an application code. Use the form XXXXX-XXXXX, in capitals and digits", param_hint="--application")


def check_lane(lane: str | None) -> None:
    """Raises BadParameter for an unknown lane."""
    if lane is not None and lane not in LANES:
        raise typer.BadParameter(f"is not a lane. Use one of {', '.join(LANES)}", param_hint="--lane")


def whose(application: str, lane: str | None = None) -> str:
    """`every application`, `application AAAAA-BBBBB`, `the bulk lane of every application`."""
    named = "every application" if application == EVERY else application
    return named if lane is None else f"the {lane} lane of {named}"
