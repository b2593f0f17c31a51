"""The transport's tests run on both event loops that a worker may have, and some of them with and without TLS."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Mapping

import pytest

from tests.integration.worker.api.certificates import a_certificate, serving
from tests.integration.worker.api.raw_server import Tls
from wooshq_worker.process.engine import LOOPS


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    return LOOPS


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Tls:
    pair = a_certificate(tmp_path_factory.mktemp("tls"), "good")
    return Tls(serving(*pair), ssl.create_default_context(cafile=str(pair[0])))


@pytest.fixture(params=["plain", "tls"])
def tls(request: pytest.FixtureRequest, certificate: Tls) -> Tls | None:
    return certificate if request.param == "tls" else None
