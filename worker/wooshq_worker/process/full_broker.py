"""The broker's bookkeeping goes on in a full Redis: a worker that could not read its lanes would never free any memory."""

from __future__ import annotations

from typing import Any, Final

from redis import ConnectionPool, Redis
from redis.client import Pipeline
from redis.exceptions import OutOfMemoryError, RedisError

_THROUGH: Final = """
redis.call('PERSIST', 'unacked')
local out, i = {}, 1
while i <= #ARGV do
  local n = tonumber(ARGV[i])
  out[#out + 1] = redis.call(unpack(ARGV, i + 1, i + n))
  i = i + n + 1
end
return out
"""
"""
ARGV: commands, each as the number of its words and then its words. Returns their answers.

A full Redis (`maxmemory` reached, `noeviction`) refuses every transaction, and a script whose first write may need memory; it lets all later
writes of a script through (known fault F27). So the first write needs none; it does nothing to a key that never expires.
"""


class GoesOnWhenFull:
    """
    Of a kombu channel. What it writes to a full Redis is written all the same: a message moves from its lane to the list of those that are not
    acknowledged, and leaves that list; the keeper publishes ids that are in the ledger. Producers are refused when they accept.
    """

    def _get_client(self) -> Any:
        client = super()._get_client()  # type: ignore[misc]
        return _Client if client is Redis else client


class _Client(Redis):
    def execute_command(self, *args: Any, **options: Any) -> Any:
        try:
            return super().execute_command(*args, **options)  # type: ignore[no-untyped-call]
        except OutOfMemoryError as error:
            return _through(self.connection_pool, [args], error)[0]

    def pipeline(self, transaction: bool = True, shard_hint: str | None = None) -> Pipeline:
        return _Pipeline(self.connection_pool, self.response_callbacks, transaction, shard_hint)


class _Pipeline(Pipeline):
    def execute(self, raise_on_error: bool = True) -> list[Any]:
        commands = [command[0] for command in self.command_stack]
        try:
            return super().execute(raise_on_error)
        except OutOfMemoryError as error:
            return _through(self.connection_pool, commands, error)


def _through(pool: ConnectionPool, commands: list[tuple[Any, ...]], refused: OutOfMemoryError) -> list[Any]:
    """Run commands that a full Redis has refused. Raises what refused them if Redis refuses this too."""
    words = [word for command in commands for word in (len(command), *command)]
    try:
        return Redis(connection_pool=pool).execute_command("EVAL", _THROUGH, 0, *words)  # type: ignore[no-any-return]
    except RedisError:
        raise refused from None
