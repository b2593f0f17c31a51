"""Where are the ledger's Redis and the broker? From two URLs, of which one or both may be unset."""

from __future__ import annotations

from dataclasses import dataclass

from wooshq.installation.embedded import ACQUIRE_S, EmbeddedRedis
from wooshq.settings import Settings
from wooshq.settings.redis_url import is_redis_url, redis_url


@dataclass(frozen=True)
class Places:
    """The URLs of the ledger and the broker. embedded: the embedded Redis, if this process uses it."""

    redis_url: str
    broker_url: str
    embedded: EmbeddedRedis | None = None

    @property
    def where(self) -> str:
        """The ledger's Redis, as it may be shown: without user and password."""
        return redis_url(self.redis_url).where

    def release(self) -> None:
        """Release the embedded Redis. Its last user stops it."""
        if self.embedded is not None:
            self.embedded.release()


def places(settings: Settings, *, within_s: float = ACQUIRE_S) -> Places:
    """
    The places that the settings name. If one URL is unset, the other one is used for both. If that cannot be, the embedded Redis is used.

    within_s: how long the embedded Redis may take to be ready. Raises EmbeddedRedisError if it cannot be used.
    """
    broker, ledger = settings.broker_url, settings.redis_url
    if ledger is None and broker is not None and is_redis_url(broker):
        ledger = broker
    if broker is None and ledger is not None:
        broker = ledger
    embedded = None
    if broker is None or ledger is None:
        embedded = EmbeddedRedis(settings.data_dir, within_s=within_s)
        url = embedded.acquire()
        ledger = ledger or url
        broker = broker or embedded.broker_url
    return Places(ledger, broker, embedded)
