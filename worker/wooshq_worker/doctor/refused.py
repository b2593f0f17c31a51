"""Does a server refuse the user or the password, or can it not be reached?"""

from __future__ import annotations

import redis
from amqp.exceptions import AccessRefused


def is_refused(error: BaseException) -> bool:
    """Whether the server answered and refused the user or the password."""
    seen: BaseException | None = error
    for _ in range(5):
        if isinstance(seen, (redis.AuthenticationError, redis.exceptions.NoPermissionError, AccessRefused)):
            return True
        if seen is None:
            return False
        seen = seen.__cause__ or seen.__context__
    return False
