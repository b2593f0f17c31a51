"""One installation in this process: its settings, Redis, broker, Celery app and publisher, each opened at first use."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from wooshq.errors import EmbeddedRedisError, LedgerUnavailable
from wooshq.installation import forks
from wooshq.installation.celery_app import WooshqApp, make_app
from wooshq.installation.memory import here, standing_in
from wooshq.installation.places import Places, places
from wooshq.installation.publish import Publisher
from wooshq.settings import Settings, load_settings
from wooshq.settings.server_url import EMBEDDED, MEMORY

if TYPE_CHECKING:
    from wooshq.installation.memory.ledger import MemoryLedger

log = logging.getLogger("wooshq.publish")


def no_thread() -> LedgerUnavailable:
    """The error of a process in which no thread can start."""
    return LedgerUnavailable("no thread can start in this process to open the embedded Redis", maybe_done=False)


class _Opening:
    """A thread that opens places. So a producer does not wait for an embedded Redis that is frozen or loads a long file."""

    def __init__(self, open_: Callable[[], Places]) -> None:
        self._open = open_
        self._done = threading.Event()
        self._places: Places | None = None
        self._error: Exception | None = None
        try:
            threading.Thread(target=self._run, name="wooshq-opening", daemon=True).start()
        except RuntimeError as error:
            raise no_thread() from error

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
        """The opened places. Raises LedgerUnavailable if they could not be opened, or not in time; SettingsInvalid if they never can be."""
        if not self._done.wait(within_s):
            raise LedgerUnavailable(f"the embedded Redis was not ready within {within_s:g} s", maybe_done=False)
        if isinstance(self._error, EmbeddedRedisError):
            raise LedgerUnavailable(str(self._error), maybe_done=False) from self._error
        if self._error is not None:
            raise self._error
        assert self._places is not None
        return self._places


class Installation:
    """What the sync and the async face share. Threads may share it, and so may forked processes."""

    def __init__(self, settings: Settings | None = None) -> None:
        """settings: None for those of the environment, read at first use."""
        self._settings = self._given = settings
        self._places: Places | None = None
        self._publisher: Publisher | None = None
        self._app: WooshqApp | None = None
        self._renew()
        forks.renew_in_children(self, Installation._renew)

    def _renew(self) -> None:
        """In a forked child: what the parent's threads had begun is theirs. The places stay, and the child shares the embedded Redis."""
        forks.keep(self._publisher, self._app)
        self._lock = threading.RLock()
        self._opening_lock = threading.Lock()
        self._opening: _Opening | None = None
        self._publisher = self._app = None

    @property
    def settings(self) -> Settings:
        """Raises SettingsInvalid if the environment's are not valid."""
        if self._settings is None:
            self._settings = load_settings()
        stand_in = standing_in.current()
        return self._settings if stand_in is None else stand_in.complete(self._settings)

    @property
    def memory(self) -> MemoryLedger | None:
        """The ledger in memory that is used instead of Redis and the broker; None if there is none. Raises SettingsInvalid."""
        if (stand_in := standing_in.current()) is not None:
            return stand_in.ledger
        if self.settings.broker_url != MEMORY:
            return None
        return here.of(self.settings).ledger

    def open(self) -> None:
        """Open Redis now, and not at the first call. Raises EmbeddedRedisError, SettingsInvalid."""
        if self.memory is None:
            _ = self.places

    @property
    def places(self) -> Places:
        """Where Redis and the broker are. An embedded Redis may take half a minute to load its file. Raises EmbeddedRedisError, SettingsInvalid."""
        if self._places is None:
            with self._lock:
                self._places = self._places or places(self.settings)
        return self._places

    @property
    def opens_slowly(self) -> bool:
        """Whether the next call may have to start an embedded Redis. Raises SettingsInvalid."""
        return self._places is None and self.settings.redis_url == EMBEDDED

    @property
    def where(self) -> str:
        """The ledger's Redis, as it may be shown."""
        return self._places.where if self._places is not None else "the embedded Redis"

    def reach(self, within_s: float) -> Places:
        """
        `places`, for a caller that cannot wait so long. The opening goes on in a thread, and a later call gets its result.

        Raises LedgerUnavailable, SettingsInvalid.
        """
        if not self.opens_slowly:
            return self.places
        with self._opening_lock:
            opening = self._opening
            if opening is None or opening.failed:
                opening = self._opening = _Opening(lambda: self.places)
        return opening.result(within_s)

    @property
    def app(self) -> WooshqApp:
        """The Celery app that publishes."""
        if self._app is None:
            with self._lock:
                self._app = self._app or make_app(self.settings, self.places.broker_url)
        return self._app

    @property
    def publisher(self) -> Publisher:
        """Rings bells and calls turns in the background."""
        if self._publisher is None:
            with self._lock:
                self._publisher = self._publisher or self._new_publisher()
        return self._publisher

    def _new_publisher(self) -> Publisher:
        # A quarter of the time, so that `enqueue` with all its parts takes at most about `accept_within_s`.
        in_place_s = self.settings.accept_within_s / 4
        return Publisher(self.app, in_place_s=in_place_s)

    def ring(self, lane: str, hops: int = 0) -> None:
        """
        Ring the bell of a lane soon. Never raises: what was accepted is in the ledger, and the caller must learn that. If it cannot be rung
        here, the keeper does it.

        hops: how many workers that were full passed it on.
        """
        if self.memory is not None:
            return
        try:
            self.publisher.ring(lane, hops)
        except Exception as error:
            _log_not_published(error)

    def call_turns(self, n: int) -> None:
        """Tell workers soon that `n` chunks wait. Never raises, for the same reason."""
        if self.memory is not None:
            return
        try:
            self.publisher.call_turns(n)
        except Exception as error:
            _log_not_published(error)

    def flush(self, within_s: float) -> bool:
        """See `Wooshq.flush`."""
        if standing_in.current() is not None:
            return True
        if self.settings.broker_url == MEMORY:
            return here.of(self.settings).worker.flush(within_s)
        return self.publisher.flush(within_s)

    def close(self) -> None:
        """Publish what waits, and release the embedded Redis. A later call opens everything again."""
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

    def reset(self) -> None:
        """`close`, and forget the settings of the environment: the next use reads them again."""
        with self._lock:  # an embedded Redis that is being opened belongs to the old settings
            self.close()
            self._settings = self._given


def _log_not_published(error: Exception) -> None:
    log.warning("bell_not_rung: no worker was told of what was accepted; the keeper will do it (%s)", type(error).__name__)
