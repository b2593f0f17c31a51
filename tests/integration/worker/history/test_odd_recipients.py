"""Recipients with control characters are found while their message waits, after it was sent, and in the history; and can be forgotten."""

from __future__ import annotations

from tests.integration.worker.history.desk import Desk
from wooshq.search.tree import Field, Is
from wooshq.search.write import written

CONTROLS = [*map(chr, range(1, 32)), *map(chr, range(0x7F, 0xA0)), "\u2028", "\u2029", "\u200b", '"', "\\"]
NAMES = [f"a{char}b" for char in CONTROLS]


async def test_each_is_found_everywhere_and_only_it(desk: Desk) -> None:
    desk.listen()
    ids = {name: desk.wooshq.enqueue({"to": {"users": [name]}, "message": {"push": {"title": "Hi", "body": "x"}}}) for name in NAMES}

    def found(name: str) -> list[str]:
        return [one.id for one in desk.wooshq.find(written(Is(Field.RECIPIENT, name))).found]

    def each_is_found() -> bool:
        return all(found(name) == [ids[name]] for name in NAMES)

    assert each_is_found()
    desk.settle_all()
    assert each_is_found()
    await desk.consumed(lambda: not desk.rows())
    assert each_is_found()
    for name in NAMES:
        forgotten = desk.wooshq.forget(name, why="asked")
        assert (forgotten.history_removed, forgotten.left) == (1, 0), ascii(name)
        assert found(name) == []
    assert desk.in_history() == []
