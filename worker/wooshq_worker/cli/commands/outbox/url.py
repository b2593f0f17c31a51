"""How a command opens the database that has the outbox."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Annotated

import typer

from wooshq import Status, Wooshq
from wooshq.outbox.database import Database
from wooshq.outbox.opening import has_outbox as outbox_is_known
from wooshq.outbox.opening import open_outbox
from wooshq.outbox.operate import OutboxRows, RowUnknown, as_status

UrlOption = Annotated[
    str | None,
    typer.Option(
        "--url",
        metavar="URL",
        help="The app's database, as SQLAlchemy takes it. Default: WOOSHQ_OUTBOX_URL, where other users of this machine do not see it.",
        show_default=False,
    ),
]


@contextlib.contextmanager
def open_database(wooshq: Wooshq, url: str | None) -> Iterator[Database]:
    """
    The database of a URL, or of WOOSHQ_OUTBOX_URL, or else of the app's framework. Raises SettingsInvalid if there is none, or if it cannot be
    used.
    """
    with contextlib.closing(open_outbox(wooshq.settings, url)) as database:
        yield database


def has_outbox(wooshq: Wooshq) -> bool:
    """Whether the outbox's database is known here."""
    return outbox_is_known(wooshq.settings)


def in_outbox(wooshq: Wooshq, intent_id: str) -> Status | None:
    """
    An intent that waits in the outbox, or was put away there. None if there is no such row, or if the outbox's database is not known here.

    Raises WooshqError if the database cannot be used.
    """
    if not has_outbox(wooshq):
        return None
    with open_database(wooshq, None) as database:
        try:
            return as_status(OutboxRows(database, wooshq.settings).show(intent_id))
        except RowUnknown:
            return None
