"""Where are the ledger's Redis and the broker? From two URLs, of which one or both may be unset."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from wooshq.errors import SettingsInvalid
from wooshq.installation.celery_app import is_amqp
from wooshq.installation.embedded import ACQUIRE_S, EmbeddedRedis
from wooshq.settings import Settings

_REDIS_OF_CELERY = ("redis://", "rediss://", "redis+socket://")


@dataclass(frozen=True)
class Places:
    """The URLs of the ledger and the broker. embedded: the embedded Redis, if this process uses it."""

    redis_url: str
    broker_url: str
    embedded: EmbeddedRedis | None = None

    @property
    def where(self) -> str:
        """The ledger's Redis, as it may be shown: without user and password."""
        parts = urlsplit(self.redis_url)
        return parts.path if parts.scheme == "unix" else f"{parts.hostname or 'localhost'}:{parts.port or 6379}"

    def release(self) -> None:
        """Release the embedded Redis. Its last user stops it."""
        if self.embedded is not None:
            self.embedded.release()


def places(settings: Settings, *, within_s: float = ACQUIRE_S) -> Places:
    """
    The places that the settings name. If one URL is unset, the other one is used for both. If that cannot be, the embedded Redis is used.

    within_s: how long the embedded Redis may take to be ready. Raises SettingsInvalid if a URL is of an unknown kind, EmbeddedRedisError if
    the embedded Redis cannot be used.
    """
    broker, ledger = settings.broker_url, settings.redis_url
    if ledger is None and broker is not None and broker.startswith((*_REDIS_OF_CELERY, "unix://")):
        ledger = broker
    if broker is None and ledger is not None:
        broker = ledger
    embedded = None
    if broker is None or ledger is None:
        embedded = EmbeddedRedis(settings.data_dir, within_s=within_s)
        url = embedded.acquire()
        ledger = ledger or url
        broker = broker or embedded.broker_url
    # Celery and redis-py write the URL of a socket differently.
    if broker.startswith("unix://"):
        broker = broker.replace("unix://", "redis+socket://", 1).replace("?db=", "?virtual_host=", 1)
    if ledger.startswith("redis+socket://"):
        ledger = ledger.replace("redis+socket://", "unix://", 1).replace("?virtual_host=", "?db=", 1)
    if not ledger.startswith(("redis://", "rediss://", "unix://")):
        raise SettingsInvalid(
            "WOOSHQ_REDIS_URL: must be redis://, rediss:// or unix://. If the broker is not Redis, name the ledger's Redis here"
        )
    if not (broker.startswith((*_REDIS_OF_CELERY, "sentinel://")) or is_amqp(broker)):
        raise SettingsInvalid("WOOSHQ_BROKER_URL: must be redis://, rediss://, sentinel:// or amqp://")
    return Places(ledger, broker, embedded)
