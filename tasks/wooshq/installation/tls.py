"""
TLS to Redis: all connections with the same options share one context.

redis-py makes a context for each connection. That reads all certificates that the machine trusts: about 0.1 s (measured), in which an event loop
stands still.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final, NamedTuple

_PREFIX: Final = "ssl_"


class TlsOptions(NamedTuple):
    """The options of a context, named as in redis-py without `ssl_`."""

    cert_reqs: ssl.VerifyMode = ssl.CERT_REQUIRED
    check_hostname: bool = True
    ca_certs: str | None = None
    ca_path: str | None = None
    certfile: str | None = None
    keyfile: str | None = None
    password: str | None = None
    ciphers: str | None = None

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> TlsOptions | None:
        """Those of a redis-py connection. None if there is one that this module does not know: then redis-py makes the context."""
        own = {name.removeprefix(_PREFIX): value for name, value in options.items() if name.startswith(_PREFIX)}
        if not own.keys() <= set(cls._fields):
            return None
        required = own.get("cert_reqs", ssl.CERT_REQUIRED)
        if isinstance(required, str):
            own["cert_reqs"] = ssl.VerifyMode[f"CERT_{required.upper()}"]
        return cls(**own)

    def context(self) -> ssl.SSLContext:
        """
        The context of these options. It is made anew if a file has changed, because certificates are renewed while a process runs.

        Raises OSError (ssl.SSLError among them) if a file cannot be read or used.
        """
        return _made(self, tuple(_changed_at(path) for path in (self.ca_certs, self.ca_path, self.certfile, self.keyfile)))


@lru_cache(maxsize=16)
def _made(options: TlsOptions, _changed: tuple[int | None, ...]) -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = options.check_hostname and options.cert_reqs != ssl.CERT_NONE
    context.verify_mode = options.cert_reqs
    if options.certfile:
        context.load_cert_chain(options.certfile, options.keyfile, options.password)
    if options.ca_certs or options.ca_path:
        context.load_verify_locations(options.ca_certs, options.ca_path)
    if options.ciphers:
        context.set_ciphers(options.ciphers)
    return context


def _changed_at(path: str | None) -> int | None:
    return os.stat(path).st_mtime_ns if path else None
