"""Another process that uses an embedded Redis. Each line of standard input is a command; it answers each with a line of JSON."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path

import redis

from wooshq.installation.embedded import EmbeddedRedis, EmbeddedRedisError


def main() -> None:
    embedded = EmbeddedRedis(Path(sys.argv[1]))
    for word in (line.strip() for line in sys.stdin):
        try:
            answer = _do(embedded, word)
        except EmbeddedRedisError as error:
            answer = {"error": str(error)}
        print(json.dumps(answer), flush=True)


def _do(embedded: EmbeddedRedis, word: str) -> dict[str, object]:
    if word == "release":
        embedded.release()
        return {}
    if word == "forked child releases":
        child = os.fork()
        if child == 0:
            embedded.release()
            os._exit(0)
        os.waitpid(child, 0)
        return {}
    if word == "fork a child that stays":
        child = os.fork()
        if child == 0:
            signal.pause()
        return {"child": child}
    with redis.Redis.from_url(embedded.acquire()) as client:
        return {"url": embedded.url, "broker_url": embedded.broker_url, "server": client.info("server")["process_id"]}


if __name__ == "__main__":
    main()
