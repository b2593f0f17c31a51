"""Which database a URL names."""

from __future__ import annotations

import importlib.util
from typing import Final

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from wooshq.errors import SettingsInvalid
from wooshq.history.sql.database import Database
from wooshq.history.sql.history import SqlHistory
from wooshq.history.sql.postgresql import Postgresql
from wooshq.history.sql.sqlite import Sqlite

_DRIVERS: Final = ("psycopg", "psycopg2")
"""Of PostgreSQL, the first one that is installed is used if the URL names none."""


def open_url(url: str, *, keep_bodies: bool, installation: str) -> SqlHistory:
    """The history at a URL. installation: its name; the acts of others in the same database are not its own. Raises SettingsInvalid if it cannot be used."""
    try:
        parsed = _with_driver(make_url(url))
        database: Database = Sqlite(parsed) if parsed.get_backend_name() == "sqlite" else Postgresql(parsed)
    except ArgumentError:
        raise SettingsInvalid("WOOSHQ_HISTORY_URL: is not a URL of SQLAlchemy, such as postgresql+psycopg://user@host/database") from None
    except (ModuleNotFoundError, SQLAlchemyError) as error:
        name = getattr(error, "name", None)
        driver = f"its driver {name} is not installed" if name else "SQLAlchemy does not know its driver"
        raise SettingsInvalid(f"WOOSHQ_HISTORY_URL: {driver}") from None
    return SqlHistory(database, _where(parsed), keep_bodies=keep_bodies, installation=installation)


def _with_driver(url: URL) -> URL:
    if url.drivername in ("postgres", "postgresql"):
        known = next((name for name in _DRIVERS if importlib.util.find_spec(name)), _DRIVERS[0])
        return url.set(drivername=f"postgresql+{known}")
    return url


def _where(url: URL) -> str:
    if url.get_backend_name() == "sqlite":
        return f"{url.database}"
    return f"{url.database} at {url.host or 'this machine'}{f':{url.port}' if url.port else ''}"
