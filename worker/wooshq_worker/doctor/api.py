"""Can the hosts be reached that a worker calls: the API's, and the collector's of OpenTelemetry?"""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Final, TypeVar
from urllib.parse import urlsplit

from wooshq_worker.doctor.finding import Finding

T = TypeVar("T")

_REACH_S: Final = 3.0


def check_collector(url: str) -> Finding:
    """Connect to the collector of OpenTelemetry. If it is away, spans are lost, and nothing else."""
    found = check(url)
    mend = "" if found.level == "ok" else "Start the collector, or fix OTEL_EXPORTER_OTLP_ENDPOINT. Messages are sent without it, too"
    return replace(found, what="collector", mend=mend, says=found.says.replace("(no token was sent)", "(no span was sent)"))


def check(base_url: str) -> Finding:
    """Connect: TCP and, for https, TLS. No request is made, and no token is sent."""
    parts = urlsplit(base_url)
    host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
    began = time.monotonic()
    mend = "Fix the network (workers use no proxy) or PUSHWOOSH_BASE_URL"
    try:
        _within(_REACH_S, lambda: _shake_hands(host, port, tls=parts.scheme == "https"))
    except ssl.SSLCertVerificationError as error:
        mend = "Fix PUSHWOOSH_BASE_URL, or set SSL_CERT_FILE to the certificates of your authority"
        return Finding("api", "warn", f"the certificate of {base_url} is not trusted: {error.verify_message}", mend)
    except TimeoutError:
        return Finding("api", "warn", f"{base_url} did not answer within {_REACH_S:g} s", mend)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or type(error).__name__
        return Finding("api", "warn", f"{base_url} cannot be reached: {why}", mend)
    return Finding("api", "ok", f"{base_url}, reached in {(time.monotonic() - began) * 1000:.0f} ms (no token was sent)")


def _shake_hands(host: str, port: int, *, tls: bool) -> None:
    with socket.create_connection((host, port), timeout=_REACH_S) as connection:
        if tls:
            from wooshq_worker.api.transport import trusted

            trusted().wrap_socket(connection, server_hostname=host).close()


def _within(limit_s: float, do: Callable[[], T]) -> T:
    """What `do` returns or raises. After `limit_s` raises TimeoutError, and `do` is left to itself: a name server may hang for ever."""
    returned: list[T] = []
    raised: list[Exception] = []

    def run() -> None:
        try:
            returned.append(do())
        except Exception as error:
            raised.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(limit_s)
    if raised:
        raise raised[0]
    if not returned:
        raise TimeoutError
    return returned[0]
