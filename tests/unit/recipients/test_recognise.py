"""Which format a file has, and which formats are refused."""

from __future__ import annotations

import gzip
import tarfile
import zipfile
from pathlib import Path

import pytest

from tests.unit.recipients.reading import a_file, refusal_of


class WhenAFileIsNeitherUtf8NorUtf16:
    @pytest.mark.parametrize("encoding", ["utf-32", "utf-32-le", "utf-32-be"])
    @pytest.mark.parametrize("mark", ["", "\ufeff"], ids=["without a mark", "with a mark"])
    @pytest.mark.parametrize("text", ["user\nu1\n", '{"user":"u1"}\n'])
    def test_utf32_is_refused_by_name(self, text: str, mark: str, encoding: str) -> None:
        content = mark + text
        says = "is UTF-32. Save it as UTF-8"
        assert says in refusal_of(content.encode(encoding))
        assert says in refusal_of(gzip.compress(content.encode(encoding)))

    def test_a_file_of_only_nul_bytes_is_refused(self) -> None:
        assert "begins with NUL bytes" in refusal_of(b"\0" * 1_000)


class WhenAFileIsOfAnotherKind:
    def test_archives_are_refused_by_name(self, tmp_path: Path) -> None:
        member = a_file(tmp_path, b"user\nu1\n")
        with tarfile.open(tmp_path / "t.tar", "w") as tar:
            tar.add(member, "people.csv")
        with zipfile.ZipFile(tmp_path / "z.zip", "w") as archive:
            archive.write(member, "people.csv")
        tarred, zipped = (tmp_path / "t.tar").read_bytes(), (tmp_path / "z.zip").read_bytes()
        assert "is a tar archive" in refusal_of(tarred)
        assert "is a tar archive" in refusal_of(gzip.compress(tarred))
        assert "is a zip archive (an Excel workbook is one, too)" in refusal_of(zipped)
        assert "is a zip archive" in refusal_of(gzip.compress(zipped))

    @pytest.mark.parametrize(
        ("begins", "says"),
        [(b"\x28\xb5\x2f\xfd", "zstd"), (b"BZh91AY", "bzip2"), (b"\xfd7zXZ\0", "xz"), (b"%PDF-1.7\n", "PDF"), (b"PAR1", "Parquet")],
    )
    def test_other_kinds_are_refused_by_name(self, begins: bytes, says: str) -> None:
        assert says in refusal_of(begins + b"...")
