"""How many requests a token may make: a bucket that fills at the rate, and holds the requests of one second. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(slots=True)
class Bucket:
    """left: requests that may come at once. at: when that was counted, seconds of a monotonic clock."""

    left: float
    at: float

    def take(self, rate_per_s: float, now: float, at_once: float | None = None) -> int:
        """Take one request out. 0 if it may come; otherwise seconds to wait, at least 1. at_once: what the bucket holds, if not a second's requests."""
        most = max(1.0, rate_per_s) if at_once is None else at_once
        self.left = min(most, self.left + (now - self.at) * rate_per_s)
        self.at = now
        if self.left < 1:
            return max(1, math.ceil((1 - self.left) / rate_per_s))
        self.left -= 1
        return 0
