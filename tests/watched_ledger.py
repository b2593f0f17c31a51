"""A real Redis in which every script is held to its header: keys, answer, moves, a second run, and a full server."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from itertools import zip_longest
from typing import Any

import redis

from tests.script_headers import Header, Move, header_of
from wooshq.ledger.keys import Keys
from wooshq.ledger.scripts import source_of
from wooshq.ledger.states import FINAL, MACHINES, Outcome
from wooshq.ledger.steps import RunScript, Steps, Together
from wooshq.settings import DEFAULT_NAMESPACE

_USER = "watched"
_READ: dict[bytes, tuple[Any, ...]] = {
    b"hash": ("HGETALL",),
    b"string": ("GET",),
    b"zset": ("ZRANGE", 0, -1, "WITHSCORES"),
    b"list": ("LRANGE", 0, -1),
    b"set": ("SMEMBERS",),
    b"stream": ("XRANGE", "-", "+"),
}

Contents = dict[str, Any]
"""What is in a Redis: key → (its content, whether it expires)."""


class WatchedLedger:
    """
    Carries out steps, as `run` does, and asserts that each script does what its header says.

    made: the moves that were made, by script. ran: how often each script ran. Scripts run as a user that may touch only the keys that the
    script declares, in a Redis whose memory limit is reached, and each of them runs twice.
    """

    def __init__(self, url: str) -> None:
        self.redis = redis.Redis.from_url(url)
        self.made: dict[str, set[Move]] = {}
        self.ran: Counter[str] = Counter()
        self._prefix = Keys(DEFAULT_NAMESPACE).prefix
        self._kinds: dict[bytes, bytes] = {}
        self.redis.config_set("maxmemory-policy", "noeviction")
        self.redis.execute_command("ACL", "SETUSER", _USER, "reset", "on", "nopass", "+@all")
        self.script_client = redis.Redis.from_url(url, username=_USER, password="any")

    def close(self) -> None:
        self.script_client.close()
        self.redis.execute_command("ACL", "DELUSER", _USER)
        self.redis.close()

    def do(self, steps: Steps[Any]) -> Any:
        """Carry out steps. Scripts of one round trip run one after the other."""
        answer: Any = None
        try:
            while True:
                wanted = steps.send(answer)
                if isinstance(wanted, RunScript):
                    answer = self._run(wanted)
                elif isinstance(wanted, Together):
                    answer = [self._run(one) for one in wanted.runs]
                else:
                    answer = [self.redis.execute_command(*command) for command in wanted.commands]
        except StopIteration as done:
            return done.value

    def contents(self) -> Contents:
        """Everything that is in the ledger."""
        keys = sorted(self.redis.keys(f"{self._prefix}*"))
        unknown = [key for key in keys if key not in self._kinds]
        pipe = self.redis.pipeline(transaction=False)
        for key in unknown:
            pipe.execute_command("TYPE", key)
        self._kinds |= zip(unknown, pipe.execute(), strict=True)
        for key in keys:
            command, *args = _READ[self._kinds[key]]
            pipe.execute_command(command, key, *args)
            pipe.execute_command("PTTL", key)
        read = pipe.execute()
        return {
            key.decode().removeprefix(self._prefix): (content, ttl >= 0)
            for key, content, ttl in zip(keys, read[::2], read[1::2], strict=True)
        }

    def _run(self, run: RunScript) -> Any:
        header = header_of(run.script)
        self.ran[run.script] += 1
        self._allow(run, header)
        before = self.contents()
        self.redis.config_set("maxmemory", 1)
        try:
            if not header.works_when_full:
                self._is_refused(run, before)
                self.redis.config_set("maxmemory", 0)
            answer = self._execute(run)
            after = self.contents()
            assert header.answer.fits(answer), f"{run.script} answers {answer!r}, and its header does not say so"
            self._note_moves(header, before, after)
            _told_what_ended(header, before, after)
            self._runs_again(run, header, answer, after)
        finally:
            self.redis.config_set("maxmemory", 0)
        return answer

    def _allow(self, run: RunScript, header: Header) -> None:
        derived = [self._prefix + re.sub(r"<\w+>", "*", key) for key in header.derived]
        self.redis.execute_command("ACL", "SETUSER", _USER, "resetkeys", *(f"~{key}" for key in (*run.keys, *derived)))

    def _execute(self, run: RunScript) -> Any:
        source = source_of(run.script)
        try:
            return self.script_client.execute_command("EVALSHA", source.sha, len(run.keys), *run.keys, *run.args)
        except redis.exceptions.NoScriptError:
            return self.script_client.execute_command("EVAL", source.text, len(run.keys), *run.keys, *run.args)

    def _is_refused(self, run: RunScript, before: Contents) -> None:
        """A full Redis refuses the script before it has written anything."""
        try:
            self._execute(run)
        except redis.ResponseError as error:
            assert "OOM" in str(error) or isinstance(error, redis.exceptions.OutOfMemoryError), error
        assert self.contents() == before, f"{run.script} wrote to a full Redis before it was refused"

    def _runs_again(self, run: RunScript, header: Header, answer: Any, after: Contents) -> None:
        may_change = [re.compile(re.sub(r"<\w+>", "[^:]+", key)) for key in header.changes]
        kept = {key: self._dumped(key) for key in after if any(one.fullmatch(key) for one in may_change)}
        second = self._execute(run)
        if header.again == "same answer":
            assert second == answer, f"{run.script} answers {answer!r}, and then {second!r}"
        elif header.again == "same answer but the time":
            first = answer[1:] if isinstance(answer, list) else answer
            assert (second[1:] if isinstance(second, list) else second) == first, f"{run.script} answers {answer!r}, and then {second!r}"
        else:
            assert header.answer.fits(second), f"{run.script} answers {second!r} the second time, and its header does not say so"
        again = self.contents()
        changed = {key for key in {*again, *after} if again.get(key) != after.get(key)}
        told = {key for key in changed if any(one.fullmatch(key) for one in may_change)}
        assert changed == told, f"{run.script}: a second run changes {sorted(changed - told)}"
        for key in changed:
            self._put_back(key, kept.get(key))

    def _dumped(self, key: str) -> tuple[bytes, int]:
        name = self._prefix + key
        return self.redis.dump(name), max(0, int(self.redis.pttl(name)))

    def _put_back(self, key: str, kept: tuple[bytes, int] | None) -> None:
        name = self._prefix + key
        if kept is None:
            self.redis.delete(name)
            return
        self.redis.config_set("maxmemory", 0)
        self.redis.restore(name, kept[1], kept[0], replace=True)

    def _note_moves(self, header: Header, before: Contents, after: Contents) -> None:
        for machine, source, target in _moved(before, after):
            named = [m for m in header.moves if (m.machine, m.source, m.target) == (machine, source, target)]
            assert len(named) == 1, f"{header.name} moves a {machine} {source!r} → {target!r}, and its header does not say so"
            self.made.setdefault(header.name, set()).update(named)


def _moved(before: Contents, after: Contents) -> set[tuple[str, Any, Any]]:
    """What moved: machine, state before or None, state after."""
    moved: set[tuple[str, Any, Any]] = set()
    for key, (content, _) in after.items():
        room, _, name = key.partition(":")
        if room == "marks":
            mark = type(next(m for m in MACHINES["mark"] if m is not None))
            was = before[key][0].decode() if key in before else ""
            pairs = zip(was or [None] * len(content), content.decode(), strict=True)
            moved |= {("mark", None if a is None else mark(a), mark(b)) for a, b in set(pairs) if a != b}
        elif room == "replay" and name.endswith(":outcomes"):
            was = before[key][0].decode() if key in before else ""
            pairs = zip_longest(was, content.decode())
            moved |= {("outcome", None if a is None else Outcome(a), Outcome(b)) for a, b in set(pairs) if a != b}
        elif room in MACHINES and (room == "chunk" or ":" not in name):
            states = type(next(state for state in MACHINES[room] if state is not None))
            was = before[key][0].get(b"state") if key in before else None
            now = content[b"state"]
            if was != now:
                moved.add((room, None if was is None else states(was.decode()), states(now.decode())))
    return moved


def _told_what_ended(header: Header, before: Contents, after: Contents) -> None:
    """If ends are told, a script tells of everything that it ends, in the same step. What it tells has ended."""
    if not after.get("telling", ({},))[0].get(b"most"):
        return
    earlier = {name for name, _ in before["events"][0]} if "events" in before else set()
    new = [fields for name, fields in after["events"][0] if name not in earlier]
    told = {f"{kind.decode()} {one}" for fields in new for kind, ids in fields.items() for one in ids.decode().split()}
    again = {one.removeprefix("again ") for one in told if one.startswith("again ")}
    gates = {"|".join(one.split("|")[:3]) for one in told if one.startswith("gate ")}
    told = {one for one in told if not one.startswith(("again ", "gate "))}
    ended = set(_ended(after))
    assert again <= {one.partition(" ")[2] for one in told}, f"{header.name} tells again what it does not tell"
    assert gates == _gates_moved(before, after), f"{header.name}: gates are told as they move"
    missing = ended - set(_ended(before)) - told
    counted = _untold(after) - _untold(before)  # if the stream is full
    assert not missing or len(missing) <= counted, f"{header.name} ends {sorted(missing)}, and does not tell it"
    assert told <= ended, f"{header.name} tells {sorted(told - ended)}, which has not ended"


def _gates_moved(before: Contents, after: Contents) -> set[str]:
    """The gates that were open and are shut, or the other way round."""
    was, now = (set(contents.get("gates", ({}, False))[0]) for contents in (before, after))
    return {f"gate {did}|{field.decode()}" for did, fields in (("shut", now - was), ("opened", was - now)) for field in fields}


def _untold(contents: Contents) -> int:
    return int(contents.get("telling", ({}, False))[0].get(b"untold", 0))


def _ended(contents: Contents) -> Iterator[str]:
    """What has ended, as the events name it."""
    for key, (content, _) in contents.items():
        room, _, name = key.partition(":")
        if room in ("intent", "letter") and (state := content[b"state"].decode()) in (*FINAL, "closed", "discarded"):
            yield f"{state if room == 'intent' else room} {name}"
        elif room in ("job", "replay") and ":" not in name and b"ended" in content:
            yield f"{room} {name}"
