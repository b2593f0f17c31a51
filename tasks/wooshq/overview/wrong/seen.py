"""What the rules look at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from wooshq.jobs.show import Job
from wooshq.letters.replays.show import Replay
from wooshq.overview.facts import Facts, Pulse, Receivers, RedisState
from wooshq.overview.lanes import LaneNow
from wooshq.settings import Settings


@dataclass(frozen=True, slots=True)
class Seen:
    """Everything that was read at one moment. jobs: those that have not ended. replays: those that are paused or stopped. learned: application → the ceiling learned from answers 429."""

    facts: Facts
    pulse: Pulse
    redis: RedisState
    jobs: Sequence[Job]
    lanes: Sequence[LaneNow]
    settings: Settings
    learned: Mapping[str, float] = field(default_factory=dict)
    receivers: Receivers = field(default_factory=Receivers)
    replays: Sequence[Replay] = ()

    @property
    def now_ms(self) -> int:
        return self.facts.backlog.now_ms

    def ago_s(self, moment_ms: float) -> float:
        """How long ago that was."""
        return max(0.0, (self.now_ms - moment_ms) / 1000)
