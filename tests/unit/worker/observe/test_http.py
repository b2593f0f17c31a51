"""The server of pages for machines: it answers beside slow readers, and a fault of a page is seen."""

from __future__ import annotations

import socket
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest

from tests.rig import wait_until
from wooshq_worker.observe.metrics.http import Server


class Page:
    """`/` is well, and everything else is a bug."""

    def answer(self, path: str, accept: str) -> tuple[int, str, bytes]:
        if path != "/":
            raise KeyError("secret")
        return 200, "text/plain", accept.encode()


@pytest.fixture
def address() -> Iterator[str]:
    server = Server("0", Page())
    assert server.address is not None
    yield server.address
    server.end()


def get(address: str, path: str = "/", accept: str = "x/y") -> tuple[int, bytes]:
    try:
        with urllib.request.urlopen(urllib.request.Request(f"http://{address}{path}", headers={"Accept": accept}), timeout=60) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def test_a_page_is_given_what_the_reader_accepts(address: str) -> None:
    assert get(address) == (200, b"x/y")


def test_a_page_that_fails_is_an_answer_500_that_says_nothing_of_the_fault(address: str) -> None:
    status, body = get(address, "/bug")
    assert status == 500
    assert b"secret" not in body
    assert get(address)[0] == 200


def test_readers_that_say_nothing_do_not_keep_others_waiting_and_too_many_are_sent_away(address: str) -> None:
    host, _, port = address.rpartition(":")
    silent = [socket.create_connection((host, int(port))) for _ in range(7)]
    try:
        assert get(address)[0] == 200
        silent += [socket.create_connection((host, int(port))) for _ in range(20)]
        assert any(_was_sent_away(one) for one in silent[-20:])
    finally:
        for one in silent:
            one.close()
    wait_until(lambda: _answers(address))


def _was_sent_away(connection: socket.socket) -> bool:
    connection.settimeout(60)
    return connection.recv(1) == b""


def _answers(address: str) -> bool:
    try:
        return get(address)[0] == 200
    except OSError:  # those that were silent still have the places of all
        return False


def test_an_address_that_does_not_exist_raises_nothing() -> None:
    assert Server("no-such-host.invalid:1", Page()).address is None


def test_ipv6_is_served_where_there_is_one() -> None:
    server = Server("[::1]:0", Page())
    if server.address is None:
        pytest.skip("this machine has no IPv6")
    try:
        assert get(server.address)[0] == 200
    finally:
        server.end()
