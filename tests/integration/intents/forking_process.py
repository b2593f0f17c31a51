"""
A process that forks at many moments of its first `enqueue`, which another thread makes. It prints what became of its children, as JSON.

A trace function stops the threads of the first use (the enqueuing one and the publisher's) at evenly spread lines of code. So a child is
forked while such a thread stands in the middle of an import, holds a lock, or has half of an object. Nothing depends on speed.
"""

from __future__ import annotations

import atexit
import faulthandler
import json
import os
import queue
import signal
import sys
import threading
import traceback
from collections import Counter
from types import FrameType
from typing import Any

from wooshq import Wooshq
from wooshq.installation.installation import Installation

_TOGETHER = 6
_HANGS_S = 60
#: A hook before the fork may wait for a lock that the stopped thread holds (the one of `logging`), so the thread goes on after this time.
_STOP_S = 0.2


class Moments:
    """Counts lines of code of the threads that start from now on, and stops a thread at the lines that are wanted."""

    def __init__(self) -> None:
        self.seen = 0
        self.stopped: queue.SimpleQueue[bool] = queue.SimpleQueue()
        self._every = 0
        self._go = threading.Semaphore(0)

    def watch(self, every: int = 0) -> None:
        """every: stop a thread at each line with such a distance; 0: only count."""
        self._every = every
        threading.settrace(self._trace)

    def go_on(self) -> None:
        """Let the stopped thread continue."""
        self._go.release()

    def _trace(self, _frame: FrameType, _event: str, _arg: Any) -> Any:
        self.seen += 1
        if self._every and self.seen % self._every == 0:
            self.stopped.put(True)
            self._go.acquire(timeout=_STOP_S)
        return self._trace


def main(children: int) -> None:
    wooshq = Wooshq()
    wooshq.installation.ring = _do_not_ring  # type: ignore[method-assign]
    every = max(1, _lines_of_first_use(wooshq) // children)
    moments = Moments()
    moments.watch(every)
    before = set(sys.modules)
    first = threading.Thread(target=_first_use, args=[wooshq, moments])
    first.start()
    ends: Counter[str] = Counter()
    alive = forked = 0
    while moments.stopped.get():
        if forked < children:
            _fork_a_child(wooshq, forked)
            alive, forked = alive + 1, forked + 1
        moments.go_on()
        if alive == _TOGETHER:
            _reap(ends)
            alive -= 1
    for _ in range(alive):
        _reap(ends)
    first.join()
    imported = sorted(set(sys.modules) - before)
    print(json.dumps({"forked": forked, "ends": ends, "imported": imported}))


def _an_intent(user: str) -> dict[str, Any]:
    return {"to": {"users": [user]}, "message": {"push": {"title": "Hi", "body": "Your order left"}}}


def _enqueue_and_ring(wooshq: Wooshq, user: str) -> bool:
    """Enqueue, and ring exactly once. Whether it was rung."""
    wooshq.enqueue(_an_intent(user))
    Installation.ring(wooshq.installation, "transactional")
    return wooshq.flush(_HANGS_S / 2)


def _do_not_ring(lane: str, hops: int = 0) -> None:
    """What `enqueue` calls here. The ledger lets only the first process ring, because no worker answers; but each must be able to."""


def _first_use(wooshq: Wooshq, moments: Moments) -> None:
    try:
        _enqueue_and_ring(wooshq, "parent")
    finally:
        moments.stopped.put(False)


def _lines_of_first_use(wooshq: Wooshq) -> int:
    """Counted in a child, because this process must still have its first use before it."""
    reading, writing = os.pipe()
    if os.fork() == 0:
        moments = Moments()
        moments.watch()
        first = threading.Thread(target=_first_use, args=[wooshq, moments])
        first.start()
        first.join()
        os.write(writing, str(moments.seen).encode())
        os._exit(0)
    os.wait()
    return int(os.read(reading, 20))


def _fork_a_child(wooshq: Wooshq, number: int) -> None:
    if os.fork():
        return
    signal.alarm(_HANGS_S)
    faulthandler.dump_traceback_later(_HANGS_S - 5)  # a child that hangs shows where
    threading.settrace(None)  # type: ignore[arg-type]
    try:
        published = _enqueue_and_ring(wooshq, f"child-{number}")
        atexit._run_exitfuncs()
        os._exit(0 if published else 3)
    except BaseException:
        traceback.print_exc()
    os._exit(2)


def _reap(ends: Counter[str]) -> None:
    code = os.waitstatus_to_exitcode(os.wait()[1])
    told = {0: "published", 2: "raised", 3: "accepted, and not published", -signal.SIGALRM: "hangs"}
    ends[told.get(code, str(code))] += 1


if __name__ == "__main__":
    main(int(sys.argv[1]))
