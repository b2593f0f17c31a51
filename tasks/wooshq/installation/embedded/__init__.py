"""The embedded Redis: one server for each data folder, shared by all processes that use the folder (`shared_server`)."""

from wooshq.errors import EmbeddedRedisError
from wooshq.installation.embedded.shared_server import ACQUIRE_S, EmbeddedRedis, urls_for

__all__ = ["ACQUIRE_S", "EmbeddedRedis", "EmbeddedRedisError", "urls_for"]
