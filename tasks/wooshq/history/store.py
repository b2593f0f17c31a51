"""How the history is opened. Nothing here needs SQLAlchemy: it is imported when a history is on."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Final

from wooshq.errors import SettingsInvalid
from wooshq.history.contract import Forgotten, History, HistoryAway, HistoryNewer, Size
from wooshq.settings import Settings
from wooshq.settings.history_url import OFF
from wooshq.settings.server_url import EMBEDDED, MEMORY

__all__ = ["Forgotten", "History", "HistoryAway", "HistoryNewer", "Size", "history_url", "open_history"]

FILE: Final = "history.db"
"""Of the embedded default, in the data folder."""


def open_history(settings: Settings) -> History | None:
    """
    The history that the settings name; None if it is off. Nothing is connected yet, so a database that is away is no error here.

    Raises SettingsInvalid if it cannot be used: SQLAlchemy or the database's driver is missing.
    """
    url = history_url(settings)
    if url == OFF:
        return None
    try:
        from wooshq.history.sql.opening import open_url
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "sqlalchemy":
            raise
        raise SettingsInvalid(
            f"WOOSHQ_HISTORY_URL: the history needs SQLAlchemy. Run pip install 'wooshq[sqlalchemy]', or set it to {OFF}"
        ) from None
    return open_url(url, keep_bodies=settings.history_bodies, installation=settings.namespace)


def history_url(settings: Settings) -> str:
    """
    The URL, or OFF. Without one: a file in the data folder if the embedded Redis is used (and SQLAlchemy is installed), else OFF. An installation of a version without
    history, with a Redis of its own, has no SQL database that wooshq may write to: it gets one when it says where.
    """
    if settings.history_url is not None:
        return settings.history_url.get_secret_value()
    if settings.broker_url == MEMORY or settings.redis_url != EMBEDDED or find_spec("sqlalchemy") is None:
        return OFF
    return f"sqlite:///{settings.data_dir.absolute() / FILE}"
