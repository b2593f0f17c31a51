"""
Every metric: its name, type, labels, buckets, and a sentence about it. The table in docs/metrics.md is written from here.

A label has few values, and none says anything about a person: an application is named for the first `MOST_APPLICATIONS`, and all others
together are `OTHER`; a code of the API has the form of a code, and there are at most `MOST_CODES` of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

OTHER: Final = "other"
"""In place of a label's value, for all values beyond the most that a label may have."""
MOST_APPLICATIONS: Final = 20
MOST_CODES: Final = 50
MOST_JOBS: Final = 20

_CALL_S: Final = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0)
_WAY_S: Final = (0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0, 21600.0)
_ROUND_TRIP_S: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0)


@dataclass(frozen=True, slots=True)
class Metric:
    """buckets: upper bounds of a histogram, in seconds."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    help: str
    labels: Sequence[str] = ()
    buckets: Sequence[float] = ()


# ── What a worker counts ────────────────────────────────────────────────────────────────────────────────────────────────────────────

WORKER: Final = Metric("wooshq_worker", "gauge", "1: this worker runs. The version is that of wooshq.", ("version",))
WORKER_READY: Final = Metric("wooshq_worker_ready", "gauge", "1 if the worker can send now, as /readyz says; otherwise 0.")
IS_KEEPER: Final = Metric("wooshq_worker_is_keeper", "gauge", "1 if this worker is the keeper, and exports the metrics of the ledger, too.")
LOOP_AGE: Final = Metric(
    "wooshq_worker_loop_age_seconds", "gauge", "Age of the last turn of the event loop. Well below 2 if the worker is well."
)
SLOTS: Final = Metric("wooshq_worker_slots", "gauge", "Calls that the worker may make at the same time.", ("lane",))
SLOTS_BUSY: Final = Metric("wooshq_worker_slots_busy", "gauge", "Calls that are in progress, or are about to begin.", ("lane",))
UNSETTLED: Final = Metric("wooshq_worker_unsettled", "gauge", "Ends of messages that the worker knows, and the ledger does not know yet.")
CALLS: Final = Metric(
    "wooshq_calls_total",
    "counter",
    "Calls of the API, by verdict and by the code of the answer; the code of a call that was sent is OK. See docs/verdicts.md.",
    ("lane", "verdict", "code"),
)
APPLICATION_CALLS: Final = Metric(
    "wooshq_application_calls_total", "counter", "Calls of the API, by application.", ("application", "verdict")
)
CALL_SECONDS: Final = Metric("wooshq_call_seconds", "histogram", "How long a call of the API took.", ("lane",), _CALL_S)
ACCEPT_TO_SENT: Final = Metric(
    "wooshq_accept_to_sent_seconds",
    "histogram",
    "From the moment when an intent was accepted until the record that it was sent. Recipients of jobs are not in it.",
    ("lane",),
    _WAY_S,
)
SETTLED: Final = Metric(
    "wooshq_settled_total",
    "counter",
    "Intents that the worker gave back: accepted (sent), failed (to be tried again), handed_back, given_up (dead), expire.",
    ("lane", "event"),
)
SETTLED_LATE: Final = Metric(
    "wooshq_settled_late_total", "counter", "Ends that were refused, because another worker had the intent by then."
)
JOB_RECIPIENTS: Final = Metric(
    "wooshq_job_recipients_total", "counter", "Recipients of jobs that ended in this worker, and those in doubt.", ("outcome",)
)
TAKEN: Final = Metric("wooshq_taken_total", "counter", "Intents that the worker took.", ("lane",))
TAKE_SECONDS: Final = Metric("wooshq_take_seconds", "histogram", "How long a take took: one round trip to Redis.", (), _ROUND_TRIP_S)
SETTLE_SECONDS: Final = Metric("wooshq_settle_seconds", "histogram", "How long a settle took: one round trip to Redis.", (), _ROUND_TRIP_S)

OF_A_WORKER: Final = (
    WORKER,
    WORKER_READY,
    IS_KEEPER,
    LOOP_AGE,
    SLOTS,
    SLOTS_BUSY,
    UNSETTLED,
    CALLS,
    APPLICATION_CALLS,
    CALL_SECONDS,
    ACCEPT_TO_SENT,
    SETTLED,
    SETTLED_LATE,
    JOB_RECIPIENTS,
    TAKEN,
    TAKE_SECONDS,
    SETTLE_SECONDS,
)
