"""Where a process listens, as people write it."""

from __future__ import annotations

import pytest

from wooshq.settings.listen import Listen, listen_on


@pytest.mark.parametrize(
    ("text", "means"),
    [
        ("9464", Listen("127.0.0.1", range(9464, 9465))),
        ("0", Listen("127.0.0.1", range(1))),
        ("9464-9471", Listen("127.0.0.1", range(9464, 9472))),
        ("0.0.0.0:9464", Listen("0.0.0.0", range(9464, 9465))),
        ("[::1]:9464-9465", Listen("::1", range(9464, 9466))),
        ("worker-1.internal:80", Listen("worker-1.internal", range(80, 81))),
    ],
)
def test_a_port_is_for_this_machine_unless_a_host_is_named(text: str, means: Listen) -> None:
    assert listen_on(text) == means


@pytest.mark.parametrize(
    "text", ["", "localhost", ":9464", "9471-9464", "70000", "9464-70000", "http://127.0.0.1:9464", "::1:9464", "9464 "]
)
def test_other_forms_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must"):
        listen_on(text)


def test_an_address_of_ipv6_is_shown_in_brackets() -> None:
    assert listen_on("[::1]:1").shown(9464) == "[::1]:9464"
