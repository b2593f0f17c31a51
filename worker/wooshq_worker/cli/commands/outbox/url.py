"""How a command opens the database that has the outbox."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Annotated

import typer

from wooshq import Status, Wooshq
from wooshq.errors import SettingsInvalid
from wooshq.outbox.database import Database
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
    """The database of a URL, or of WOOSHQ_OUTBOX_URL. Raises SettingsInvalid if there is none, or if it cannot be used."""
    known = wooshq.settings.outbox_url
    if url is None and known is None:
        raise SettingsInvalid("WOOSHQ_OUTBOX_URL: is not set. It names the app's database, such as postgresql+psycopg://app@db/shop")
    try:
        from wooshq.outbox.sessions import SqlAlchemyDatabase
    except ModuleNotFoundError as error:
        raise SettingsInvalid(f"{error.name} is not installed. Install it with: pip install 'wooshq[sqlalchemy]'") from None
    database = SqlAlchemyDatabase(url or (known.get_secret_value() if known else ""))
    try:
        yield database
    finally:
        database.close()


def in_outbox(wooshq: Wooshq, intent_id: str) -> Status | None:
    """
    An intent that waits in the outbox of WOOSHQ_OUTBOX_URL, or was put away there. None if there is no such row, or no such setting.

    Raises WooshqError if the database cannot be used.
    """
    if wooshq.settings.outbox_url is None:
        return None
    with open_database(wooshq, None) as database:
        try:
            return as_status(OutboxRows(database, wooshq.settings).show(intent_id))
        except RowUnknown:
            return None
