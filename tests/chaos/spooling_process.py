"""A producer that enqueues until it is killed: it writes a line for each user only after `enqueue` has returned."""

from __future__ import annotations

import asyncio
import itertools
import sys

from tests.rig import an_intent
from wooshq import Wooshq
from wooshq.aio import AsyncWooshq


def told(*users: str) -> None:
    print(*users, sep="\n", flush=True)


def one_by_one(name: str) -> None:
    with Wooshq() as shop:
        for n in itertools.count():
            shop.enqueue(an_intent(f"{name}-{n}"))
            told(f"{name}-{n}")


def many(name: str) -> None:
    with Wooshq() as shop:
        for n in itertools.count():
            users = [f"{name}-{n}-{i}" for i in range(20)]
            assert shop.enqueue_many(map(an_intent, users)).accepted == 20
            told(*users)


async def in_asyncio(name: str) -> None:
    async with AsyncWooshq() as shop:
        for n in itertools.count():
            users = [f"{name}-{n}-{i}" for i in range(5)]
            await asyncio.gather(*(shop.enqueue(an_intent(user)) for user in users))
            told(*users)


if __name__ == "__main__":
    kind, name = sys.argv[1:]
    if kind == "asyncio":
        asyncio.run(in_asyncio(name))
    else:
        {"one": one_by_one, "many": many}[kind](name)
