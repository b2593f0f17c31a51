"""A ledger of a walk's own, and the short forms of what is done with it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from tests.rig import APPLICATION, an_intent, some_settings
from tests.watched_ledger import WatchedLedger
from wooshq.intents.entry import entry_of, new_id
from wooshq.jobs.packing import Unit, pack
from wooshq.ledger.chunks import ChunkName, ChunkRecord, DeadRecipient, TakenChunk
from wooshq.ledger.entry import Entry
from wooshq.ledger.intents import Claim, IntentLedger, Settlement
from wooshq.ledger.jobs import JobLedger, NewJob
from wooshq.ledger.states import Event, Mark, Reason
from wooshq.letters.replays.ledger import NewIntent, NextLetters, ReplayedLetter, ReplayLedger
from wooshq_worker.keeper.history.ledger import EventLedger

#: So far away that it never comes while a test runs; the tests move it.
HOUR_MS = 3_600_000

ATTEMPT = {"at": "2026-05-01T09:00:00.000Z", "outcome": "retry"}


class Walker:
    """A ledger of its own, and the short forms of what is done with it."""

    def __init__(self, watched: WatchedLedger, **settings: Any) -> None:
        watched.redis.flushdb()
        self.watched = watched
        self.do = watched.do
        self.settings = some_settings(lease_s=3600.0, poison_after=2, **{"suspect_after": 1, "suspect_rest_s": 0.0, **settings})
        self.ledger = IntentLedger(self.settings)
        self.jobs = JobLedger(self.settings)
        self.replays = ReplayLedger(self.settings)
        self.keys = self.ledger.keys
        self.events = EventLedger(self.settings)
        self.do(self.events.listen(10**9))
        self._first = 0
        self.numbers: Counter[str] = Counter()
        """Of the last record or begin, by the worker's token."""

    def time_comes(self, name: str, member: str) -> None:
        """The time of a member of `leases`, `due`, `expiry` and the like comes."""
        self.watched.redis.zadd(self.keys.fixed(name), {member: 1})

    def time_comes_for(self, subscriber: str, entry: str) -> None:
        """The time of a delivery to a subscriber comes."""
        self.watched.redis.zadd(self.keys.subscriber_part(subscriber, "due"), {entry: 1})

    # Intents

    def accepted(self, **fields: Any) -> str:
        return str(self.do(self.ledger.accept([entry_of(an_intent(**fields), self.settings)])).outcomes[0].intent_id)

    def first_in_line(self, intent_id: str) -> str:
        """Let this intent be the next one that is taken. Returns its lane."""
        lane, application = (text.decode() for text in self.watched.redis.hmget(self.keys.intent(intent_id), "lane", "app"))
        self._first -= 1
        self.watched.redis.zadd(self.keys.queue(lane, application), {intent_id: self._first}, xx=True)
        self.watched.redis.zadd(self.keys.suspects(lane), {intent_id: self._first}, xx=True)
        self.watched.redis.zadd(self.keys.ring(lane), {application: 1}, xx=True)
        return lane

    def taken_now(self, intent_id: str) -> Claim | None:
        """The claim to an intent, if it may leave now."""
        lane = self.first_in_line(intent_id)
        is_suspect = self.watched.redis.zscore(self.keys.suspects(lane), intent_id) is not None
        claims = self.do(self.ledger.take(lane, 1, token=new_id(), taker="a", suspects=is_suspect)).claims
        return next((claim for claim in claims if claim.intent_id == intent_id), None)

    def claimed(self, intent_id: str) -> Claim:
        claim = self.taken_now(intent_id)
        assert claim is not None
        return claim

    def settled(self, intent_id: str, event: Event, **fields: Any) -> Claim:
        claim = self.claimed(intent_id)
        given = {"message_code": "M-1", "reason": Reason.REJECTED, "detail": "no", "wait_ms": HOUR_MS, **fields}
        assert self.do(self.ledger.settle([Settlement(claim, event, [ATTEMPT], **given)])) == [True]
        return claim

    def waiting(self) -> Iterator[str]:
        """An intent in each state in which it waits and no worker holds it."""
        yield self.accepted(ttl_s=100)
        for event in (Event.FAILED, Event.HANDED_BACK):
            intent_id = self.accepted(ttl_s=100)
            self.settled(intent_id, event)
            yield intent_id

    def dead(self) -> str:
        intent_id = self.accepted()
        self.settled(intent_id, Event.GIVEN_UP, payload="{}")
        return intent_id

    # Replays

    def planned(self, *letters: str, **fields: Any) -> str:
        """A replay that has these letters, and one that is left out."""
        replay_id = new_id()
        assert self.do(self.replays.plan(replay_id, {"by": "ana", "window": 20, **fields})) > 0
        assert self.do(self.replays.choose(replay_id, 0, [*((letter, "") for letter in letters), (new_id(), "invalid: no")]))
        return replay_id

    def started(self, *letters: str, **fields: Any) -> str:
        replay_id = self.planned(*letters, **fields)
        assert self.do(self.replays.hold(replay_id, 0, 999))
        assert self.do(self.replays.move(replay_id, "start", "why", "ana")) == ("running", True)
        return replay_id

    def begun_for(self, replay_id: str, *letters: str, **changes: Any) -> str:
        """The intent that these letters become, which stand at the beginning of a replay."""
        new = self.entry()
        fence = int(self.watched.redis.hget(self.keys.replay(replay_id), "fence"))
        died = [self.watched.redis.hget(self.keys.letter(letter), "intent").decode() for letter in letters]
        read = [ReplayedLetter(place, *one) for place, one in enumerate(zip(letters, died, strict=True))]
        wanted = NextLetters(fence, len(letters), 0, 1, 1, [NewIntent(new, read)], **changes)
        assert self.do(self.replays.begin(replay_id, wanted)) == (True, len(letters))
        return new.intent_id

    def hold_replay(self, replay_id: str, how: str | None) -> None:
        """Pause, stop or cancel a replay."""
        if how == "stop":  # as judge.lua does it
            self.watched.redis.hset(self.keys.replay(replay_id), "state", "stopped")
        elif how is not None:
            assert self.do(self.replays.move(replay_id, how, "why", "ana"))[1]

    def entry(self) -> Entry:
        return entry_of(an_intent(ttl_s=100), self.settings)

    def part(self, replay_id: str, name: str) -> list[bytes]:
        return self.watched.redis.lrange(self.keys.replay_part(replay_id, name), 0, -1)

    def replayed(self) -> str:
        """The replay of a new dead letter."""
        letter = self.dead()
        return self.begun_for(self.started(letter), letter)

    def replayed_together(self, **fields: Any) -> tuple[str, str]:
        """A replay, and the intent that two dead letters of it became."""
        letters = [self.dead() for _ in range(2)]
        replay_id = self.started(*letters, **fields)
        return replay_id, self.begun_for(replay_id, *letters)

    # Jobs

    def job(self, size: int = 4, *, fed: bool = True, **fields: Any) -> ChunkName:
        """A job of one chunk."""
        job = NewJob(new_id(), "{}", "digest", APPLICATION, 10, **fields)
        assert self.do(self.jobs.open(job)) == ""
        if size:
            chunk = pack(0, [Unit("users", None, (), tuple(f"u{i}" for i in range(size)))])
            assert self.do(self.jobs.chunks.feed(job.id, chunk)).outcome == "fed"
        if fed:
            self.end_feeding(job.id, 1 if size else 0)
        return ChunkName(job.id, 0)

    def end_feeding(self, job_id: str, chunks: int = 1) -> str:
        return str(self.do(self.jobs.fed(job_id, refused=0, duplicates=0, chunks=chunks)))

    def taken(self, name: ChunkName) -> str:
        """The token of the worker that takes a chunk."""
        token = new_id()
        assert isinstance(self.do(self.jobs.chunks.take(name, token)), TakenChunk)
        return token

    def recorded(self, name: ChunkName, token: str, marks: Sequence[tuple[str, int, int]] = (), **fields: Any) -> str:
        """Where a chunk is after a record."""
        self.numbers[token] += 1
        record = ChunkRecord(marks=list(marks), calls=1, **fields)
        steps = self.jobs.chunks.record_and_begin(
            name, token, APPLICATION, record=record, recorded_no=self.numbers[token], calls=[], begin_no=0
        )
        return str(self.do(steps)[1])

    def begun(self, name: ChunkName, token: str, calls: str) -> str:
        """What may leave of a call to these recipients."""
        self.numbers[token] += 1
        steps = self.jobs.chunks.record_and_begin(
            name, token, APPLICATION, record=None, recorded_no=0, calls=[calls], begin_no=self.numbers[token]
        )
        return str(self.do(steps)[2].outcome)

    def sending(self, size: int = 4, *, fed: bool = True, **fields: Any) -> tuple[ChunkName, str]:
        """A chunk whose recipients are all being sent to, and its worker's token."""
        name = self.job(size, fed=fed, **fields)
        token = self.taken(name)
        assert self.begun(name, token, f"0-{size - 1}") == "go"
        return name, token

    def move(self, name: ChunkName, event: Any) -> str:
        return str(self.do(self.jobs.move(name.job_id, event, "why"))[0])

    def lease_ends(self, name: ChunkName, token: str, dead: tuple[int, ...] = ()) -> str:
        """What the keeper does with a chunk whose worker is lost; dead: places that are not to be sent to again."""
        chunks = self.jobs.chunks
        marks = self.watched.redis.get(self.keys.marks(name.job_id, 0)).decode()
        sent_to = [place for place, mark in enumerate(marks) if mark == Mark.SENDING]
        self.time_comes("chunk_leases", str(name))
        if dead:
            keepers = new_id()
            assert self.do(chunks.revoke(name, token, marks, keepers))
            assert self.do(chunks.file_letters(name, keepers, [a_dead_recipient() for _ in dead]))
            token = keepers
        losses = {place: 1 for place in sent_to if place not in dead}
        who = [str(place) for place in sent_to]
        return str(self.do(chunks.take_over(name, token, marks, cause="lost", in_doubt=who, losses=losses, dead=dead)))


def a_dead_recipient() -> DeadRecipient:
    return DeadRecipient(new_id(), '{"to":{"users":["x"]}}', APPLICATION, "rejected", "no", "HTTP_400", "{}", [ATTEMPT])
