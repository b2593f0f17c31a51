"""One installation in this process: its settings, Redis, broker, Celery app and publisher, opened at first use."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable

from pydantic import ValidationError
from pydantic_settings import SettingsError

from wooshq.errors import LedgerUnavailable, SettingsInvalid, explain_settings
from wooshq.installation.celery_app import WooshqApp, make_app
from wooshq.installation.connect import Places, places
from wooshq.installation.embedded import EmbeddedRedisError
from wooshq.installation.publish import Publisher
from wooshq.settings import Settings


def load_settings() -> Settings:
    """The settings of the environment. Raises SettingsInvalid, a line a problem."""
    try:
        settings = Settings()
    except ValidationError as error:
        raise SettingsInvalid("\n".join(explain_settings(error))) from None
    except SettingsError as error:  # its cause may quote the value
        field = re.search(r'field "(\w+)"', str(error))
        name = field[1] if field else ""
        variable = f"PUSHWOOSH_{name.upper()}" if name.startswith("api_token") else f"WOOSHQ_{name.upper()}"
        raise SettingsInvalid(f"{variable}: is not JSON") from None
    try:
        settings.platform_table  # noqa: B018 - a correction that names no platform must fail at start, not in mid send
    except ValueError as error:
        raise SettingsInvalid(f"WOOSHQ_PLATFORMS: {error}") from None
    return settings


class _Opening:
    """A thread that opens places: an embedded Redis that is frozen, or loads a long file, must not hold a producer up."""

    def __init__(self, open_: Callable[[], Places]) -> None:
        self.pid = os.getpid()
        self._open = open_
        self._done = threading.Event()
        self._places: Places | None = None
        self._error: Exception | None = None
        threading.Thread(target=self._run, name="wooshq-opening", daemon=True).start()

    def _run(self) -> None:
        try:
            self._places = self._open()
        except Exception as error:
            self._error = error
        self._done.set()

    @property
    def failed(self) -> bool:
        return self._error is not None

    def result(self, within_s: float) -> Places:
        """What it opened. Raises LedgerUnavailable where it could not, or not in time; SettingsInvalid where it never will."""
        if not self._done.wait(within_s):
            raise LedgerUnavailable(f"the embedded Redis was not ready within {within_s:g} s", maybe_done=False)
        if isinstance(self._error, EmbeddedRedisError):
            raise LedgerUnavailable(str(self._error), maybe_done=False) from self._error
        if self._error is not None:
            raise self._error
        assert self._places is not None
        return self._places


class Installation:
    """What the sync and the async client have in common: settings, places, the Celery app, the publisher. Opened at first use."""

    def __init__(self, settings: Settings | None = None) -> None:
        self._settings = settings
        self._lock = threading.RLock()
        self._places: Places | None = None
        self._opening: _Opening | None = None
        self._opening_lock = threading.Lock()
        self._publisher: Publisher | None = None
        self._app: WooshqApp | None = None

    @property
    def settings(self) -> Settings:
        if self._settings is None:
            self._settings = load_settings()
        return self._settings

    @property
    def places(self) -> Places:
        """Where Redis and the broker are; an embedded one may take half a minute to load its file. Raises EmbeddedRedisError."""
        if self._places is None:
            with self._lock:
                self._places = self._places or places(self.settings)
        return self._places

    @property
    def is_closed(self) -> bool:
        """Whether nothing was reached yet: the next one to ask may have to start an embedded Redis."""
        return self._places is None

    @property
    def where(self) -> str:
        """The ledger's Redis as it may be shown."""
        return self._places.where if self._places is not None else "the embedded Redis"

    def reach(self, within_s: float) -> Places:
        """
        `places` for who cannot wait so long: the opening goes on in a thread, and a later call finds it done.

        Raises LedgerUnavailable.
        """
        if self._places is not None:
            return self._places
        with self._opening_lock:
            opening = self._opening
            if opening is None or opening.pid != os.getpid() or opening.failed:
                opening = self._opening = _Opening(lambda: self.places)
        return opening.result(within_s)

    @property
    def app(self) -> WooshqApp:
        """The Celery app on which this client publishes."""
        if self._app is None:
            with self._lock:
                self._app = self._app or make_app(self.settings, self.places.broker_url)
        return self._app

    @property
    def publisher(self) -> Publisher:
        if self._publisher is None:
            with self._lock:
                self._publisher = self._publisher or Publisher(self.app, ids_per_message=self.settings.ids_per_message)
        return self._publisher

    def close(self) -> None:
        """Publish what waits, and let go of the embedded Redis."""
        if self._publisher is not None:
            self._publisher.close()
            self._publisher = None
        if self._app is not None:
            self._app.close()
            self._app = None
        if self._places is not None:
            self._places.release()
            self._places = None
        self._opening = None
