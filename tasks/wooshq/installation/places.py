"""Where are the ledger's Redis and the broker? From two URLs, of which one or both may be unset."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Final

from redis.exceptions import ConnectionError

from wooshq.errors import LedgerUnavailable, SettingsInvalid
from wooshq.installation.embedded import ACQUIRE_S, EmbeddedRedis
from wooshq.settings import Settings
from wooshq.settings.redis_url import is_redis_url, redis_url
from wooshq.settings.server_url import EMBEDDED, MEMORY
from wooshq.settings.under_pytest import opened_too_early

NOT_NAMED: Final = "WOOSHQ_REDIS_URL is not set, so this uses the embedded Redis. Only processes that use the same folder see its messages"
"""For a command or a worker that uses the embedded Redis without being asked to."""
RESTARTS_WITHIN_S: Final = 1.0
LOOK_AGAIN_S: Final = 0.05
"""How long a call waits for an embedded Redis that is started again, and how often it asks."""
NAME_IT: Final = f"Set WOOSHQ_REDIS_URL to your own Redis, or to {EMBEDDED} if this is right"


@dataclass(frozen=True)
class Places:
    """The URLs of the ledger and the broker. embedded: the embedded Redis, if this process uses it."""

    redis_url: str
    broker_url: str
    embedded: EmbeddedRedis | None = None

    @cached_property
    def where(self) -> str:
        """The ledger's Redis, as it may be shown: without user and password. Every call asks for it."""
        return redis_url(self.redis_url).where

    def does_not_answer(self) -> None:
        """An embedded Redis that has ended is started again, in the background. Any other server is its operator's."""
        if self.embedded is not None:
            self.embedded.restart_soon()

    def restarts(self, error: LedgerUnavailable) -> bool:
        """
        `does_not_answer`; and whether it is worth to ask again in a moment: nothing listens at the embedded Redis, and what was asked has
        never left this process.
        """
        self.does_not_answer()
        return self.embedded is not None and not error.maybe_done and isinstance(error.__cause__, ConnectionError)

    def release(self) -> None:
        """Release the embedded Redis. Its last user stops it."""
        if self.embedded is not None:
            self.embedded.release()


def places(settings: Settings, *, within_s: float = ACQUIRE_S) -> Places:
    """
    The places that the settings name. If one URL is unset, the other one is used for both.

    The embedded Redis is used only if the settings ask for it. If a web app that forgot its URL got one, it would give out ids that no worker
    ever sees.

    within_s: how long the embedded Redis may take to be ready. Raises SettingsInvalid if no Redis is named, EmbeddedRedisError if the
    embedded one cannot be used.
    """
    broker, ledger = settings.broker_url, settings.redis_url
    if ledger is None:
        if broker is None or not is_redis_url(broker):
            raise _no_redis_named(settings)
        ledger = broker
    if ledger != EMBEDDED:
        return Places(ledger, broker or ledger)
    embedded = EmbeddedRedis(settings.data_dir, within_s=within_s)
    return Places(embedded.acquire(), broker or embedded.broker_url, embedded)


def or_embedded(settings: Settings) -> Settings:
    """
    The settings of a command or a worker: if they name neither a Redis nor a broker, they ask for the embedded Redis.

    Raises SettingsInvalid if messages are in the memory of an app's process.
    """
    if settings.broker_url == MEMORY:
        raise SettingsInvalid(
            f"With WOOSHQ_BROKER_URL={MEMORY}, messages and worker are in the process of your app, and no other process can see them. "
            f"Unset it, and set WOOSHQ_REDIS_URL={EMBEDDED} to share messages between processes"
        )
    if settings.redis_url is not None or settings.broker_url is not None:
        return settings
    return settings.model_copy(update={"redis_url": EMBEDDED})


def _no_redis_named(settings: Settings) -> SettingsInvalid:
    broker = "" if settings.broker_url is None else " The broker is not Redis, and the ledger needs a Redis."
    return SettingsInvalid(
        f"WOOSHQ_REDIS_URL is not set.{broker} Set it to the Redis that your workers use. "
        f"For the embedded Redis in {settings.data_dir.absolute()}, set WOOSHQ_REDIS_URL={EMBEDDED}{opened_too_early()}"
    )
