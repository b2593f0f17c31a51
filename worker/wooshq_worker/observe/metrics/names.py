"""
Every metric: its name, type, labels, buckets, and a sentence about it. The table in docs/metrics.md is written from here.

A label has few values, and none says anything about a person: an application is named for the first `MOST_APPLICATIONS`, and all others
together are `OTHER`; a code of the API has the form of a code, and there are at most `MOST_CODES` of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from wooshq.overview.rates import WAY_S

OTHER: Final = "other"
"""In place of a label's value, for all values beyond the most that a label may have."""
MOST_APPLICATIONS: Final = 20
MOST_CODES: Final = 50
MOST_JOBS: Final = 20

_CALL_S: Final = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0)
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
HISTORY_PROCESS: Final = Metric(
    "wooshq_worker_history_process", "gauge", "1 if this worker's process that writes the history runs. Missing without a history."
)
HISTORY_STARTS: Final = Metric(
    "wooshq_worker_history_starts_total",
    "counter",
    "How often it was started: once, and again each time it died. Missing without a history.",
)
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
    WAY_S,
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
SPANS: Final = Metric(
    "wooshq_spans_total",
    "counter",
    "Spans of OpenTelemetry: exported, failed (the collector did not take them), dropped (the queue was full). Missing while tracing is off.",
    ("outcome",),
)

OF_A_WORKER: Final = (
    WORKER,
    WORKER_READY,
    IS_KEEPER,
    LOOP_AGE,
    SLOTS,
    SLOTS_BUSY,
    UNSETTLED,
    HISTORY_PROCESS,
    HISTORY_STARTS,
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
    SPANS,
)


# ── What the ledger says ────────────────────────────────────────────────────────────────────────────────────────────────────────────

OLDEST_DUE: Final = Metric(
    "wooshq_oldest_due_seconds",
    "gauge",
    "For how long the message has waited that should have left first. 0 while the lane is well. What a gate, a pause, a limit or a retry "
    "holds back is not due. Alarm on this first.",
    ("lane",),
)
WAITING: Final = Metric(
    "wooshq_waiting",
    "gauge",
    "Intents that are queued, by what they wait for: worker, slot (the rate), paused, suspect, or the name of a shut gate.",
    ("lane", "application", "reason"),
)
WAITING_OLDEST: Final = Metric(
    "wooshq_waiting_oldest_seconds", "gauge", "For how long the intent has waited that has waited longest for this.", ("lane", "reason")
)
RETRYING: Final = Metric("wooshq_retrying", "gauge", "Intents that failed, and wait for their next attempt.")
SENDING: Final = Metric("wooshq_sending", "gauge", "Intents that workers hold now.")
UNREAD: Final = Metric("wooshq_waiting_unread", "gauge", "Applications whose queues were not looked at, because a lane has more than 200.")
EVENTS: Final = Metric("wooshq_events_total", "counter", "How often something happened to an intent since the ledger began.", ("event",))
DEAD: Final = Metric("wooshq_dead_total", "counter", "Dead letters that were filed, those of jobs and of replays included.", ("reason",))
LETTERS: Final = Metric("wooshq_letters", "gauge", "Dead letters that are kept, in every state.")
LETTERS_OPEN: Final = Metric(
    "wooshq_letters_open",
    "gauge",
    "Dead letters that are open: nobody has replayed or discarded them. Of the 200 causes that have most of them.",
    ("reason",),
)
DOUBLES: Final = Metric(
    "wooshq_doubles_total",
    "counter",
    "Cases in which somebody may have got a message twice: no_answer (an answer, or a worker, was lost), resent (a person sent it again).",
    ("cause",),
)
GATES_SHUT: Final = Metric(
    "wooshq_gates_shut", "gauge", "Gates that are shut now, over all applications; hand: paused by people.", ("gate",)
)
GATE_SHUT_SECONDS: Final = Metric(
    "wooshq_gate_shut_seconds",
    "gauge",
    "For how long a gate has been shut. Only gates that are shut, the longest 20. Application * means all; lane is empty for both.",
    ("gate", "application", "lane"),
)
KEEPERS: Final = Metric("wooshq_keepers", "gauge", "1 if a worker is the keeper; 0 if no worker runs.")
KEEPER_AGE: Final = Metric("wooshq_keeper_age_seconds", "gauge", "Age of the keeper's last sign of life. Missing if there is no keeper.")
JOBS: Final = Metric("wooshq_jobs", "gauge", "Jobs that have not ended, of the newest 100.", ("state",))
JOB_PROGRESS: Final = Metric(
    "wooshq_job_progress", "gauge", "Recipients of a job that has not ended, by outcome. The newest 20 jobs.", ("job", "outcome")
)
HISTORY_LAG: Final = Metric(
    "wooshq_history_lag_seconds", "gauge", "Age of the oldest end that the history does not have yet. Missing without a history."
)
HISTORY_WAITING: Final = Metric("wooshq_history_waiting", "gauge", "Entries of the event stream that the history does not have yet.")
HISTORY_REFUSED: Final = Metric("wooshq_history_refused", "gauge", "Records that the history's database refuses, and that were set aside.")
HISTORY_UNTOLD: Final = Metric("wooshq_history_untold", "gauge", "Ends that were not told because the stream was full. A sweep finds them.")
WEBHOOKS: Final = Metric(
    "wooshq_webhooks", "gauge", "Webhooks, and hooks of apps: active, failing (nothing came since a failure) or paused.", ("state",)
)
WEBHOOK_OLDEST: Final = Metric(
    "wooshq_webhook_oldest_seconds",
    "gauge",
    "Age of the oldest event that was not delivered, of those that are not paused; 0 if there is none.",
)
DELIVERIES: Final = Metric(
    "wooshq_event_deliveries_total",
    "counter",
    "Deliveries of events: delivered, failed (attempts, which are made again), dropped (given up: too old, or too many).",
    ("result",),
)
EVENTS_LAG: Final = Metric(
    "wooshq_events_lag_seconds", "gauge", "Age of the oldest end that was not passed on as an event yet; 0 if nobody wants events."
)
EVENTS_MISSED: Final = Metric(
    "wooshq_events_missed_total", "counter", "Ends that nobody was told of, because the stream of events was full."
)
REDIS_MEMORY: Final = Metric("wooshq_redis_memory_bytes", "gauge", "Memory that the ledger's Redis uses. Missing if it does not show it.")
REDIS_MEMORY_LIMIT: Final = Metric(
    "wooshq_redis_memory_limit_bytes",
    "gauge",
    "Memory that it may use (maxmemory): when it is full, nothing is accepted. Missing without a limit.",
)
OUTBOX_ROWS: Final = Metric("wooshq_outbox_rows", "gauge", "Rows of the outbox. Missing without `WOOSHQ_OUTBOX_URL`.", ("state",))
OUTBOX_LAG: Final = Metric("wooshq_outbox_lag_seconds", "gauge", "For how long the oldest row has waited for a relay; 0 if none waits.")

OF_THE_LEDGER: Final = (
    OLDEST_DUE,
    WAITING,
    WAITING_OLDEST,
    RETRYING,
    SENDING,
    UNREAD,
    EVENTS,
    DEAD,
    LETTERS,
    LETTERS_OPEN,
    DOUBLES,
    GATES_SHUT,
    GATE_SHUT_SECONDS,
    KEEPERS,
    KEEPER_AGE,
    JOBS,
    JOB_PROGRESS,
    HISTORY_LAG,
    HISTORY_WAITING,
    HISTORY_UNTOLD,
    HISTORY_REFUSED,
    WEBHOOKS,
    WEBHOOK_OLDEST,
    DELIVERIES,
    EVENTS_LAG,
    EVENTS_MISSED,
    REDIS_MEMORY,
    REDIS_MEMORY_LIMIT,
    OUTBOX_ROWS,
    OUTBOX_LAG,
)
