"""What came of one delivery: the receiver's status, or what broke. Pure."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Answer:
    """status: None if there was no answer, and then `error` says why; it has nothing of the URL. retry_after_s: what the receiver asked for."""

    status: int | None
    latency_ms: float
    error: str = ""
    retry_after_s: float | None = None

    @property
    def is_success(self) -> bool:
        """Whether the receiver took it."""
        return self.status is not None and 200 <= self.status <= 299

    @property
    def is_gone(self) -> bool:
        """Whether the receiver wants nothing any more."""
        return self.status == 410

    @property
    def why(self) -> str:
        """Why it is no success, in words."""
        if self.status is None:
            return self.error
        if 300 <= self.status <= 399:
            return f"HTTP {self.status}: redirects are not followed"
        return f"HTTP {self.status}"
