"""Why does a server refuse us: the user or the password, or a right that the user does not have?"""

from __future__ import annotations

import redis
from amqp.exceptions import AccessRefused

from wooshq.ledger.run import causes


def is_refused(error: BaseException) -> bool:
    """Whether the server answered and refused the user or the password."""
    return any(isinstance(cause, (redis.AuthenticationError, AccessRefused)) for cause in causes(error))


def lacks_a_right(error: BaseException) -> bool:
    """Whether Redis does not let its user run a command."""
    return any(isinstance(cause, redis.exceptions.NoPermissionError) for cause in causes(error))
