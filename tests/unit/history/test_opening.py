"""Which history an installation has: a file with the embedded Redis, none with a Redis of its own, or the one that is named."""

from __future__ import annotations

import contextlib
import socket
import sqlite3
import stat
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, make_url, text

from tests.databases import SERVERS, a_database
from tests.unit.history.records import KINDS, a_history, a_record, an_id
from wooshq.errors import SettingsInvalid
from wooshq.history.contract import HistoryAway, HistoryNewer
from wooshq.history.store import history_url, open_history
from wooshq.search.tree import Field, Is
from wooshq.settings import Settings

NOBODY = "postgresql+psycopg://nobody:secret@127.0.0.1:1/none?connect_timeout=2"


class WhenNoHistoryIsNamed:
    def test_the_embedded_redis_has_a_file_beside_it(self, tmp_path: Path) -> None:
        settings = Settings(redis_url="embedded", data_dir=tmp_path / "new")
        history = open_history(settings)
        assert history is not None
        history.write([a_record(1)])
        assert history.where == str(tmp_path / "new" / "history.db")
        folder = tmp_path / "new"
        files = {file.name: stat.S_IMODE(file.stat().st_mode) for file in (folder, *folder.iterdir())}
        assert files == {"new": 0o700, "history.db": 0o600, "history.db-wal": 0o600, "history.db-shm": 0o600}, "nobody else may read it"
        history.close()

    def test_one_that_another_process_is_just_making_is_completed(self, tmp_path: Path) -> None:
        """The other process has said which version it makes, and not yet its secret."""
        settings = Settings(redis_url="embedded", data_dir=tmp_path)
        for _ in range(2):
            history = open_history(settings)
            assert history is not None
            history.write([a_record(1)])
            history.close()
            with contextlib.closing(sqlite3.connect(tmp_path / "history.db")) as other, other:
                assert other.execute("DELETE FROM wooshq_history_meta WHERE name = 'secret'").rowcount == 1

    def test_a_file_that_cannot_be_made_is_an_error_of_the_call_that_needs_it(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        history = open_history(Settings(history_url=f"sqlite:///{tmp_path}/file/history.db"))
        assert history is not None
        with pytest.raises(HistoryAway):
            history.read(an_id(1))

    @pytest.mark.parametrize("given", [{"redis_url": "redis://r"}, {"broker_url": "memory://", "base_url": "sandbox"}, {}])
    def test_another_redis_has_none(self, given: dict[str, Any]) -> None:
        assert open_history(Settings(**given)) is None


class WhenAHistoryIsNamed:
    def test_off_is_off(self) -> None:
        assert open_history(Settings(redis_url="embedded", history_url="off")) is None

    def test_a_driver_that_is_missing_is_named_and_the_url_is_not(self) -> None:
        with pytest.raises(SettingsInvalid) as error:
            open_history(Settings(history_url="postgresql+asyncpgx://u:secret@h/d"))
        assert "secret" not in str(error.value)

    @pytest.mark.parametrize("url", ["mysql://u:secret@h/d", "history.db", "sqlite://", "secret"])
    def test_what_cannot_be_one_is_refused_without_being_shown(self, url: str) -> None:
        with pytest.raises(ValueError, match="history_url") as error:
            Settings(history_url=url)
        assert "secret" not in str(error.value)

    def test_a_database_that_is_away_is_an_error_of_the_call_that_needs_it(self) -> None:
        history = open_history(Settings(history_url=NOBODY))
        assert history is not None
        assert (history.where, history_url(Settings(history_url=NOBODY))) == ("none at 127.0.0.1:1", NOBODY)
        with pytest.raises(HistoryAway) as error:
            history.write([a_record(1)])
        assert "secret" not in str(error.value)

    @pytest.mark.parametrize("kind", KINDS)
    def test_it_is_the_same_when_it_is_opened_again_and_that_of_a_newer_version_is_not_touched(self, kind: str, tmp_path: Path) -> None:
        with a_database(kind, tmp_path) as url:
            for times in range(2):
                history = open_history(Settings(history_url=url))
                assert history is not None
                assert (history.read(an_id(1)) is None) == (times == 0)
                history.write([a_record(1)])
                assert len(history.find(None, limit=5)) == 1
                history.close()
            engine = create_engine(url)
            with engine.begin() as sql:
                sql.execute(text("UPDATE wooshq_history_meta SET value = :v WHERE name = 'version'"), {"v": b"2"})
            engine.dispose()
            newer = open_history(Settings(history_url=url))
            assert newer is not None
            with pytest.raises(HistoryNewer):
                newer.read(an_id(1))
            newer.close()


class WhenSqlalchemyIsMissing:
    def test_only_a_history_that_is_on_needs_it(self, tmp_path: Path) -> None:
        program = f"""
import sys
sys.modules["sqlalchemy"] = None
from wooshq.history.store import open_history
from wooshq.history.record import Record
from wooshq.search.tree import Field, Is
from wooshq.settings import Settings
assert open_history(Settings(redis_url="redis://r")) is None
try:
    open_history(Settings(history_url="sqlite:///{tmp_path}/h.db"))
except Exception as error:
    print(error)
"""
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=True)
        assert "pip install 'wooshq[sqlalchemy]'" in done.stdout


def test_the_size_grows_with_what_is_written(tmp_path: Path) -> None:
    with a_history("sqlite", tmp_path) as history:
        before = history.size()
        history.write(a_record(n) for n in range(3000))
        after = history.size()
        assert (before.records, after.records, after.has_text_index) == (0, 3000, True)
        assert after.bytes > before.bytes


class WhenAUserMayOnlyRead:
    def test_what_is_there_is_found_and_a_write_is_refused_without_blaming_a_record(self, tmp_path: Path) -> None:
        with a_database("postgresql", tmp_path) as url:
            history = open_history(Settings(history_url=url))
            assert history is not None
            history.write([a_record(1)])
            history.close()
            reader = f"wooshq_reader_{uuid.uuid4().hex[:12]}"
            engine = create_engine(url, isolation_level="AUTOCOMMIT")
            with engine.connect() as sql:
                sql.execute(text(f"CREATE ROLE {reader} LOGIN"))
                sql.execute(text(f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {reader}"))
            read = open_history(Settings(history_url=make_url(url).set(username=reader).render_as_string(hide_password=False)))
            assert read is not None
            try:
                assert [one.id for one in read.find(Is(Field.RECIPIENT, "u1"), limit=5)] == [an_id(1)]
                with pytest.raises(HistoryAway):
                    read.write([a_record(2)])
            finally:
                read.close()
                with engine.connect() as sql:
                    sql.execute(text(f"DROP OWNED BY {reader}"))
                    sql.execute(text(f"DROP ROLE {reader}"))
                engine.dispose()


class WhenADatabaseSaysNothing:
    def test_a_server_that_never_answers_is_away(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as silent:
            url = f"postgresql+psycopg://nobody@127.0.0.1:{silent.getsockname()[1]}/none?connect_timeout=2"
            history = open_history(Settings(history_url=url))
            assert history is not None
            with pytest.raises(HistoryAway):
                history.write([a_record(1)])

    def test_a_connection_that_was_lost_is_made_again(self, tmp_path: Path) -> None:
        with a_history("postgresql", tmp_path) as history:
            history.write([a_record(1)])
            server = create_engine(SERVERS["postgresql"], isolation_level="AUTOCOMMIT")
            with server.connect() as sql:
                ended = text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname LIKE 'wooshq_%' AND datname = :name")
                sql.execute(ended, {"name": history.where.partition(" ")[0]})
            server.dispose()
            history.write([a_record(2)])
            assert history.size().records == 2


def test_without_its_index_a_text_is_found_by_reading_every_text(tmp_path: Path) -> None:
    with a_database("postgresql", tmp_path) as url:
        history = open_history(Settings(history_url=url))
        assert history is not None
        history.write([a_record(1)])
        assert history.size().has_text_index
        engine = create_engine(url)
        with engine.begin() as sql:
            sql.execute(text("DROP INDEX wooshq_history_texts"))
        engine.dispose()
        assert not history.size().has_text_index
        again = open_history(Settings(history_url=url))
        assert again is not None
        assert again.size().has_text_index, "it is made again when the history is opened"
        again.close()
        with engine.begin() as sql:
            sql.execute(text("DROP INDEX wooshq_history_texts"))
        engine.dispose()
        assert [len(history.find(Is(Field.TEXT, words), limit=5)) for words in ("ON ITS way", "nothing")] == [1, 0]
        history.close()
