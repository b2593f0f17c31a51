"""What workers tell the ledger about themselves: each one every two seconds, in one small script."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from wooshq.ledger.keys import Keys
from wooshq.ledger.replies import ms
from wooshq.ledger.steps import Ask, RunScript, Steps, as_json
from wooshq.overview.rates import Ends

TELL_S: Final = 2.0
"""A worker tells how it is this often."""
KEPT_MS: Final = 3_600_000
"""For how long a worker is shown that has told nothing any more."""


class PulseLedger:
    """Makes steps; `run` and `arun` carry them out."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys

    def tell(self, worker_id: str, n: int, card: Mapping[str, Any] | None, ended: Mapping[str, Ends]) -> Steps[None]:
        """
        A worker tells how it is. n: number of this telling; one that is repeated has the same. card: see `workers.py`; None if it ends now.
        ended: lane → what has ended since the telling before.
        """
        k = self._keys
        keys = (k.fixed("workers"), k.worker(worker_id), k.fixed("minutes"), k.fixed("tens"))
        args: list[str | int] = [worker_id, n, "" if card is None else as_json(card), KEPT_MS]
        for lane, ends in ended.items():
            if not ends.is_empty:
                args += (lane, ends.as_text())
        yield RunScript("workers/tell", keys, args)

    def saw_outbox(self, command: str, waiting: int, set_aside: int, oldest_s: float | None) -> Steps[None]:
        """A relay looked into an outbox. command: with which operators look into it; an app with a command of its own has an outbox of its own."""
        (time,) = yield Ask([("TIME",)])
        seen = {"command": command, "waiting": waiting, "set_aside": set_aside, "oldest_s": oldest_s, "at": ms(time)}
        yield Ask([("HSET", self._keys.fixed("seen"), f"outbox {command}", as_json(seen))])
