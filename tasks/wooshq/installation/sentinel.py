"""Connections to the primary that Sentinels name. They are asked before each new connection, because the primary changes."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, Any, TypeAlias

import redis
import redis.asyncio as aredis
from redis.asyncio.retry import Retry as ARetry
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, RedisError, ResponseError
from redis.retry import Retry

from wooshq.installation.connections import AsyncTls, BoundedConnection, BoundedTls, TlsConnection
from wooshq.settings.redis_url import RedisUrl

Address: TypeAlias = tuple[str, int]


class Sentinels:
    """
    The Sentinels that watch one primary. All connections of a client share it, in all threads.

    changes: how often a server said that it is not the primary any more. A connection that is older than the last time is made anew.
    """

    def __init__(self, server: RedisUrl, within_s: float) -> None:
        """within_s: how long one Sentinel may take to connect, and then to answer."""
        assert server.master is not None
        self.changes = 0
        self._master = server.master
        self._addresses = server.hosts  # those that did not answer come last
        self._options: dict[str, Any] = {
            "username": server.sentinel.get("username"),
            "password": server.sentinel.get("password"),
            "socket_connect_timeout": within_s,
            "socket_timeout": within_s,
            "protocol": 2,
            "driver_info": None,
            **(server.tls or {}),
        }
        self._with_tls = server.tls is not None

    def primary(self) -> Address:
        """The address of the primary. Raises redis.AuthenticationError or redis.ConnectionError if no Sentinel names it."""
        search = self._search()
        address = next(search)
        while True:
            try:
                address = search.send(self._ask(address))
            except StopIteration as found:
                return found.value  # type: ignore[no-any-return]

    async def aprimary(self) -> Address:
        """`primary` for asyncio."""
        search = self._search()
        address = next(search)
        while True:
            try:
                address = search.send(await self._aask(address))
            except StopIteration as found:
                return found.value  # type: ignore[no-any-return]

    def ask_another_first(self) -> None:
        """The server that the first Sentinel named cannot be reached. Perhaps that Sentinel has not heard of a failover yet."""
        self._addresses = (*self._addresses[1:], self._addresses[0])

    def _search(self) -> Generator[Address, Any, Address]:
        """Gives each Sentinel's address, and is sent its answer or the error."""
        errors = []
        for address in self._addresses:
            answer = yield address
            if isinstance(answer, list):
                return str(answer[0].decode()), int(answer[1])
            errors.append(answer)
            self._addresses = (*(one for one in self._addresses if one != address), address)
        if refused := next((error for error in errors if isinstance(error, AuthenticationError)), None):
            raise refused
        if None in errors:
            raise ConnectionError(f"no Sentinel knows a primary with the name {self._master}")
        raise ConnectionError("no Sentinel answers")

    def _ask(self, address: Address) -> Any:
        kind = BoundedTls if self._with_tls else BoundedConnection
        connection = kind(host=address[0], port=address[1], retry=Retry(NoBackoff(), 0), **self._options)
        try:
            connection.send_command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", self._master)  # type: ignore[no-untyped-call]
            return connection.read_response()
        except (RedisError, OSError) as error:
            return error
        finally:
            connection.disconnect()  # type: ignore[no-untyped-call]

    async def _aask(self, address: Address) -> Any:
        kind = AsyncTls if self._with_tls else aredis.Connection
        connection = kind(host=address[0], port=address[1], retry=ARetry(NoBackoff(), 0), **self._options)
        try:
            await connection.send_command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", self._master)
            return await connection.read_response()
        except (RedisError, OSError) as error:
            return error
        finally:
            await connection.disconnect(nowait=True)


def _is_demoted(error: ResponseError) -> bool:
    """Whether a server says that it is a replica now. A script's error has the word inside its text."""
    return isinstance(error, redis.ReadOnlyError) or "READONLY" in str(error)[:400]


if TYPE_CHECKING:  # the classes below mix these in

    class _Connection(redis.Connection): ...

    class _AsyncConnection(aredis.Connection): ...
else:
    _Connection = _AsyncConnection = object


class _FindsPrimary(_Connection):
    """A connection that asks the Sentinels where to connect to."""

    def __init__(self, *, sentinels: Sentinels, **options: Any) -> None:
        self._sentinels = sentinels
        self._changes = -1
        super().__init__(**options)  # type: ignore[no-untyped-call]

    def connect(self) -> None:
        if self._sock is not None and self._changes != self._sentinels.changes:
            self.disconnect()
        super().connect()  # type: ignore[no-untyped-call]

    def _connect(self) -> Any:
        self._changes = self._sentinels.changes
        self.host, self.port = self._sentinels.primary()
        try:
            return super()._connect()  # type: ignore[no-untyped-call]
        except Exception:
            self._sentinels.ask_another_first()
            raise

    def read_response(self, *args: Any, **options: Any) -> Any:
        try:
            return super().read_response(*args, **options)
        except ResponseError as error:
            if _is_demoted(error):
                self._sentinels.changes += 1
            raise


class _AsyncFindsPrimary(_AsyncConnection):
    """The same for asyncio."""

    def __init__(self, *, sentinels: Sentinels, **options: Any) -> None:
        self._sentinels = sentinels
        self._changes = -1
        super().__init__(**options)

    async def connect(self) -> None:
        if self.is_connected and self._changes != self._sentinels.changes:
            await self.disconnect(nowait=True)
        await super().connect()  # type: ignore[no-untyped-call]

    async def _connect(self) -> None:
        self._changes = self._sentinels.changes
        self.host, self.port = await self._sentinels.aprimary()
        try:
            await super()._connect()  # type: ignore[no-untyped-call]
        except Exception:
            self._sentinels.ask_another_first()
            raise

    async def read_response(self, *args: Any, **options: Any) -> Any:
        try:
            return await super().read_response(*args, **options)
        except ResponseError as error:
            if _is_demoted(error):
                self._sentinels.changes += 1
            raise


class Primary(_FindsPrimary, redis.Connection):
    """For Celery's channels."""


class PrimaryTls(_FindsPrimary, TlsConnection):
    """For Celery's channels, over TLS."""


class BoundedPrimary(_FindsPrimary, BoundedConnection):
    """For the ledger's client."""


class BoundedPrimaryTls(_FindsPrimary, BoundedTls):
    """For the ledger's client, over TLS."""


class AsyncPrimary(_AsyncFindsPrimary, aredis.Connection):
    """For the ledger's async client."""


class AsyncPrimaryTls(_AsyncFindsPrimary, AsyncTls):
    """For the ledger's async client, over TLS."""
