"""The one place that opens the database with the outbox: that of a URL, of the settings, or of the app's framework."""

from __future__ import annotations

from wooshq.errors import SettingsInvalid
from wooshq.outbox.database import Database, database_of_app
from wooshq.settings import Settings


def has_outbox(settings: Settings) -> bool:
    """Whether the outbox's database is known here."""
    return settings.outbox_url is not None or database_of_app() is not None


def open_outbox(settings: Settings, url: str | None = None) -> Database:
    """
    The database of a URL, or of WOOSHQ_OUTBOX_URL, or else of the app's framework. The caller closes it.

    Raises SettingsInvalid if there is none, or if it cannot be used.
    """
    known = settings.outbox_url
    if url is None and known is None:
        if (of_app := database_of_app()) is not None:
            return of_app
        raise SettingsInvalid("WOOSHQ_OUTBOX_URL: is not set. It names the app's database, such as postgresql+psycopg://app@db/shop")
    try:
        from wooshq.outbox.sessions import SqlAlchemyDatabase  # SQLAlchemy is an extra
    except ModuleNotFoundError as error:
        raise SettingsInvalid(f"{error.name} is not installed. Install it with: pip install 'wooshq[sqlalchemy]'") from None
    return SqlAlchemyDatabase(url or (known.get_secret_value() if known else ""))
