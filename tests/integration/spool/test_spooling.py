"""Redis is away: what is enqueued waits on the disk, can be seen, and is in the ledger once when Redis is back."""

from __future__ import annotations

import asyncio
import fcntl
import os
import resource
import signal
import stat
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.integration.installation.servers import Server
from tests.rig import an_intent, read_row, wait_until
from wooshq import Conflict, IntentInvalid, LedgerUnavailable, NotAccepted, Settings, Wooshq
from wooshq.aio import AsyncWooshq
from wooshq.errors import FolderUnusable
from wooshq.intents.entry import entry_of
from wooshq.spool.aside import discard_aside, list_aside, retry_aside
from wooshq.spool.folder import SpoolFolder
from wooshq.spool.look import depth
from wooshq.spool.moving import Moved, move_spool
from wooshq.spool.record import Record, record_of
from wooshq.testing import outbox


def a_mover(settings: Settings) -> Wooshq:
    """As a relay has it: it moves only when it is told to."""
    return Wooshq(settings)


def moved(settings: Settings) -> Moved:
    with a_mover(settings) as relay:
        return move_spool(relay)


@contextmanager
def nobody_moves(shop: Wooshq) -> Iterator[None]:
    """The producer's own thread does not, so that a test can look at the spool."""
    shop._spooling._mover.wake = lambda: None  # type: ignore[method-assign]
    yield


class WhenRedisIsAway:
    def test_an_intent_is_accepted_and_moves_by_itself_when_redis_is_back(self, shop: Wooshq, server: Server) -> None:
        server.kill()
        intent_id = shop.enqueue(an_intent())
        server.start()
        wait_until(lambda: _status(shop, intent_id) == "queued", saw=lambda: _status(shop, intent_id))
        assert shop.counts()["accepted"] == 1

    def test_what_another_process_left_is_moved_by_the_next_call_of_any(self, settings: Settings, server: Server) -> None:
        server.kill()
        with Wooshq(settings) as lost, nobody_moves(lost):
            intent_id = lost.enqueue(an_intent())
        server.start()
        with Wooshq(settings) as other:
            other.enqueue(an_intent("u2"))
            wait_until(lambda: _status(other, intent_id) == "queued", saw=lambda: _status(other, intent_id))

    def test_asyncio_too(self, settings: Settings, server: Server) -> None:
        async def enqueue() -> None:
            async with AsyncWooshq(settings) as shop:
                server.kill()
                intent_id = await shop.enqueue(an_intent())
                report = await shop.enqueue_many(an_intent(f"u{n}") for n in range(20))
                found = await shop.status(intent_id)
                assert found is not None
                assert (found.state, report.accepted) == ("spooled", 20)
                server.start()
                while (await shop.counts()).get("accepted") != 21:
                    await asyncio.sleep(0.02)
                assert (await shop.status(intent_id) or found).state == "queued"

        asyncio.run(asyncio.wait_for(enqueue(), 100))

    def test_many_are_kept_and_invalid_ones_reported(self, shop: Wooshq, server: Server, settings: Settings) -> None:
        server.kill()
        with nobody_moves(shop):
            report = shop.enqueue_many([an_intent("u1"), {"to": {}}, an_intent("u2")])
        assert (report.accepted, report.refused, list(report.errors)) == (2, 1, [1])
        server.start()
        assert moved(settings) == Moved(accepted=2)
        assert [_status(shop, i) for i in report.ids if i] == ["queued", "queued"]

    def test_an_invalid_intent_is_refused_at_once(self, shop: Wooshq, server: Server) -> None:
        server.kill()
        with pytest.raises(IntentInvalid):
            shop.enqueue({"to": {"users": []}})

    @pytest.mark.settings(accept_within_s=1.0)
    def test_a_redis_that_hangs_costs_one_call_its_time_and_not_each(self, shop: Wooshq, server: Server) -> None:
        shop.counts()
        server.process.send_signal(signal.SIGSTOP)
        try:
            began = time.monotonic()
            with nobody_moves(shop):
                for _ in range(50):
                    shop.enqueue(an_intent())
            assert time.monotonic() - began < 25, "50 s, if each waited for a second"
        finally:
            server.process.send_signal(signal.SIGCONT)

    def test_status_says_where_it_is(self, shop: Wooshq, server: Server, settings: Settings) -> None:
        server.kill()
        with nobody_moves(shop):
            intent_id = shop.enqueue(an_intent(idempotency_key="k-1"))
            for name in (intent_id, intent_id.upper(), "k-1"):
                found = shop.status(name)
                assert found is not None
                assert (found.id, found.state) == (intent_id, "spooled")
                assert str(settings.spool_dir) in str(found.waiting_for)
            with pytest.raises(LedgerUnavailable):
                shop.status("another")
        server.start()
        moved(settings)
        assert _status(shop, "k-1") == "queued"

    def test_depth_says_how_much_waits(self, shop: Wooshq, server: Server, folder: SpoolFolder) -> None:
        assert (depth(folder).waiting, depth(folder).oldest_s) == (0, None)
        server.kill()
        with nobody_moves(shop):
            for _ in range(3):
                shop.enqueue(an_intent())
        found = depth(folder)
        assert (found.waiting, found.set_aside) == (3, 0)
        assert found.oldest_s is not None
        assert found.used_bytes > 300

    def test_nobody_else_may_read_it(self, shop: Wooshq, server: Server, folder: SpoolFolder) -> None:
        server.kill()
        with nobody_moves(shop):
            shop.enqueue(an_intent())
        assert stat.S_IMODE(folder.path.stat().st_mode) == 0o700
        assert {stat.S_IMODE(path.stat().st_mode) for path in folder.path.iterdir()} == {0o600}

    def test_its_time_to_live_begins_when_it_is_enqueued(
        self, shop: Wooshq, server: Server, settings: Settings, folder: SpoolFolder
    ) -> None:
        entry = entry_of(an_intent(ttl_s=3600), settings)
        half_an_hour_ago = int((time.time() - 1800) * 1000)
        folder.append([Record(entry, half_an_hour_ago, maybe_done=False).to_line()])
        moved(settings)
        with server.client() as client:
            expires_ms = int(read_row(client, shop.ledger.keys.intent(entry.intent_id))["expires"])
        assert expires_ms < (time.time() + 2700) * 1000

    def test_without_a_folder_it_is_as_before(self, settings: Settings, server: Server) -> None:
        server.kill()
        with Wooshq(settings.model_copy(update={"spool_dir": None})) as shop, pytest.raises(NotAccepted, match="Nothing was accepted"):
            shop.enqueue(an_intent())

    def test_a_test_of_an_app_sees_the_error(self, settings: Settings) -> None:
        with outbox() as box, box.unavailable(), pytest.raises(NotAccepted):
            Wooshq(settings).enqueue(an_intent())


class WhenAProcessForks:
    def test_the_child_keeps_and_moves_on_its_own(self, shop: Wooshq, server: Server, folder: SpoolFolder) -> None:
        """At the fork, threads of the parent are in the spool all the time."""
        server.kill()
        ids = [shop.enqueue(an_intent("parent"))]
        ended = threading.Event()
        busy = [threading.Thread(target=lambda: [folder.check() for _ in iter(ended.is_set, True)]) for _ in range(3)]
        for thread in busy:
            thread.start()
        children = []
        for n in range(20):
            if (child := os.fork()) == 0:
                status = 1
                try:
                    shop.enqueue(an_intent(f"child-{n}"))
                    status = 0
                finally:
                    os._exit(status)
            children.append(child)
        assert {os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children} == {0}
        ended.set()
        for thread in busy:
            thread.join()
        server.start()
        ids.append(shop.enqueue(an_intent("after")))
        wait_until(lambda: folder.is_empty() and shop.counts()["accepted"] == 22, saw=lambda: depth(folder))


class WhenTheAnswerOfRedisWasLost:
    def test_an_intent_that_the_ledger_has_already_is_one_message(self, shop: Wooshq, settings: Settings, folder: SpoolFolder) -> None:
        """The script ran, and its answer did not come: the spool has it, too."""
        intent_id = shop.enqueue(an_intent())
        entry = entry_of(an_intent(id=intent_id), settings)
        folder.append([Record(entry, int(time.time() * 1000), maybe_done=True).to_line()])
        assert moved(settings) == Moved(accepted=1)
        assert shop.counts()["accepted"] == 1


class WhenTheLedgerRefusesItLater:
    @pytest.fixture
    def conflict(self, shop: Wooshq, server: Server, settings: Settings) -> str:
        shop.enqueue(an_intent("u1", idempotency_key="k-1"))
        server.kill()
        with nobody_moves(shop):
            ids = [shop.enqueue(an_intent("u2", idempotency_key="k-1")), shop.enqueue(an_intent("u3"))]
        server.start()
        assert moved(settings) == Moved(accepted=1, set_aside=1)
        assert _status(shop, ids[1]) == "queued"
        return ids[0]

    def test_it_is_set_aside_with_the_reason_and_status_says_so(self, conflict: str, shop: Wooshq, folder: SpoolFolder) -> None:
        found = shop.status(conflict)
        assert found is not None
        assert found.state == "set_aside"
        assert "to.users" in str(found.detail)
        (row,) = list_aside(folder)
        assert (row.id, row.can_retry, row.may_be_sent) == (conflict, True, False)
        assert folder.is_empty()

    def test_it_can_be_discarded(self, conflict: str, folder: SpoolFolder, shop: Wooshq) -> None:
        discard_aside(folder, conflict)
        assert list(list_aside(folder)) == []
        assert shop.status(conflict) is None

    def test_it_can_be_retried_when_the_cause_is_gone(self, conflict: str, folder: SpoolFolder, server: Server, settings: Settings) -> None:
        retry_aside(folder, conflict)
        assert moved(settings) == Moved(set_aside=1)
        with server.client() as client:
            client.flushall()
        retry_aside(folder, conflict)
        assert moved(settings) == Moved(accepted=1)
        assert list(list_aside(folder)) == []

    def test_nothing_is_set_aside_while_an_operator_changes_the_file(self, conflict: str, folder: SpoolFolder) -> None:
        """What was written between reading and writing would be lost."""

        def change(lines: list[bytes]) -> tuple[list[bytes], list[bytes]]:
            with ThreadPoolExecutor(1) as pool, pytest.raises(FolderUnusable, match="another thread"):
                pool.submit(SpoolFolder(folder.path, folder.most_bytes, 0.01).set_aside, [b"x\n"]).result()
            return lines, []

        folder.change_set_aside(change, b"{}\n")
        assert [row.id for row in list_aside(folder)] == [conflict]

    @pytest.mark.settings(retention_s=3 * 86400)
    def test_one_that_the_ledger_may_have_forgotten_is_not_sent_but_set_aside(
        self, shop: Wooshq, folder: SpoolFolder, settings: Settings, server: Server
    ) -> None:
        server.kill()
        with nobody_moves(shop):
            intent_id = shop.enqueue(an_intent())
        folder.seal()
        (segment,) = folder.segments()
        long_ago = int((time.time() - 3 * 86400) * 1000)
        segment.rename(folder.path / f"moving-{long_ago}-{'0' * 12}.ndjson")
        server.start()
        assert moved(settings) == Moved(set_aside=1)
        (row,) = list_aside(folder)
        assert (row.id, row.may_be_sent) == (intent_id, True)
        retry_aside(folder, intent_id)
        assert moved(settings) == Moved(accepted=1)


class WhenTheSpoolCannotTakeIt:
    @pytest.mark.settings(spool_bytes=64 * 1024)
    def test_a_full_one_says_so_and_takes_more_when_it_was_moved(self, shop: Wooshq, server: Server, settings: Settings) -> None:
        server.kill()
        ids = []
        with nobody_moves(shop):
            with pytest.raises(NotAccepted, match="WOOSHQ_SPOOL_BYTES") as refused:
                while True:
                    ids.append(shop.enqueue(an_intent("u" * 900)))
            assert len(ids) > 20
            server.start()
            assert moved(settings) == Moved(accepted=len(ids))
            assert shop.enqueue(an_intent(id=refused.value.intent_id)) == refused.value.intent_id
            moved(settings)
        assert shop.counts()["accepted"] == len(ids) + 1

    def test_a_batch_is_kept_whole_or_not_at_all(self, shop: Wooshq, server: Server, folder: SpoolFolder) -> None:
        server.kill()
        with nobody_moves(shop):
            shop.enqueue(an_intent())
            with full_disk(folder.bytes() + 5000), pytest.raises(NotAccepted) as refused:
                shop.enqueue_many(an_intent(f"u{n}") for n in range(100))
        assert len(refused.value.intent_ids) == 100
        assert [record_of(line).entry.lane for line in folder.waiting()] == ["transactional"]

    def test_a_folder_that_cannot_be_written_is_named(self, server: Server, settings: Settings, tmp_path: Path) -> None:
        server.kill()
        (tmp_path / "file").write_text("")
        broken = settings.model_copy(update={"spool_dir": tmp_path / "file"})
        with Wooshq(broken) as shop, pytest.raises(NotAccepted, match="the spool in") as refused:
            shop.enqueue(an_intent())
        assert refused.value.intent_id

    def test_a_folder_that_cannot_be_read_stops_nothing_while_redis_answers(self, settings: Settings, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        with Wooshq(settings.model_copy(update={"spool_dir": tmp_path / "file"})) as shop:
            assert shop.enqueue(an_intent())

    @pytest.mark.settings(accept_within_s=0.5)
    def test_a_process_that_holds_the_lock_does_not_hang_the_others(self, server: Server, settings: Settings, folder: SpoolFolder) -> None:
        server.kill()
        folder.check()
        held = os.open(folder.path / "lock", os.O_RDWR)
        fcntl.flock(held, fcntl.LOCK_EX)
        with Wooshq(settings) as shop, pytest.raises(NotAccepted, match="another process is writing"):
            shop.enqueue(an_intent())
        os.close(held)


class WhenAFileIsDamaged:
    def test_one_bad_line_is_set_aside_and_the_good_ones_move(
        self, shop: Wooshq, server: Server, settings: Settings, folder: SpoolFolder
    ) -> None:
        server.kill()
        with nobody_moves(shop):
            ids = [shop.enqueue(an_intent(f"u{n}")) for n in range(3)]
        file = folder.path / "incoming.ndjson"
        lines = file.read_bytes().splitlines(keepends=True)
        file.write_bytes(lines[0] + lines[1].replace(b"u1", b"u9") + b"\xff\x00nonsense\n" + lines[2])
        server.start()
        assert moved(settings) == Moved(accepted=2, set_aside=2)
        assert [_status(shop, i) for i in ids] == ["queued", None, "queued"]
        reasons = [row.reason for row in list_aside(folder)]
        assert len(reasons) == 2
        assert "checksum" in reasons[0]
        for row in list(list_aside(folder)):
            with pytest.raises(ValueError, match="cannot be read"):
                retry_aside(folder, row.id)
            discard_aside(folder, row.id)

    def test_a_line_that_a_crash_has_torn_does_not_spoil_the_next(
        self, shop: Wooshq, server: Server, settings: Settings, folder: SpoolFolder
    ) -> None:
        server.kill()
        with nobody_moves(shop):
            first = shop.enqueue(an_intent("u1"))
            file = folder.path / "incoming.ndjson"
            with file.open("ab") as torn:
                torn.write(file.read_bytes()[:100])
            second = shop.enqueue(an_intent("u2"))
        server.start()
        assert moved(settings) == Moved(accepted=2, set_aside=1)
        assert [_status(shop, i) for i in (first, second)] == ["queued", "queued"]

    def test_a_full_disk_on_which_nothing_can_be_set_aside_holds_up_no_other(
        self, shop: Wooshq, server: Server, settings: Settings, folder: SpoolFolder
    ) -> None:
        server.kill()
        with nobody_moves(shop):
            ids = [shop.enqueue(an_intent("u1"))]
            (folder.path / "incoming.ndjson").rename(folder.path / "segment-2-abc.ndjson")
            ids.append(shop.enqueue(an_intent("u2")))
            good = (folder.path / "incoming.ndjson").read_bytes()
        (folder.path / "incoming.ndjson").unlink()
        (folder.path / "segment-1-abc.ndjson").write_bytes(b"nonsense\n" + good)
        server.start()
        with full_disk(10), pytest.raises(FolderUnusable):
            moved(settings)
        assert [_status(shop, i) for i in ids] == ["queued", "queued"]
        assert moved(settings) == Moved(accepted=1, set_aside=1)

    def test_what_was_set_aside_before_a_kill_is_not_set_aside_twice(
        self, shop: Wooshq, server: Server, settings: Settings, folder: SpoolFolder
    ) -> None:
        shop.enqueue(an_intent("u1", idempotency_key="k-1"))
        server.kill()
        with nobody_moves(shop):
            shop.enqueue(an_intent("u2", idempotency_key="k-1"))
        (folder.path / "incoming.ndjson").open("ab").write(b"nonsense\n")
        saved = (folder.path / "incoming.ndjson").read_bytes()
        server.start()
        moved(settings)
        (folder.path / "segment-1-abc.ndjson").write_bytes(saved)  # as if the segment had not been deleted yet
        moved(settings)
        assert len(list(list_aside(folder))) == 2


class WhenSeveralMoveAtOnce:
    def test_a_segment_is_moved_by_one_of_them(self, shop: Wooshq, server: Server, settings: Settings, folder: SpoolFolder) -> None:
        server.kill()
        with nobody_moves(shop):
            shop.enqueue(an_intent())
        server.start()
        folder.seal()
        (segment,) = folder.segments()
        with folder.taken(segment) as mine:
            assert mine is not None
            assert moved(settings) == Moved(left=True)
        assert moved(settings) == Moved(accepted=1)

    def test_a_conflict_is_raised_at_once_while_redis_answers(self, shop: Wooshq) -> None:
        shop.enqueue(an_intent("u1", idempotency_key="k-1"))
        with pytest.raises(Conflict):
            shop.enqueue(an_intent("u2", idempotency_key="k-1"))


@contextmanager
def full_disk(most_bytes: int) -> Iterator[None]:
    """No file of this process may grow beyond this: the write that does is cut, and the next fails, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


def _status(shop: Wooshq, name: str) -> str | None:
    try:
        found = shop.status(name)
    except LedgerUnavailable:
        return "away"
    return None if found is None else found.state
