"""`WOOSHQ_BROKER_URL=memory://`: a ledger and a worker in this process, for development. What is not sent when the process ends is lost."""

from __future__ import annotations

import atexit
import logging
import sys
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from wooshq.errors import SettingsInvalid
from wooshq.installation import forks
from wooshq.settings import Settings
from wooshq.settings.server_url import MEMORY

if TYPE_CHECKING:
    from wooshq.installation.memory.ledger import MemoryLedger
    from wooshq_worker.in_process import WorkerThread

log = logging.getLogger("wooshq.memory")

_END_WITHIN_S: Final = 2.0
"""How long the end of the process waits for what is not sent yet."""


@dataclass(frozen=True)
class Here:
    """A ledger, and the worker that sends what is in it."""

    ledger: MemoryLedger
    worker: WorkerThread


class _All:
    """Those of this process, by namespace. A forked child begins without any: its parent's worker is a thread of the parent."""

    def __init__(self) -> None:
        self._renew()
        forks.renew_in_children(self, _All._renew)

    def _renew(self) -> None:
        forks.keep(getattr(self, "found", None))
        self.lock = threading.Lock()
        self.found: dict[str, Here] = {}


_all: Final = _All()


def of(settings: Settings) -> Here:
    """The one of an installation; it is made at the first call. Raises SettingsInvalid if a package is missing, or with gevent."""
    if (known := _all.found.get(settings.namespace)) is not None:
        return known
    with _all.lock:
        if settings.namespace not in _all.found:
            _all.found[settings.namespace] = _made(settings)
    return _all.found[settings.namespace]


def _made(settings: Settings) -> Here:
    try:
        from wooshq.installation.memory.ledger import MemoryLedger
        from wooshq_worker.in_process import WorkerThread
    except ModuleNotFoundError as error:
        raise SettingsInvalid(
            f"WOOSHQ_BROKER_URL={MEMORY} needs the package {error.name}. Install the extra: pip install 'wooshq[testing]'"
        ) from error
    if _threads_are_greenlets():
        raise SettingsInvalid(
            f"WOOSHQ_BROKER_URL={MEMORY} does not run with gevent: its worker needs a thread of its own. Use WOOSHQ_REDIS_URL=embedded and "
            "`wooshq worker`"
        )
    ledger = MemoryLedger()
    worker = WorkerThread(settings, ledger)
    log.warning(
        "memory_mode: WOOSHQ_BROKER_URL=%s is for development. Messages are only in the memory of this process, and go to %s. "
        "What is not sent when the process ends is lost",
        MEMORY,
        worker.where,
    )
    return Here(ledger, worker)


def _threads_are_greenlets() -> bool:
    """Then the event loops of the worker and of its sandbox would be in one real thread, which can run only one of them."""
    monkey = sys.modules.get("gevent.monkey")
    return monkey is not None and bool(monkey.is_module_patched("threading"))


@atexit.register
def _end() -> None:
    forks.check()
    for here in _all.found.values():
        here.worker.flush(_END_WITHIN_S)
        if left := here.worker.unsent():
            log.warning("memory_lost: %d messages were not sent, and are lost with this process", left)
