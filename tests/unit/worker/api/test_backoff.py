"""How long before the next attempt."""

from __future__ import annotations

import doctest

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wooshq_worker.api import backoff
from wooshq_worker.api.backoff import Backoff, wait_before

policies = st.builds(Backoff, base_s=st.floats(0.001, 1e6), ceiling_s=st.floats(0.001, 1e6))
jitters = st.floats(0, 1, exclude_max=True)


def test_the_examples_in_its_docstring_hold() -> None:
    assert doctest.testmod(backoff).failed == 0


class WhenAnAttemptWaits:
    @given(attempt=st.integers(2, 10**9), policy=policies, jitter=jitters)
    def test_the_wait_is_between_zero_and_the_ceiling(self, attempt: int, policy: Backoff, jitter: float) -> None:
        assert 0 <= wait_before(attempt, policy, jitter=jitter) <= policy.ceiling_s

    @given(attempt=st.integers(2, 10**6), policy=policies, jitter=jitters)
    def test_a_later_attempt_never_has_a_shorter_range(self, attempt: int, policy: Backoff, jitter: float) -> None:
        assert wait_before(attempt, policy, jitter=jitter) <= wait_before(attempt + 1, policy, jitter=jitter)

    @given(attempt=st.integers(2, 60), policy=policies)
    def test_the_whole_range_is_used(self, attempt: int, policy: Backoff) -> None:
        ceiling = min(policy.ceiling_s, policy.base_s * 2 ** (attempt - 2))
        assert wait_before(attempt, policy, jitter=0.0) == 0
        assert wait_before(attempt, policy, jitter=0.5) == pytest.approx(ceiling / 2)

    @given(attempt=st.integers(max_value=1))
    def test_the_first_attempt_does_not_wait(self, attempt: int) -> None:
        with pytest.raises(ValueError, match="does not wait"):
            wait_before(attempt, Backoff(2, 600), jitter=0.5)
