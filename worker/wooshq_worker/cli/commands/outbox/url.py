"""How a command opens the database that has the outbox."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Annotated

import typer

from wooshq import Status, Wooshq
from wooshq.errors import SettingsInvalid
from wooshq.outbox.database import Database, database_of_app
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
    known = wooshq.settings.outbox_url
    if url is None and known is None:
        if (of_app := database_of_app()) is not None:
            with contextlib.closing(of_app):
                yield of_app
            return
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


def has_outbox(wooshq: Wooshq) -> bool:
    """Whether the outbox's database is known here."""
    return wooshq.settings.outbox_url is not None or database_of_app() is not None


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
