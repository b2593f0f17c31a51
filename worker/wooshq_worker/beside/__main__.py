"""The process beside a worker, see `wooshq_worker/keeper/history/watch.py`. A worker starts it; nobody else has the pipe that it needs."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import structlog

from wooshq import Wooshq
from wooshq.errors import SettingsInvalid
from wooshq.history.contract import History
from wooshq.history.store import open_history
from wooshq_worker.events.outward import Outward
from wooshq_worker.keeper.history.consumer import Consumer
from wooshq_worker.keeper.history.watch import Given, read_given
from wooshq_worker.ledger_client import LedgerClient
from wooshq_worker.observe import log as logs
from wooshq_worker.observe import sentry

log = structlog.get_logger("wooshq.history")

_PIPE: Final = 0
_NICE: Final = 5
"""Where the CPU does not suffice for both, sending has most of it."""
_END_WITHIN_S: Final = 10.0
_COLLECT: Final = (50_000, 20, 20)
"""When Python looks for garbage. Rows come and go by the thousand, and none of them needs it; as Python has it, the search took as long as the work."""
_USED_WRONGLY: Final = 2


def main() -> int:
    """Until the pipe ends, or SIGTERM."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        given = read_given(_PIPE)
    except EOFError:
        return _USED_WRONGLY
    settings = given.settings
    tokens = [token.get_secret_value() for token in (settings.api_token, *settings.api_tokens.values()) if token]
    logs.set_up(given.log_level, settings.log_format, tokens)
    report = sentry.set_up(settings)
    os.nice(_NICE)
    with contextlib.suppress(
        OSError
    ):  # where Linux shares the CPU by sessions, this process, which has one of its own, is compared by this
        Path("/proc/self/autogroup").write_text(str(_NICE))
    try:
        history = open_history(settings)
    except SettingsInvalid as error:
        log.critical("history_cannot_be_used", why=str(error))
        return _USED_WRONGLY
    wooshq = Wooshq(settings)
    gc.freeze()
    gc.set_threshold(*_COLLECT)
    try:
        asyncio.run(_work(given, wooshq, history))
    finally:
        wooshq.close()
        report.flush()
    return 0


async def _work(given: Given, wooshq: Wooshq, history: History | None) -> None:
    places = wooshq.installation.places
    client = LedgerClient(places.redis_url, places.where, places.does_not_answer)
    outward = Outward(given.settings, client, history, given.name)
    consumer = None if history is None else Consumer(given.settings, client, history, given.name)
    loop = asyncio.get_running_loop()

    def stop() -> None:
        outward.stop()
        if consumer is not None:
            consumer.stop()

    loop.add_signal_handler(signal.SIGTERM, stop)
    threading.Thread(target=_end_with_the_worker, args=(lambda: loop.call_soon_threadsafe(stop),), daemon=True).start()
    try:
        await asyncio.gather(outward.run(), *([] if consumer is None else [consumer.run()]))
    finally:
        if consumer is not None:
            consumer.close()
        await client.close()


def _end_with_the_worker(stop: Callable[[], object]) -> None:
    """In a thread of its own: a worker that was killed ends the pipe, too. Whatever hangs then, this process does not stay for long."""
    while os.read(_PIPE, 1):
        pass
    stop()
    time.sleep(_END_WITHIN_S)
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main())
