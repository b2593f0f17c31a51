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
        """string or hash: an intent's row, see row.lua."""
        return f"{self.prefix}intent:{intent_id}"

    def letter(self, letter_id: str) -> str:
        """hash: a dead letter; its id is that of the intent that died first."""
        return f"{self.prefix}letter:{letter_id}"

    def cause(self, cause: str) -> str:
        """hash: letters with the same cause: what it is, and who ignores it; see causes.lua."""
        return f"{self.prefix}cause:{cause}"

    def cause_part(self, cause: str, part: str) -> str:
        """One of CAUSE_PARTS of a cause."""
        if part not in CAUSE_PARTS:
            raise KeyError(part)
        return f"{self.prefix}cause:{cause}:{part}"

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
        """string: the last answer of take.lua to a taker, see there."""
        return f"{self.prefix}took:{taker}"

    def pace(self, application: str) -> str:
        """hash: when an application's next calls may leave, over all workers."""
        return f"{self.prefix}pace:{application}"

    def worker(self, worker_id: str) -> str:
        """hash: how a worker is, as it said last, JSON; and the number of that telling."""
        return f"{self.prefix}worker:{worker_id}"

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

    # Replays of dead letters

    def replay(self, replay_id: str) -> str:
        """hash: a replay's row: its rules, its counters, how far it is."""
        return f"{self.prefix}replay:{replay_id}"

    def replay_part(self, replay_id: str, part: str) -> str:
        """One of REPLAY_PARTS of a replay."""
        if part not in REPLAY_PARTS:
            raise KeyError(part)
        return f"{self.prefix}replay:{replay_id}:{part}"

    def replay_of(self, replay_id: str, intent_id: str) -> str:
        """list: letter ids, in the order of the recipients; of an intent that a replay sends for many letters."""
        return f"{self.prefix}replay:{replay_id}:of:{intent_id}"

    def gone(self, time: str) -> str:
        """set: numbers of the ids of rows that the history has, see row.lua. time: the first 32 bits of the ids, then letters if there are many."""
        return f"{self.prefix}gone:{time}"

    # Events for the world outside

    def subscriber(self, name: str) -> str:
        """hash: who receives events: `webhook/<name>` or `hook/<name>`; its settings, its state, and what was counted."""
        return f"{self.prefix}subscriber:{name}"

    def subscriber_part(self, name: str, part: str) -> str:
        """One of SUBSCRIBER_PARTS of a subscriber."""
        if part not in SUBSCRIBER_PARTS:
            raise KeyError(part)
        return f"{self.prefix}subscriber:{name}:{part}"

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
    "letters_gone": "zset: letter id → until when it is listed, see gone.lua; of letters that have left for the history",
    "causes": "zset: cause of letters → how many of them are open; see causes.lua",
    "counted": "string: until which letter those are counted by cause that the version before filed; see count.lua",
    "gates": "hash: `<gate>|<application>` → JSON; absent means open. `*`: all applications; `<application>/<lane>`: one lane of it",
    "limits": "hash: `rate|<application>`, `share|<application>` → JSON; set by people, over the environment's. `*`: all applications",
    "limited": "set: applications with a ceiling that is learned from answers 429",
    "tokens": "hash: name → JSON; bearer tokens of the HTTP API: the hash, the scopes, who made it, and when",
    "changes": "stream: the audit log: every act of an operator; the last 10,000, and what the history does not have yet. See history.lua",
    "failures": "hash: application → failures in a row; `people|<application>`, `answers|<application>`: see report.lua",
    "doubts": "stream: every intent, and every call of a job, that is in doubt",
    "counts": "hash: event → how often it happened since the ledger began",
    "bells": "hash: whether a bell of a lane is out, when it was rung, and until when a worker looks by itself; see bells.lua",
    "outbox": "channel: after a commit an app tells the relays of its outbox that rows wait; messages have no content",
    "events": "stream: what has ended and the history does not have yet; see ended.lua. There only while somebody keeps a history",
    "telling": "hash: whether ends are told, how full `events` is, what was not told, and which acts the history has; see ended.lua, row.lua, history.lua",
    "history_aside": "hash: `<intent, letter or job> <id>` → since when (ms) and why; what the history's database refused, see events/set_aside.lua",
    "outward": "stream: events for webhooks, hooks and open streams, one an entry: its type → its text without the id; the newest of a few days",
    "outward_state": "hash: bytes (of `outward`), begins (the place after which all events are there), tag (of their ids), streams_till (streams are open until then, ms)",
    "subscribers": "zset: subscriber → when it was added, or a hook was seen last, ms",
    "keeper": "string: token of the worker that is the keeper",
    "workers": "zset: id of a worker → when it gave its last sign of life, ms",
    "minutes": "hash: what ended in the last minutes, by lane; see tell.lua",
    "tens": "hash: the same for the last tens of minutes",
    "seen": "hash: `outbox <command>` → JSON: how much waited in the outbox of an app, as its relay saw it last",
    "jobs": "zset: job id → when it was accepted, ms",
    "turns": "zset: job id → when it last had a turn, ms; only of jobs that run and have chunks queued",
    "chunk_leases": "zset: `<job> <chunk>` → end of its lease, ms",
    "chunk_due": "zset: `<job> <chunk>` → when it may be tried again, ms",
    "stepping": "set: jobs that are rolled out in steps",
    "ending": "set: jobs that were cancelled and have chunks left to mark",
    "job_expiry": "zset: job id → its expires_at, ms; only of jobs that have not ended",
    "replays": "zset: replay id → when it was planned, ms",
    "replaying": "zset: replay id → when it may begin its next letter, ms; of replays that were started and have not ended",
}

CAUSE_PARTS: Mapping[str, str] = {
    "letters": "zset: letter id → when it was filed last, ms; only of open letters",
    "line": "hash: half hour since the epoch → letters that were filed in it; of the last 48",
    "people": "string: a register in each byte, see causes.lua; how many people the letters concern, roughly",
}

JOB_PARTS: Mapping[str, str] = {
    "queued": "zset: chunk → its number; chunks that nobody holds and that may be sent",
    "unknown": "list: identifiers that the API does not know",
    "doubts": "stream: every call that is in doubt, with its recipients' identifiers",
    "room": "list: a token per chunk that ended, for the producer that waits until fewer chunks are open",
}

SUBSCRIBER_PARTS: Mapping[str, str] = {
    "due": "zset: place of an event in `outward` → when it may be delivered, ms",
    "tries": "hash: place of an event → deliveries that failed; of those that wait for another one",
    "log": "list: the last deliveries, JSON, the newest first",
}

REPLAY_PARTS: Mapping[str, str] = {
    "letters": "list: letter ids in the order in which they are replayed; the place of a letter is its index",
    "outcomes": "string: one byte per letter, see `Outcome`",
    "why": "hash: place → why the letter was left out; of those letters only",
    "flying": "set: intent id; of its intents that have not ended",
    "again": "list: places, joined by commas, of letters that were begun and are to be begun again, in one call if they can share one",
    "shared": "list: intent id; of intents that were sent for many letters and have ended, whose letters still have to follow",
}
