"""Ids of intents: no two are the same, also if threads make them at the same time."""

from __future__ import annotations

import os
import sys
from types import FrameType
from typing import Any

from wooshq.intents.entry import _Ids


class WhenAnotherThreadMakesAnIdMeanwhile:
    def test_no_two_share_their_random_part(self) -> None:
        new_id, made = _Ids(), []

        def another_thread_at_each_line(_frame: FrameType, _event: str, _arg: Any) -> Any:
            made.append(new_id())
            return another_thread_at_each_line

        sys.settrace(another_thread_at_each_line)
        try:
            made += [new_id() for _ in range(600)]
        finally:
            sys.settrace(None)
        assert len({one[15:] for one in made}) == len(made)


class WhenAProcessForks:
    def test_the_child_does_not_repeat_the_ids_of_its_parent(self) -> None:
        new_id = _Ids()
        new_id()
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            os.write(writing, new_id().encode())
            os._exit(0)
        os.waitpid(child, 0)
        assert os.read(reading, 100).decode()[15:] != new_id()[15:]
        os.close(reading)
        os.close(writing)
