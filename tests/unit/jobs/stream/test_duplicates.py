"""Recipients that come again in a job are recognised: exactly, in little memory, and nothing stays behind."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import tempfile
import textwrap
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from wooshq.errors import FolderUnusable, WooshqError
from wooshq.jobs.stream.duplicates import Duplicates, folder_of_tables

MIB = 1 << 20
NOWHERE = Path("/nowhere/at/all")

keys = st.text(st.characters(exclude_categories=["Cs"]), max_size=4) | st.sampled_from(
    ["a", "A", "a ", "a\0", "a\0b", "ä", "a\u0308", "1", "01"]
)


def asked(folder: Path, batches: Sequence[Sequence[str]], *, keys_in_memory: int) -> list[list[bool]]:
    with Duplicates(folder, keys_in_memory=keys_in_memory) as once:
        return [once.new(batch) for batch in batches]


class WhenRecipientsComeMoreThanOnce:
    @pytest.mark.parametrize("keys_in_memory", [0, 2, 100], ids=["on disk", "first in memory, then on disk", "in memory"])
    def test_each_is_new_once_in_a_batch_and_in_later_batches(self, tmp_path: Path, keys_in_memory: int) -> None:
        batches = [["a", "b", "a"], [], ["b", "c", "c"], ["a", "d"]]
        expected = [[True, True, False], [], [False, True, False], [False, True]]
        assert asked(tmp_path, batches, keys_in_memory=keys_in_memory) == expected

    @given(st.lists(st.lists(keys, max_size=8), max_size=8), st.integers(0, 12))
    @settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
    def test_it_answers_as_a_python_set_would(self, tmp_path: Path, batches: list[list[str]], keys_in_memory: int) -> None:
        met: set[str] = set()
        expected = [[key not in met and not met.add(key) for key in batch] for batch in batches]  # type: ignore[func-returns-value]
        assert asked(tmp_path, batches, keys_in_memory=keys_in_memory) == expected

    def test_threads_may_use_it_one_after_the_other(self, tmp_path: Path) -> None:
        with Duplicates(tmp_path, keys_in_memory=0) as once:
            assert once.new(["a"]) == [True]
            answers: list[list[bool]] = []
            thread = threading.Thread(target=lambda: answers.append(once.new(["a", "b"])))
            thread.start()
            thread.join(60)
        assert answers == [[False, True]]


class WhenNoFolderCanBeWritten:
    def test_all_keys_stay_in_memory(self) -> None:
        many = [f"u{i}" for i in range(100)]
        with Duplicates(None, keys_in_memory=10) as once:
            assert once.new([*many, "u1"]) == [*[True] * 100, False]
            assert once.new(many) == [False] * 100

    def test_it_is_found_out_before_the_job_begins(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(tempfile, "_candidate_tempdir_list", list)
        monkeypatch.setattr(tempfile, "tempdir", None)
        assert folder_of_tables() is None


class WhenAJobIsSmall:
    def test_it_does_not_touch_the_disk(self) -> None:
        with Duplicates(NOWHERE) as once:
            for start in range(0, 50_000, 5_000):
                assert all(once.new([f"u{n}" for n in range(start, start + 5_000)]))

    def test_one_key_more_goes_to_the_disk(self) -> None:
        with Duplicates(NOWHERE) as once:
            once.new([f"u{n}" for n in range(50_000)])
            with pytest.raises(FolderUnusable):
                once.new(["one more"])

    def test_long_keys_are_counted_by_their_bytes(self) -> None:
        with Duplicates(NOWHERE) as once, pytest.raises(FolderUnusable):
            for n in range(9):
                once.new([f"{n}" * MIB])


@contextmanager
def files_end_at(size: int) -> Iterator[None]:
    """A full disk: no file of this process can grow."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


class WhenTheFolderIsFull:
    @pytest.mark.parametrize("size", [0, MIB], ids=["at the first byte", "later"])
    def test_the_error_names_the_folder_and_the_fix(self, tmp_path: Path, size: int) -> None:
        with Duplicates(tmp_path, keys_in_memory=0) as once, pytest.raises(FolderUnusable) as told, files_end_at(size):
            for start in range(0, 200_000, 5_000):
                once.new([f"{n:0200}" for n in range(start, start + 5_000)])
        assert str(tmp_path) in str(told.value)
        assert "Make room in it, or set TMPDIR to another folder." in str(told.value)
        assert "0000" not in str(told.value)
        assert isinstance(told.value, WooshqError)
        assert list(tmp_path.iterdir()) == []

    def test_a_missing_folder_is_named_too(self) -> None:
        with Duplicates(NOWHERE, keys_in_memory=0) as once, pytest.raises(FolderUnusable, match=f"{NOWHERE} .*No such file or directory"):
            once.new(["a"])


class WhenThereAreAMillionRecipients:
    @pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="nobody here tells the most memory that a process had")
    def test_memory_is_bounded_and_the_folder_shows_no_file(self, tmp_path: Path) -> None:
        program = """
            import sys
            from pathlib import Path
            from wooshq.jobs.stream.duplicates import Duplicates, folder_of_tables

            def most_kib():
                return int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0])

            folder, before = Path(sys.argv[1]), most_kib()
            with Duplicates(folder) as once:
                for start in range(0, 1_000_000, 5_000):
                    batch = [f"{n * 2654435761 % 2**32:032x}" for n in range(start, start + 5_000)]
                    assert all(once.new(batch)) and not any(once.new(batch[:10]))
                assert list(folder.iterdir()) == []
            print(most_kib() - before)
        """
        assert int(run(program, tmp_path, check=True).stdout) < 32 * 1024

    def test_nothing_stays_behind_when_the_process_is_killed(self, tmp_path: Path) -> None:
        program = """
            import os, signal, sys
            from pathlib import Path
            from wooshq.jobs.stream.duplicates import Duplicates, folder_of_tables
            Duplicates(Path(sys.argv[1]), keys_in_memory=0).new([f"{n:0300}" for n in range(100_000)])
            os.kill(os.getpid(), signal.SIGKILL)
        """
        assert run(program, tmp_path).returncode == -signal.SIGKILL
        assert list(tmp_path.iterdir()) == []


def run(program: str, folder: Path, *, check: bool = False) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", textwrap.dedent(program), str(folder)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=check)
