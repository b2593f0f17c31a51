"""The embedded Redis, with real processes: shared by them, stopped by the last one, and recovered after every kill."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import redis
from kombu import Connection

from wooshq.installation.embedded import EmbeddedRedis, EmbeddedRedisError, locks, urls_for
from wooshq.installation.embedded import folder as embedded_folder
from wooshq.installation.embedded import server as embedded_server
from wooshq.installation.embedded.folder import network_kind
from wooshq.installation.embedded.server import DURABLE

PROGRAM = Path(__file__).with_name("other_process.py")
REPOSITORY = PROGRAM.parents[4]


class OtherProcess:
    """Another process that uses the server (see other_process.py)."""

    def __init__(self, data_dir: Path, *before: str, **environment: str) -> None:
        path = os.pathsep.join(str(REPOSITORY / layer) for layer in ("schemas", "tasks"))
        self.process = subprocess.Popen(
            [*before, sys.executable, str(PROGRAM), str(data_dir)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": path, **environment},
        )

    def tell(self, word: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(word + "\n")
        self.process.stdin.flush()

    def answer(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, f"the process ended with {self.process.wait()} instead of answering"
        answer: dict[str, Any] = json.loads(line)
        return answer

    def ask(self, word: str) -> dict[str, Any]:
        self.tell(word)
        return self.answer()

    def end(self) -> None:
        """It ends like a program, without an explicit `release`."""
        self.process.communicate(timeout=60)

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate(timeout=60)


@pytest.fixture
def other_process(data_dir: Path) -> Iterator[Callable[..., OtherProcess]]:
    """Starts other processes. After the test, they and their servers are killed."""
    made: list[OtherProcess] = []
    places = {data_dir}

    def make(*before: str, at: Path = data_dir, **environment: str) -> OtherProcess:
        places.add(at)
        made.append(OtherProcess(at, *before, **environment))
        return made[-1]

    yield make
    for other in made:
        other.kill()
    for pid in [pid for at in places for pid in servers(at)]:
        os.kill(pid, signal.SIGKILL)


def servers(data_dir: Path) -> list[int]:
    """Pids of the servers that run on the files of `data_dir` (zombies do not count)."""
    found = []
    for process in psutil.process_iter(["name", "status"]):
        with contextlib.suppress(psutil.Error):
            if process.info["name"] == "redis-server" and process.info["status"] != psutil.STATUS_ZOMBIE:
                found += [process.pid] if Path(process.cwd()) == data_dir.resolve() / "redis" else []
    return found


def wait_until(true: Callable[[], object], *, because: str, within_s: float = 30.0) -> None:
    ends = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < ends, because
        time.sleep(0.01)


def kill_server(data_dir: Path) -> int:
    """kill -9 the server, and wait until it is gone. Returns its pid."""
    (pid,) = servers(data_dir)
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not servers(data_dir), because="a killed server must go")
    return pid


def write(url: str, value: str) -> None:
    with redis.Redis.from_url(url) as client:
        client.set("what", value)


def read(url: str) -> object:
    with redis.Redis.from_url(url, decode_responses=True) as client:
        return client.get("what")


def mounted(at: Path, options: str) -> tuple[str, ...]:
    """The beginning of a command that gets its own small file system at `at`. Skips the test if the kernel does not allow that."""
    own = ("unshare", "--user", "--map-root-user", "--mount", "sh", "-c", f'mount -t tmpfs -o {options} none "{at}" && exec "$@"', "sh")
    if shutil.which("unshare") is None or subprocess.run([*own, "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("this machine does not allow the test to mount a file system")
    return own


class WhenManyProcessesStartAtOnce:
    def test_they_share_one_server(self, other_process: Callable[..., OtherProcess], data_dir: Path) -> None:
        processes = [other_process() for _ in range(8)]
        for process in processes:
            process.tell("acquire")
        pids = {process.answer()["server"] for process in processes}
        assert pids == set(servers(data_dir))
        assert len(pids) == 1

    def test_if_they_are_killed_at_any_moment_the_next_process_has_one_server(
        self, other_process: Callable[..., OtherProcess], data_dir: Path
    ) -> None:
        for after_s in (0.0, 0.1, 0.2, 0.3):
            processes = [other_process() for _ in range(4)]
            for process in processes:
                process.tell("acquire")
            time.sleep(after_s)  # not a wait for an event: the kills come at different moments of the start
            for process in processes:
                process.kill()
            with EmbeddedRedis(data_dir):
                assert len(servers(data_dir)) == 1
            assert servers(data_dir) == []


class WhenTheLastUserLeaves:
    def test_no_server_and_no_socket_is_left(self, other_process: Callable[..., OtherProcess], data_dir: Path) -> None:
        first, second = other_process(), other_process()
        first.ask("acquire")
        second.ask("acquire")
        first.ask("release")
        assert len(servers(data_dir)) == 1
        second.ask("release")
        assert servers(data_dir) == []
        assert not (data_dir / "redis" / "redis.sock").exists()

    def test_it_does_not_have_to_release_explicitly(self, other_process: Callable[..., OtherProcess], data_dir: Path) -> None:
        one = other_process()
        one.ask("acquire")
        one.end()
        assert servers(data_dir) == []

    def test_the_process_that_started_it_may_leave_first(self, other_process: Callable[..., OtherProcess], data_dir: Path) -> None:
        starter = other_process()
        url = starter.ask("acquire")["url"]
        with EmbeddedRedis(data_dir):
            starter.end()
            write(url, "still there")
            assert read(url) == "still there"
        wait_until(lambda: not servers(data_dir), because="the last user stops the server, even if another process started it")

    def test_its_data_is_kept_for_the_next_user(self, data_dir: Path) -> None:
        with EmbeddedRedis(data_dir) as embedded:
            write(embedded.url, "kept")
        with EmbeddedRedis(data_dir) as embedded:
            assert read(embedded.url) == "kept"

    def test_releasing_twice_or_without_a_hold_does_nothing(self, data_dir: Path) -> None:
        embedded = EmbeddedRedis(data_dir)
        embedded.release()
        embedded.acquire()
        embedded.release()
        embedded.release()
        assert servers(data_dir) == []

    def test_one_process_can_have_two_holds(self, data_dir: Path) -> None:
        with EmbeddedRedis(data_dir):
            with EmbeddedRedis(data_dir):
                pass
            assert len(servers(data_dir)) == 1


class WhenTheServerIsKilled:
    def test_the_next_user_starts_it_again_with_its_data(self, other_process: Callable[..., OtherProcess], data_dir: Path) -> None:
        url = other_process().ask("acquire")["url"]
        write(url, "accepted")
        killed = kill_server(data_dir)
        with EmbeddedRedis(data_dir) as embedded:
            assert read(embedded.url) == "accepted"
            assert servers(data_dir) != [killed]

    def test_a_user_restarts_it_by_acquiring_again(self, data_dir: Path) -> None:
        with EmbeddedRedis(data_dir) as embedded:
            write(embedded.url, "accepted")
            kill_server(data_dir)
            assert read(embedded.acquire()) == "accepted"
        assert servers(data_dir) == []

    def test_an_incomplete_last_command_is_cut_off(self, data_dir: Path) -> None:
        with EmbeddedRedis(data_dir) as embedded:
            write(embedded.url, "whole")
            kill_server(data_dir)
        with (data_dir / "redis" / "appendonly.aof").open("ab") as file:
            file.write(b"*3\r\n$3\r\nSET\r\n$4\r\nwhat\r\n$100\r\ntor")
        with EmbeddedRedis(data_dir) as embedded:
            assert read(embedded.url) == "whole"

    def test_the_files_that_it_leaves_do_not_block_the_next_start(self, data_dir: Path) -> None:
        with EmbeddedRedis(data_dir):
            kill_server(data_dir)
        (data_dir / "redis" / "redis.pid").write_text(str(os.getpid()))  # alive, and not a Redis
        assert (data_dir / "redis" / "redis.sock").exists()
        with EmbeddedRedis(data_dir) as embedded:
            assert read(embedded.url) is None


class WhenAUserIsKilled:
    def test_the_others_keep_the_server(self, other_process: Callable[..., OtherProcess], data_dir: Path) -> None:
        victim = other_process()
        pid = victim.ask("acquire")["server"]
        with EmbeddedRedis(data_dir) as embedded:
            victim.kill()
            assert read(embedded.url) is None
            assert servers(data_dir) == [pid]
        wait_until(lambda: not servers(data_dir), because="a killed process does not hold it")

    def test_the_next_user_joins_the_orphan_and_stops_it(self, other_process: Callable[..., OtherProcess], data_dir: Path) -> None:
        victim = other_process()
        orphan = victim.ask("acquire")["server"]
        victim.kill()
        assert servers(data_dir) == [orphan]
        with EmbeddedRedis(data_dir):
            assert servers(data_dir) == [orphan]
        wait_until(lambda: not servers(data_dir), because="the last user stops an orphan, too")


class WhenAProcessForks:
    def test_a_child_cannot_release_its_parents_hold(self, other_process: Callable[..., OtherProcess], data_dir: Path) -> None:
        parent = other_process()
        pid = parent.ask("acquire")["server"]
        parent.ask("forked child releases")
        assert servers(data_dir) == [pid]
        assert parent.ask("acquire")["server"] == pid
        parent.ask("release")
        assert servers(data_dir) == []

    def test_a_child_that_lives_longer_keeps_the_server(self, other_process: Callable[..., OtherProcess], data_dir: Path) -> None:
        parent = other_process()
        pid = parent.ask("acquire")["server"]
        child = parent.ask("fork a child that stays")["child"]
        parent.ask("release")
        assert servers(data_dir) == [pid]
        os.kill(child, signal.SIGKILL)
        wait_until(lambda: psutil.Process(child).status() == psutil.STATUS_ZOMBIE, because="a killed child must end")
        parent.ask("acquire")
        parent.ask("release")
        assert servers(data_dir) == []


class WhenAProcessForksWhileItStartsAServer:
    def test_the_child_does_not_keep_the_locks_of_the_start(self, data_dir: Path) -> None:
        starting = locks.open_lock(data_dir / "alive.lock")
        assert locks.try_to_lock(starting)
        child = os.fork()
        if child == 0:
            signal.pause()
        locks.close(starting)
        try:
            wait_until(lambda: not locks.is_locked_by_others(data_dir / "alive.lock"), because="the child closes its copy")
        finally:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)

    def test_the_child_shares_the_hold_that_its_parent_gives_it(self, data_dir: Path) -> None:
        hold = locks.open_lock(data_dir / "users.lock")
        locks.let_children_share(hold)
        locks.share(hold)
        child = os.fork()
        if child == 0:
            signal.pause()
        locks.close(hold)
        assert locks.is_locked_by_others(data_dir / "users.lock")
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        assert not locks.is_locked_by_others(data_dir / "users.lock")


class WhenCtrlCIsPressed:
    def test_the_server_is_not_in_the_terminals_session(self, data_dir: Path) -> None:
        with EmbeddedRedis(data_dir):
            (pid,) = servers(data_dir)
            assert os.getsid(pid) == pid
            assert os.getpgid(pid) == pid


class WhenItRuns:
    def test_it_never_evicts_and_writes_everything_to_its_file(self, data_dir: Path) -> None:
        with EmbeddedRedis(data_dir) as embedded, redis.Redis.from_url(embedded.url, decode_responses=True) as client:
            for name, value in {**DURABLE, "aof-load-truncated": "yes"}.items():
                assert client.config_get(name) == {name: value}

    def test_only_its_owner_can_reach_it(self, data_dir: Path) -> None:
        with EmbeddedRedis(data_dir) as embedded:
            (pid,) = servers(data_dir)
            assert (data_dir / "redis").stat().st_mode & 0o777 == 0o700
            assert not [c for c in psutil.Process(pid).net_connections("inet") if c.status == psutil.CONN_LISTEN]
            with redis.Redis.from_url(embedded.url, decode_responses=True) as client:
                assert client.config_get("port") == {"port": "0"}

    def test_a_folder_open_to_others_is_made_private(self, data_dir: Path) -> None:
        (data_dir / "redis").mkdir()
        (data_dir / "redis").chmod(0o755)
        with EmbeddedRedis(data_dir):
            assert (data_dir / "redis").stat().st_mode & 0o777 == 0o700

    def test_it_gets_no_secrets_from_our_environment(self, data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PUSHWOOSH_API_TOKEN", "T-secret")
        with EmbeddedRedis(data_dir):
            (pid,) = servers(data_dir)
            assert set(psutil.Process(pid).environ()) <= {"PATH"}

    @pytest.mark.parametrize("name", ["plain", "with a space", "100%25;,+&?#", "häusle"])
    def test_redis_py_and_kombu_understand_its_urls(self, data_dir: Path, name: str) -> None:
        with EmbeddedRedis(data_dir / name) as embedded:
            assert (embedded.url, embedded.broker_url) == urls_for(data_dir / name)
            write(embedded.url, name)
            with Connection(embedded.broker_url) as connection, connection.SimpleQueue("lane") as queue:
                queue.put({"name": name})
                assert queue.get(timeout=10).payload == {"name": name}
            assert read(embedded.url) == name

    def test_two_names_for_one_folder_are_one_server(self, data_dir: Path) -> None:
        (data_dir / "real").mkdir()
        (data_dir / "link").symlink_to("real")
        with EmbeddedRedis(data_dir / "real") as one, EmbeddedRedis(data_dir / "link") as other:
            assert one.url == other.url
            assert len(servers(data_dir / "real")) == 1

    def test_a_relative_folder_stays_the_same_if_the_process_changes_its_directory(
        self, data_dir: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(data_dir)
        with EmbeddedRedis(Path("here")) as embedded:
            url = embedded.url
            monkeypatch.chdir("/")
            assert (embedded.url, embedded.acquire()) == (url, url)
        assert servers(data_dir / "here") == []


class WhenThePathIsTooLongForASocket:
    @pytest.fixture
    def deep(self, data_dir: Path) -> Path:
        return data_dir / ("a-folder-with-a-long-name-" * 4) / "and-another-one-below-it"

    def test_the_socket_is_in_a_short_private_folder(self, deep: Path) -> None:
        with EmbeddedRedis(deep) as embedded:
            path = Path(embedded.url.removeprefix("unix://").removesuffix("?db=0"))
            assert len(os.fsencode(path)) <= 103
            assert path.parent.stat().st_mode & 0o777 == 0o700
            write(embedded.url, "reached")
            with Connection(embedded.broker_url) as connection:
                connection.ensure_connection(max_retries=1)
        assert not path.parent.exists()

    def test_a_process_with_another_temporary_folder_finds_the_socket(
        self, other_process: Callable[..., OtherProcess], deep: Path, data_dir: Path
    ) -> None:
        other = data_dir / "tmp"
        other.mkdir()
        with EmbeddedRedis(deep):
            guest = other_process(at=deep, TMPDIR=str(other))
            assert [guest.ask("acquire")["server"]] == servers(deep)
            guest.end()

    def test_a_link_that_somebody_put_there_first_is_refused(self, deep: Path, data_dir: Path) -> None:
        path = Path(urls_for(deep).ledger.removeprefix("unix://").removesuffix("?db=0"))
        path.parent.symlink_to(data_dir)
        try:
            with pytest.raises(EmbeddedRedisError, match="is a link"):
                EmbeddedRedis(deep).acquire()
        finally:
            path.parent.unlink()
        assert servers(deep) == []

    def test_a_data_folder_moved_to_a_short_path_is_used_there(self, deep: Path, data_dir: Path) -> None:
        with EmbeddedRedis(deep) as embedded:
            write(embedded.url, "moved")
        (data_dir / "short").mkdir()
        (deep / "redis").rename(data_dir / "short" / "redis")
        with EmbeddedRedis(data_dir / "short") as embedded:
            assert embedded.url.startswith(f"unix://{data_dir}/short/")
            assert read(embedded.url) == "moved"


class WhenTheFolderCannotBeUsed:
    def test_a_file_in_its_place_is_named(self, data_dir: Path) -> None:
        (data_dir / "file").touch()
        with pytest.raises(EmbeddedRedisError, match=r"file/redis \(Not a directory\): set WOOSHQ_DATA_DIR .* or set WOOSHQ_REDIS_URL"):
            EmbeddedRedis(data_dir / "file").acquire()

    def test_a_read_only_folder_is_named(self, other_process: Callable[..., OtherProcess], data_dir: Path) -> None:
        if os.geteuid() != 0:
            data_dir.chmod(0o500)
            error = other_process().ask("acquire")["error"]
            data_dir.chmod(0o700)
            assert "Permission denied" in error
        else:
            error = other_process(*mounted(data_dir, "ro")).ask("acquire")["error"]
            assert "Read-only file system" in error
        assert str(data_dir) in error
        assert "set WOOSHQ_DATA_DIR" in error

    def test_a_full_disk_is_reported_before_anything_is_started(self, other_process: Callable[..., OtherProcess], data_dir: Path) -> None:
        one = other_process(*mounted(data_dir, "size=16k"))
        error = one.ask("acquire")["error"]
        assert str(data_dir) in error
        assert "No space left on device" in error
        assert servers(data_dir) == []

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder to another user")
    def test_a_folder_of_another_user_is_refused(self, data_dir: Path) -> None:
        (data_dir / "redis").mkdir()
        os.chown(data_dir / "redis", 12345, 12345)
        with pytest.raises(EmbeddedRedisError, match="another user"):
            EmbeddedRedis(data_dir).acquire()

    def test_a_damaged_file_is_reported_in_the_servers_words(self, data_dir: Path) -> None:
        with EmbeddedRedis(data_dir) as embedded:
            write(embedded.url, "kept")
        file = data_dir / "redis" / "appendonly.aof"
        whole = file.read_bytes()
        file.write_bytes(b"not a command\r\n" + whole)
        with pytest.raises(EmbeddedRedisError, match=r"stops as soon as it starts: .*Bad file format.*redis\.log"):
            EmbeddedRedis(data_dir).acquire()
        assert servers(data_dir) == []
        assert file.read_bytes() == b"not a command\r\n" + whole

    @pytest.mark.parametrize(
        ("folder", "kind"),
        [("/home/me/x", "nfs4"), ("/home/you/x", None), ("/home/me-too", None), ("/srv/a b/c", "cifs"), ("/srv", None)],
    )
    def test_a_network_file_system_is_recognised(self, folder: str, kind: str | None) -> None:
        mounts = [
            "22 1 254:0 / / rw,relatime - ext4 /dev/vda rw",
            "30 22 0:40 / /home/me rw shared:1 - nfs4 server:/export rw",
            r"31 22 0:41 / /srv/a\040b rw - cifs //server/share rw",
        ]
        assert network_kind(folder, mounts) == kind

    def test_a_network_file_system_is_refused(self, data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(embedded_folder, "network_kind", lambda *_: "nfs4")
        with pytest.raises(EmbeddedRedisError, match=r"network file system \(nfs4\)"):
            EmbeddedRedis(data_dir).acquire()

    def test_a_process_that_never_finishes_starting_it_is_not_waited_for_for_ever(self, data_dir: Path) -> None:
        embedded = EmbeddedRedis(data_dir, within_s=0.2)
        (data_dir / "redis").mkdir()
        with (data_dir / "redis" / "start.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            with pytest.raises(EmbeddedRedisError, match="takes too long"):
                embedded.acquire()


class WhenRedisliteIsMissing:
    @pytest.fixture(autouse=True)
    def _missing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(embedded_server.importlib.util, "find_spec", lambda _: None)

    def test_the_error_says_what_to_do(self, data_dir: Path) -> None:
        with pytest.raises(EmbeddedRedisError, match=r"in a checkout of wooshq run pip install '.\[worker\]', or set WOOSHQ_REDIS_URL"):
            EmbeddedRedis(data_dir).acquire()

    def test_a_server_that_already_runs_is_joined(self, other_process: Callable[..., OtherProcess], data_dir: Path) -> None:
        url = other_process().ask("acquire")["url"]
        with EmbeddedRedis(data_dir) as embedded:
            assert embedded.acquire() == url
