"""The names of the ledger's keys: all of them, with what lies in each."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

LANES = ("transactional", "bulk")


@dataclass(frozen=True)
class Keys:
    """
    Keys of one shard. The braces are a Redis Cluster hash tag, so that one script may touch them all.

    namespace: prefix of an installation. shard: today always "0"; a cluster spreads by it.
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
        """string `<intent id> <digest of the body>`; the key itself is strangers' text and only its digest is kept."""
        digest = hashlib.blake2b(f"{application}\0{key}".encode(), digest_size=20).hexdigest()
        return f"{self.prefix}idem:{digest}"

    def queued(self, lane: str) -> str:
        """zset: intent id → when it was queued, ms."""
        return f"{self.prefix}queued:{lane}"

    def held(self, application: str) -> str:
        """zset: intent id → rank (transactional first, then oldest first)."""
        return f"{self.prefix}held:{application}"

    def pace(self, application: str) -> str:
        """hash: when an application's next calls may leave, all workers together."""
        return f"{self.prefix}pace:{application}"

    @property
    def queues(self) -> tuple[str, str]:
        """Both lanes' queued sets, in the order in which every script takes them."""
        return self.queued("transactional"), self.queued("bulk")

    def fixed(self, name: str) -> str:
        """One of FIXED."""
        if name not in FIXED:
            raise KeyError(name)
        return self.prefix + name


FIXED: Mapping[str, str] = {
    "leases": "zset: intent id → end of its lease, ms, this server's clock",
    "due": "zset: intent id → when it may be tried again, ms",
    "expiry": "zset: intent id → its expires_at, ms; only of intents that are not final",
    "letters": "zset: letter id → when it was filed last, ms",
    "held_applications": "set: applications that have held intents",
    "gates": "hash: `<gate>|<application>` → JSON; absent means open",
    "failures": "hash: application → failures in a row",
    "doubts": "stream: every case in which a person may have got a message twice",
    "counts": "hash: event → how often, since the ledger was made",
    "taken": "hash: lane → when the newest intent that was claimed had been queued, ms",
    "keeper": "string: token of the worker whose keeper is at work",
    "beat": "string: when a keeper last finished its round, ms",
}
