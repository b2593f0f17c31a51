"""Where Redis and the broker are, and clients for them that do not hang."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

import redis
import redis.asyncio as aredis
from redis.asyncio.retry import Retry as ARetry
from redis.backoff import NoBackoff
from redis.retry import Retry

from wooshq.celery_app import is_amqp
from wooshq.embedded import ACQUIRE_S, EmbeddedRedis
from wooshq.errors import SettingsInvalid
from wooshq.settings import Settings


@dataclass(frozen=True)
class Places:
    """URLs of the ledger and the broker; `embedded` is the Redis that this process shares, if it does."""

    redis_url: str
    broker_url: str
    embedded: EmbeddedRedis | None = None

    @property
    def where(self) -> str:
        """The ledger's Redis as it may be shown: without user and password."""
        parts = urlsplit(self.redis_url)
        return parts.path if parts.scheme == "unix" else f"{parts.hostname or 'localhost'}:{parts.port or 6379}"

    def release(self) -> None:
        """Let go of the embedded Redis; its last user ends it."""
        if self.embedded is not None:
            self.embedded.release()


def places(settings: Settings, *, within_s: float = ACQUIRE_S) -> Places:
    """
    Follow the rules of the design's table: an unset ledger is the broker's Redis, what is still unset is embedded.

    within_s: how long an embedded one may take to be ready. Raises SettingsInvalid where a URL is of no kind that we know, EmbeddedRedisError where the embedded one cannot be had.
    """
    broker, ledger = settings.broker_url, settings.redis_url
    if ledger is None and broker is not None and broker.startswith(("redis://", "rediss://", "redis+socket://", "unix://")):
        ledger = broker
    if broker is None and ledger is not None:
        broker = ledger
    embedded = None
    if broker is None or ledger is None:
        embedded = EmbeddedRedis(settings.data_dir, within_s=within_s)
        url = embedded.acquire()
        ledger = ledger or url
        broker = broker or embedded.broker_url
    if broker.startswith("unix://"):
        broker = broker.replace("unix://", "redis+socket://", 1).replace("?db=", "?virtual_host=", 1)
    if ledger.startswith("redis+socket://"):
        ledger = ledger.replace("redis+socket://", "unix://", 1).replace("?virtual_host=", "?db=", 1)
    if not ledger.startswith(("redis://", "rediss://", "unix://")):
        raise SettingsInvalid("WOOSHQ_REDIS_URL: must be redis://, rediss:// or unix://; with another broker, name the ledger's Redis here")
    if not (broker.startswith(("redis://", "rediss://", "redis+socket://", "sentinel://")) or is_amqp(broker)):
        raise SettingsInvalid("WOOSHQ_BROKER_URL: must be redis://, rediss://, sentinel:// or amqp://")
    return Places(ledger, broker, embedded)


def client(url: str, within_s: float) -> redis.Redis:
    """
    A client none of whose calls takes longer than about `within_s`: connecting gets a fifth of it for each of a host's two
    addresses, an answer gets the rest, and nothing is tried twice here (redis-py would, for up to a minute: known fault 8).
    """
    return redis.Redis.from_url(
        url,
        socket_connect_timeout=within_s * 0.2,
        socket_timeout=within_s * 0.55,
        retry=Retry(NoBackoff(), 0),
        health_check_interval=0,
        **_plain(url),
    )


def aclient(url: str, within_s: float, *, connections: int = 64) -> aredis.Redis:
    """`client` for asyncio."""
    pool = aredis.BlockingConnectionPool.from_url(
        url,
        max_connections=connections,
        timeout=within_s,
        socket_connect_timeout=within_s * 0.2,
        socket_timeout=within_s * 0.55,
        retry=ARetry(NoBackoff(), 0),
        health_check_interval=0,
        **_plain(url),
    )
    return aredis.Redis(connection_pool=pool)


def _plain(url: str) -> dict[str, object]:
    """RESP2, and no CLIENT SETINFO: each would be one more round trip of a new connection that can hang."""
    options: dict[str, object] = {"protocol": 2, "driver_info": None}
    if not url.startswith("unix://"):
        options["socket_keepalive"] = True
    return options
