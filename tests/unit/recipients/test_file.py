"""Files, pipes and standard input: which are opened, and what happens if they change while they are read."""

from __future__ import annotations

import gzip
import os
import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.unit.recipients.reading import Row, Stream, a_file, a_stream, rows_in, writing
from wooshq.errors import RecipientsUnreadable
from wooshq.recipients.file import Fingerprint, RecipientsFile
from wooshq_schemas import Recipient


class WhenAPathCannotBeOpened:
    @contextmanager
    def without_permissions(self) -> Iterator[None]:
        """Act as a user without permissions, because root may read everything."""
        if os.geteuid() != 0:
            yield
            return
        os.seteuid(65534)
        try:
            yield
        finally:
            os.seteuid(0)

    def refusal(self, path: Path) -> str:
        with pytest.raises(RecipientsUnreadable) as refused:
            RecipientsFile(path)
        return str(refused.value)

    def test_a_path_that_does_not_exist_is_named(self, tmp_path: Path) -> None:
        assert self.refusal(tmp_path / "nobody.csv") == f"{tmp_path}/nobody.csv: does not exist. Check the path"
        (tmp_path / "link.csv").symlink_to("nobody.csv")
        assert "It is a link to a file that does not exist" in self.refusal(tmp_path / "link.csv")
        (tmp_path / "loop.csv").symlink_to("loop.csv")
        assert "cannot be opened" in self.refusal(tmp_path / "loop.csv")
        assert "cannot be opened" in self.refusal(tmp_path / ("x" * 5_000))
        assert "cannot be opened" in self.refusal(a_file(tmp_path, b"", "file") / "x")
        assert "NUL" in self.refusal(Path("a\0b"))

    def test_a_file_without_permission_is_named(self, tmp_path: Path) -> None:
        path = a_file(tmp_path, b"user\n")
        path.chmod(0)
        with self.without_permissions():
            assert "cannot be read by this user" in self.refusal(path)

    def test_folders_devices_and_sockets_are_refused(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        assert "is a folder. Name a file in it" in self.refusal(tmp_path)
        for device in ("/dev/zero", "/dev/null", "/dev/urandom"):
            assert "is a device or a socket, not a file" in self.refusal(Path(device))
        monkeypatch.chdir(tmp_path)  # a socket's path must be short
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind("s")
            assert "is a device or a socket, not a file" in self.refusal(tmp_path / "s")

    @pytest.mark.skipif(not os.path.ismount("/proc"), reason="there is no /proc here")
    def test_kernel_files_are_refused_also_through_a_link(self, tmp_path: Path) -> None:
        (tmp_path / "link.csv").symlink_to("/proc/self/environ")
        (tmp_path / "folder").symlink_to("/proc/self")
        for path in (tmp_path / "link.csv", tmp_path / "folder" / "environ", Path("/proc/self/environ"), Path("/proc/../proc/version")):
            assert "is a kernel file" in self.refusal(path)
        if os.path.exists("/sys/kernel/mm"):
            assert "is a kernel file" in self.refusal(Path("/sys/kernel/uevent_seqnum"))

    def test_a_link_to_another_file_opens_that_file(self, tmp_path: Path) -> None:
        (tmp_path / "other").mkdir()
        a_file(tmp_path / "other", b"user\nu1\n")
        (tmp_path / "link.csv").symlink_to("other/people.csv")
        assert rows_in(tmp_path / "link.csv") == [Recipient("u1")]

    def test_control_characters_in_a_name_are_not_printed(self, tmp_path: Path) -> None:
        assert "�[31mred: does not exist" in self.refusal(tmp_path / "\x1b[31mred")


class WhenRecipientsComeThroughAPipe:
    @pytest.mark.parametrize("content", [(b"user\nu1\n", b"u2\n"), (b'{"user":"u1"}\n', b'{"user":"u2"}\n')], ids=["CSV", "NDJSON"])
    def test_rows_are_given_before_the_writer_has_finished(self, tmp_path: Path, content: tuple[bytes, bytes]) -> None:
        os.mkfifo(tmp_path / "pipe")
        goes_on = threading.Event()
        writer = writing(tmp_path / "pipe", *content, wait_for=goes_on)
        with RecipientsFile(tmp_path / "pipe") as file:
            rows = file.rows()
            assert next(rows) == Recipient("u1")
            goes_on.set()
            assert list(rows) == [Recipient("u2")]
            file.check_unchanged()
            assert file.fingerprint is None
        writer.join(60)

    @pytest.mark.parametrize("path", [None, Path("-")])
    def test_standard_input_can_be_a_pipe(self, path: Path | None) -> None:
        reads, writes = os.pipe()
        writer = writing(writes, gzip.compress(b"user\nu1\n"))
        with os.fdopen(reads, "rb") as stdin, RecipientsFile(path, stdin=stdin) as file:
            assert list(file.rows()) == [Recipient("u1")]
            assert file.fingerprint is None
            file.close()
            assert not stdin.closed
        writer.join(60)

    def test_a_process_substitution_is_a_pipe(self) -> None:
        reads, writes = os.pipe()
        writer = writing(writes, b"user\nu1\n")
        assert rows_in(Path(f"/dev/fd/{reads}")) == [Recipient("u1")]
        os.close(reads)
        writer.join(60)

    def test_standard_input_can_be_a_file_but_not_a_device(self, tmp_path: Path) -> None:
        with a_file(tmp_path, b"user\nu1\n").open("rb") as stdin, RecipientsFile(None, stdin=stdin) as file:
            assert list(file.rows()) == [Recipient("u1")]
            assert file.fingerprint is None
        with open("/dev/zero", "rb") as stdin, pytest.raises(RecipientsUnreadable, match="standard input: is a device"):
            RecipientsFile(None, stdin=stdin)

    def test_a_closed_or_non_blocking_stream_is_refused(self) -> None:
        reads, writes = os.pipe()
        os.set_blocking(reads, False)
        with os.fdopen(reads, "rb", buffering=0) as stdin, pytest.raises(RecipientsUnreadable, match="is not blocking"):
            list(a_stream(stdin).rows())
        os.close(writes)
        with pytest.raises(RecipientsUnreadable, match="is closed"):
            a_stream(stdin)

    def test_a_failing_read_gives_the_complete_rows_and_then_an_error(self) -> None:
        def breaking() -> Iterator[bytes]:
            yield b"user\nu1\nu2"
            raise OSError(5, "Input/output error")

        rows: list[Row] = []
        with a_stream(Stream(breaking())) as file, pytest.raises(RecipientsUnreadable) as refused:
            rows.extend(file.rows())
        assert (
            str(refused.value) == "standard input: line 3: reading failed (Input/output error). Check the disk or the pipe, and start again"
        )


def truncated(path: Path) -> None:
    os.truncate(path, 3)


def appended_to(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"u9\n")


def touched(path: Path) -> None:
    os.utime(path, ns=(0, 1))


def replaced(path: Path) -> None:
    """By one of the same size and moment."""
    there = path.stat()
    other = a_file(path.parent, path.read_bytes(), "other.csv")
    os.utime(other, ns=(there.st_atime_ns, there.st_mtime_ns))
    other.replace(path)


def deleted(path: Path) -> None:
    path.unlink()


def rewritten(path: Path) -> None:
    """In place, with the same bytes."""
    path.write_bytes(path.read_bytes())
    touched(path)


class WhenAFileIsChangedWhileItIsRead:
    @pytest.mark.parametrize(
        ("change", "says"),
        [
            (truncated, "it became shorter while it was read (300,005 bytes, now 3)"),
            (appended_to, "it became longer while it was read"),
            (touched, "it was written to while it was read"),
            (replaced, "it was replaced by another file while it was read"),
            (deleted, "it was deleted or renamed while it was read"),
        ],
    )
    def test_the_check_at_the_end_reports_it(self, tmp_path: Path, change: Callable[[Path], None], says: str) -> None:
        path = a_file(tmp_path, b"user\n" + b"u1\n" * 100_000)
        with RecipientsFile(path) as file:
            rows = file.rows()
            next(rows)
            file.check_unchanged()
            change(path)
            given = 1 + sum(1 for _ in rows)
            with pytest.raises(RecipientsUnreadable) as refused:
                file.check_unchanged()
        assert str(refused.value).startswith(f"{path}: {says}")
        assert given < 100_000 if change is truncated else given >= 100_000, "an open file is read on, whatever its name stands for"

    def test_a_link_that_now_leads_to_another_file_is_reported(self, tmp_path: Path) -> None:
        a_file(tmp_path, b"user\nu1\n", "a.csv")
        a_file(tmp_path, b"user\nu1\n", "b.csv")
        link = tmp_path / "link.csv"
        link.symlink_to("a.csv")
        with RecipientsFile(link) as file:
            list(file.rows())
            link.unlink()
            link.symlink_to("b.csv")
            with pytest.raises(RecipientsUnreadable, match="replaced by another file"):
                file.check_unchanged()

    @pytest.mark.parametrize("same_content", [touched, replaced, rewritten])
    def test_a_file_with_the_same_content_has_not_changed(self, tmp_path: Path, same_content: Callable[[Path], object]) -> None:
        path = a_file(tmp_path, b"user\n" + b"u1\n" * 1000)
        with RecipientsFile(path) as file:
            assert re.fullmatch("[0-9a-f]{32}", file.digest or "")
            rows = file.rows()
            next(rows)
            same_content(path)
            assert sum(1 for _ in rows) == 999
            file.check_unchanged()

    @pytest.mark.parametrize(
        "change", [lambda path: path.write_bytes(b"user\nu2\n"), lambda path: (path.unlink(), path.write_bytes(b"user\nu2\n"))]
    )
    def test_other_content_of_the_same_size_is_a_change(self, tmp_path: Path, change: Callable[[Path], object]) -> None:
        path = a_file(tmp_path, b"user\nu1\n")
        with RecipientsFile(path) as file:
            _ = file.digest
            change(path)
            touched(path)
            list(file.rows())
            with pytest.raises(RecipientsUnreadable, match=r"written to|replaced"):
                file.check_unchanged()

    def test_a_file_that_changed_before_its_digest_was_read_is_refused(self, tmp_path: Path) -> None:
        path = a_file(tmp_path, b"user\nu1\n")
        with RecipientsFile(path) as file:
            touched(path)
            with pytest.raises(RecipientsUnreadable, match="written to"):
                _ = file.digest

    def test_its_fingerprint_changes(self, tmp_path: Path) -> None:
        path = a_file(tmp_path, b"user\nu1\n")
        with RecipientsFile(path) as file:
            before = file.fingerprint
        assert before == Fingerprint(8, path.stat().st_mtime_ns)
        assert Fingerprint.from_text(before.as_text()) == before
        appended_to(path)
        with RecipientsFile(path) as file:
            assert file.fingerprint != before

    @pytest.mark.parametrize("text", ["", "1", "a:b", "1:2:3"])
    def test_a_text_that_is_not_a_fingerprint_is_an_error(self, text: str) -> None:
        with pytest.raises(ValueError):
            Fingerprint.from_text(text)


class WhenLinesAreCounted:
    def test_they_are_counted_up_to_the_end_of_the_row_given_last(self, tmp_path: Path) -> None:
        path = a_file(tmp_path, b'\nuser,name\nu1,a\n\nu2,"b\nc"\nu3\nu4,d\n\n')
        with RecipientsFile(path) as file:
            assert file.lines_read == 0
            assert [file.lines_read for _ in file.rows()] == [3, 6, 7, 8]
            assert file.lines_read == 9

    def test_ndjson_lines_are_counted_the_same_way(self, tmp_path: Path) -> None:
        path = a_file(tmp_path, b'\n{"user":"u1"}\n\nx\n{"user":"u2"}')
        with RecipientsFile(path) as file:
            assert [file.lines_read for _ in file.rows()] == [2, 4, 5]

    def test_rows_can_be_read_once(self, tmp_path: Path) -> None:
        with RecipientsFile(a_file(tmp_path, b"user\nu1\n")) as file:
            assert len(list(file.rows())) == 1
            with pytest.raises(ValueError, match="once"):
                list(file.rows())

    def test_the_file_is_closed_afterwards(self, tmp_path: Path) -> None:
        with RecipientsFile(a_file(tmp_path, b"user\nu1\n")) as file:
            pass
        with pytest.raises(ValueError):
            list(file.rows())
