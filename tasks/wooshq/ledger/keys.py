"""The names of all keys of the ledger, with what each one contains."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

LANES = ("transactional", "bulk")


@dataclass(frozen=True)
class Keys:
    """
    Keys of one shard. The braces are a hash tag of Redis Cluster, so that one script may use all keys of a shard.

    namespace: prefix of an installation. shard: always "0" today; a cluster will have several.
    """

    namespace: str
    shard: str = "0"

    @property
    def prefix(self) -> str:
        return f"{self.namespace}:{{{self.shard}}}:"

    def intent(self, intent_id: str) -> str:
        """hash: an intent's row."""
        return f"{self.prefix}intent:{intent_id}"

    def letter(self, letter_id: str) -> str:
        """hash: a dead letter; its id is that of the intent that died first."""
        return f"{self.prefix}letter:{letter_id}"

    def idempotency(self, application: str, key: str) -> str:
        """string `<intent id> <digest of the body>`; only a digest of the idempotency key is kept, because the key is a caller's text."""
        digest = hashlib.blake2b(f"{application}\0{key}".encode(), digest_size=20).hexdigest()
        return f"{self.prefix}idem:{digest}"

    def queue(self, lane: str, application: str) -> str:
        """zset: intent id → rank (the oldest first); of an application's intents that wait for a worker of a lane."""
        return f"{self.prefix}queue:{lane}:{application}"

    def ring(self, lane: str) -> str:
        """zset: application → its last turn; of all applications that have a queue in a lane."""
        return f"{self.prefix}ring:{lane}"

    def suspects(self, lane: str) -> str:
        """zset: intent id → when its turn comes, ms; of intents that lost workers held, which wait apart from the queues of a lane."""
        return f"{self.prefix}suspects:{lane}"

    def took(self, taker: str) -> str:
        """string: the last answer of take.lua to a taker, JSON."""
        return f"{self.prefix}took:{taker}"

    def pace(self, application: str) -> str:
        """hash: when an application's next calls may leave, over all workers."""
        return f"{self.prefix}pace:{application}"

    # Fan-out

    def job(self, job_id: str) -> str:
        """hash: a job's row: template, rules, counters."""
        return f"{self.prefix}job:{job_id}"

    def job_part(self, job_id: str, part: str) -> str:
        """One of JOB_PARTS of a job."""
        if part not in JOB_PARTS:
            raise KeyError(part)
        return f"{self.prefix}job:{job_id}:{part}"

    def chunk(self, job_id: str, number: int) -> str:
        """hash: a chunk's row: its recipients, packed, and the token of the worker that holds it."""
        return f"{self.prefix}chunk:{job_id}:{number}"

    def marks(self, job_id: str, number: int) -> str:
        """string: one byte per recipient of a chunk, see `Mark`."""
        return f"{self.prefix}marks:{job_id}:{number}"

    def before_queues(self, name: str) -> str:
        """A key of the version before: zset `queued:<lane>` or `held:<application>`, set `held_applications`. See take_in.lua."""
        return f"{self.prefix}{name}"

    def fixed(self, name: str) -> str:
        """One of FIXED."""
        if name not in FIXED:
            raise KeyError(name)
        return self.prefix + name


FIXED: Mapping[str, str] = {
    "leases": "zset: intent id → end of its lease, ms, this server's clock",
    "due": "zset: intent id → when it may be tried again, ms",
    "expiry": "zset: intent id → its expires_at, ms; only of intents that are not final",
    "cancels": "zset: intent id → when the API may be asked next to cancel its message, ms; only of sent intents",
    "letters": "zset: letter id → when it was filed last, ms",
    "gates": "hash: `<gate>|<application>` → JSON; absent means open. `*`: all applications; `<application>/<lane>`: one lane of it",
    "limits": "hash: `rate|<application>`, `share|<application>` → JSON; set by people, over the environment's. `*`: all applications",
    "limited": "set: applications with a ceiling that is learned from answers 429",
    "changes": "stream: what people changed: gates, limits, jobs; the last 200",
    "failures": "hash: application → failures in a row; `people|<application>`, `answers|<application>`: see report.lua",
    "doubts": "stream: every intent, and every call of a job, that is in doubt",
    "counts": "hash: event → how often it happened since the ledger began",
    "bells": "hash: whether a bell of a lane is out, when it was rung, and until when a worker looks by itself; see bells.lua",
    "outbox": "channel: after a commit an app tells the relays of its outbox that rows wait; messages have no content",
    "keeper": "string: token of the worker that is the keeper",
    "jobs": "zset: job id → when it was accepted, ms",
    "turns": "zset: job id → when it last had a turn, ms; only of jobs that run and have chunks queued",
    "chunk_leases": "zset: `<job> <chunk>` → end of its lease, ms",
    "chunk_due": "zset: `<job> <chunk>` → when it may be tried again, ms",
    "stepping": "set: jobs that are rolled out in steps",
    "ending": "set: jobs that were cancelled and have chunks left to mark",
    "job_expiry": "zset: job id → its expires_at, ms; only of jobs that have not ended",
}

JOB_PARTS: Mapping[str, str] = {
    "queued": "zset: chunk → its number; chunks that nobody holds and that may be sent",
    "unknown": "list: identifiers that the API does not know",
    "doubts": "stream: every call that is in doubt, with its recipients' identifiers",
    "room": "list: a token per chunk that ended, for the producer that waits until fewer chunks are open",
}
