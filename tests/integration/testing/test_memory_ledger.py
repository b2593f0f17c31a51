"""The clock of a ledger in memory moves, and everything in it follows."""

from __future__ import annotations

import time

import fakeredis
import pytest

from tests.rig import an_intent, some_settings
from wooshq.installation.memory.ledger import MemoryLedger
from wooshq.intents.accept import accept_one
from wooshq.intents.entry import entry_of
from wooshq.ledger.intents import IntentLedger, read_rows
from wooshq.ledger.replies import ms
from wooshq.ledger.run import carry_out
from wooshq.ledger.steps import Ask

DAY_S = 86400.0


class WhenTheClockIsMoved:
    def test_scripts_and_commands_see_the_same_time(self) -> None:
        memory, ledger = MemoryLedger(), IntentLedger(settings := some_settings())
        memory.advance(DAY_S)
        intent_id = carry_out(accept_one(ledger, entry_of(an_intent(), settings)), memory.ask).intent_id
        read = carry_out(read_rows(ledger.keys, [intent_id]), memory.ask)
        (time_,) = memory.ask(Ask([("TIME",)]))
        for seen_ms in (int(read.rows[0]["at"]), read.now_ms, ms(time_)):
            assert DAY_S - 1 < seen_ms / 1000 - time.time() < DAY_S + 300

    def test_keys_whose_time_is_over_are_gone_and_the_others_have_less_left(self) -> None:
        memory = MemoryLedger()
        memory.ask(Ask([("SET", "short", 1, "EX", 100), ("SET", "long", 1, "EX", 1000), ("SET", "for ever", 1)]))
        memory.advance(500)
        short, left, for_ever = memory.ask(Ask([("EXISTS", "short"), ("TTL", "long"), ("TTL", "for ever")]))
        assert (short, 0 < left <= 500, for_ever) == (0, True, -1)

    def test_an_idempotency_key_is_free_again_after_its_time(self) -> None:
        memory, ledger = MemoryLedger(), IntentLedger(settings := some_settings())
        entries = [entry_of(an_intent(name, idempotency_key="k"), settings) for name in ("u1", "u2")]
        assert carry_out(ledger.accept(entries[:1]), memory.ask).outcomes[0].new
        assert carry_out(ledger.accept(entries[1:]), memory.ask).outcomes[0].clash
        memory.advance(settings.retention_s + 1)
        assert carry_out(ledger.accept(entries[1:]), memory.ask).outcomes[0].new

    def test_entries_of_streams_follow_it(self) -> None:
        memory = MemoryLedger()
        memory.advance(DAY_S)
        entry, _ = memory.ask(Ask([("XADD", "doubts", "*", "star", "*"), ("PING",)]))
        assert int(entry.partition(b"-")[0]) / 1000 > time.time() + DAY_S - 1
        assert memory.ask(Ask([("XRANGE", "doubts", "-", "+")]))[0][0][1] == {b"star": b"*"}

    def test_it_moves_only_forwards(self) -> None:
        with pytest.raises(ValueError, match="forwards"):
            MemoryLedger().advance(-1)

    def test_a_fakeredis_whose_clock_cannot_be_moved_is_refused(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("wooshq.installation.memory.ledger._Connection", fakeredis.FakeRedisConnection)
        with pytest.raises(RuntimeError, match="does not let its clock be moved"):
            MemoryLedger().advance(DAY_S)
