"""Why does a server refuse us: the user or the password, or a right that the user does not have?"""

from __future__ import annotations

from collections.abc import Iterator

import redis
from amqp.exceptions import AccessRefused


def is_refused(error: BaseException) -> bool:
    """Whether the server answered and refused the user or the password."""
    return any(isinstance(cause, (redis.AuthenticationError, AccessRefused)) for cause in _causes(error))


def lacks_a_right(error: BaseException) -> bool:
    """Whether Redis does not let its user run a command."""
    return any(isinstance(cause, redis.exceptions.NoPermissionError) for cause in _causes(error))


def _causes(error: BaseException) -> Iterator[BaseException]:
    seen: BaseException | None = error
    for _ in range(5):
        if seen is None:
            return
        yield seen
        seen = seen.__cause__ or seen.__context__
