"""How long to wait before the next attempt?"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Backoff:
    """
    base_s: ceiling of the wait before attempt 2; it doubles with every attempt.
    ceiling_s: the longest wait.
    """

    base_s: float
    ceiling_s: float


def wait_until(not_before_s: float, *, jitter: float) -> float:
    """
    Seconds to wait for a Retry-After of `not_before_s`: never less, and spread over the time after it, so that not all come back in the same
    second. 0 if it is over. jitter: as in `wait_before`.
    """
    return not_before_s + 0.05 + jitter * min(5.0, not_before_s / 4) if not_before_s > 0 else 0.0


def wait_before(attempt: int, policy: Backoff, *, jitter: float) -> float:
    """
    Seconds in [0, policy.ceiling_s) to wait before an attempt: exponential, with full jitter, so that workers do not retry in step.

    attempt: 2 or more; the first never waits (ValueError: a bug in the caller). jitter: uniform in [0, 1), drawn by the caller.
    Rule: Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.

    >>> policy = Backoff(base_s=2, ceiling_s=600)
    >>> [wait_before(attempt, policy, jitter=0.5) for attempt in (2, 3, 4, 5)]
    [1.0, 2.0, 4.0, 8.0]
    >>> wait_before(50, policy, jitter=0.5)
    300.0
    >>> wait_before(2, policy, jitter=0.0)
    0.0
    >>> wait_before(1, policy, jitter=0.5)
    Traceback (most recent call last):
        ...
    ValueError: attempt 1 does not wait; the first that waits is attempt 2
    """
    if attempt < 2:
        raise ValueError(f"attempt {attempt} does not wait; the first that waits is attempt 2")
    # 2**1100 does not fit into a float; every ceiling is reached long before.
    doublings = min(attempt - 2, 1000)
    return float(jitter * min(policy.ceiling_s, policy.base_s * 2.0**doublings))
