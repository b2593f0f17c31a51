"""Where is a Redis? Reads its URL: one server, a socket, or a primary behind Sentinel. An error never shows any part of a value."""

from __future__ import annotations

import re
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple
from urllib.parse import unquote

from wooshq_schemas.validation.names import nearest

PORT: Final = 6379
SENTINEL_PORT: Final = 26379
_MOST_PORT: Final = 65_535

_SCHEMES: Final = ("redis", "rediss", "unix", "redis+socket", "sentinel")
_MASTER: Final = ("master", "master_name")
_DATABASE: Final = ("db", "virtual_host")
_NEEDS_ESCAPE: Final = {"/": "%2F", "?": "%3F", "#": "%23"}


def _is_true(value: str) -> bool:
    if value.casefold() in ("true", "yes", "on", "1"):
        return True
    if value.casefold() in ("false", "no", "off", "0"):
        return False
    raise ValueError


def _cert_reqs(value: str) -> ssl.VerifyMode:
    """In the words of redis-py (`none`) and in those of Celery (`CERT_NONE`)."""
    return ssl.VerifyMode["CERT_" + value.upper().removeprefix("CERT_")]


_TLS: Final[Mapping[str, Callable[[str], Any]]] = {
    "ssl_cert_reqs": _cert_reqs,
    "ssl_check_hostname": _is_true,
    "ssl_ca_certs": str,
    "ssl_ca_path": str,
    "ssl_certfile": str,
    "ssl_keyfile": str,
    "ssl_password": str,
    "ssl_ciphers": str,
}
"""Options of TLS, as redis-py and Celery name them."""

_OPTIONS: Final[Mapping[str, Callable[[str], Any]]] = {
    **_TLS,
    **dict.fromkeys(_DATABASE, int),
    **dict.fromkeys(_MASTER, str),
    "username": str,
    "password": str,
    "sentinel_username": str,
    "sentinel_password": str,
    "ssl": _is_true,
}


@dataclass(frozen=True)
class RedisUrl:
    """
    hosts: of Redis; of the Sentinels if `master` is set; empty for a socket. master: the name under which the Sentinels know the primary.

    tls: options of TLS by their names in redis-py; None without TLS. sentinel: user name and password of the Sentinels themselves.
    """

    hosts: tuple[tuple[str, int], ...] = ()
    path: str = ""
    db: int = 0
    username: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)
    tls: Mapping[str, Any] | None = field(default=None, repr=False)
    master: str | None = None
    sentinel: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def where(self) -> str:
        """The server, as it may be shown: without user and password."""
        if self.path:
            return self.path
        hosts = ", ".join(f"{f'[{host}]' if ':' in host else host}:{port}" for host, port in self.hosts)
        return f"{self.master} (Sentinel at {hosts})" if self.master else hosts


def is_redis_url(url: str) -> bool:
    """Whether the URL is of a kind that `redis_url` reads."""
    return "://" in url and url.partition("://")[0] in _SCHEMES


def redis_url(url: str) -> RedisUrl:
    """Read the URL. Raises ValueError, with what is wrong and how to write it."""
    scheme, _, rest = url.partition("://")
    try:
        return _read(scheme, rest)
    except ValueError as error:
        raise ValueError(to_be_escaped(rest) or str(error)) from None


def to_be_escaped(rest: str) -> str:
    """
    What to escape, if an `@` comes after the address has ended: the user or the password holds the character that ended it. "" if nothing.

    rest: a URL without its scheme.
    """
    end = re.search(r"[/?#]", rest)
    if end is None or "@" not in rest[end.start() :]:
        return ""
    found = [f"{char} as {code}" for char, code in _NEEDS_ESCAPE.items() if char in rest[: rest.rindex("@")]]
    return f"has a user or a password with a character that must be escaped. Write {', '.join(found)}"


def _read(scheme: str, rest: str) -> RedisUrl:
    if "#" in rest:
        raise ValueError("must not have a part after #. If the # belongs to a password, write it as %23")
    # Celery lists Sentinels as whole URLs: sentinel://host1;sentinel://host2
    parts = [_split(part) for part in rest.split(";sentinel://")]
    user, path = parts[0].user, next((part.path for part in parts if part.path), "")
    options = _options("&".join(part.query for part in parts if part.query))
    login: dict[str, Any] = {
        name: unquote(value) if value else options.get(name)
        for name, value in zip(("username", "password"), user.partition(":")[::2], strict=True)
    }
    db = next((options[name] for name in _DATABASE if name in options), None)
    if scheme in ("unix", "redis+socket"):
        return RedisUrl(path=unquote(f"{parts[0].hosts}/{path}"), db=db or 0, **login)
    if path and not path.isdecimal():
        raise ValueError("must end with the number of a database: /0")
    db = int(path or 0) if db is None else db
    tls = {name: value for name, value in options.items() if name in _TLS}
    hosts = ",".join(part.hosts for part in parts)
    if scheme == "sentinel":
        master = next((options[name] for name in _MASTER if options.get(name)), None)
        if master is None:
            raise ValueError("must name the primary that the Sentinels watch: sentinel://host1:26379,host2:26379/0?master=mymaster")
        return RedisUrl(
            hosts=tuple(_host(host, SENTINEL_PORT) for host in hosts.split(",")),
            db=db,
            tls=tls if options.get("ssl", bool(tls)) else None,
            master=master,
            sentinel={name: options[f"sentinel_{name}"] for name in ("username", "password") if options.get(f"sentinel_{name}")},
            **login,
        )
    if "," in hosts:
        raise ValueError("must name one host. Several hosts need sentinel://")
    if tls and scheme == "redis":
        raise ValueError("has options of TLS. Write rediss://")
    return RedisUrl(hosts=(_host(hosts, PORT),), db=db, tls=tls if scheme == "rediss" else None, **login)


class _Parts(NamedTuple):
    user: str
    hosts: str
    path: str
    query: str


def _split(rest: str) -> _Parts:
    address, _, query = rest.partition("?")
    authority, _, path = address.partition("/")
    user, _, hosts = authority.rpartition("@")
    return _Parts(user, hosts, path, query)


def _host(text: str, port: int) -> tuple[str, int]:
    found = re.fullmatch(r"(?:\[([0-9A-Fa-f:.%]+)\]|([^:\[\]\s]*))(?::(\d{1,5}))?", text)
    if found is None or not 0 < int(found[3] or port) <= _MOST_PORT:
        raise ValueError(f"must have a host as HOST or HOST:PORT, and the port must be a number from 1 to {_MOST_PORT}")
    return found[1] or unquote(found[2]) or "localhost", int(found[3] or port)


def _options(query: str) -> dict[str, Any]:
    """The options after the question mark. A name is shown only if it is one of ours: a part of a password could stand there."""
    found = {}
    for name, _, value in (part.partition("=") for part in query.split("&") if part):
        if name not in _OPTIONS:
            near = nearest(name, _OPTIONS)
            hint = f"Did you mean {near}?" if near else f"Use {', '.join(_OPTIONS)}. If an & belongs to a password, write it as %26"
            raise ValueError(f"has an option that does not exist. {hint}")
        read = _OPTIONS[name]
        try:
            found[name] = read(unquote(value))
        except (ValueError, KeyError):
            kind = {int: "a number", _is_true: "true or false", _cert_reqs: "none, optional or required"}[read]
            raise ValueError(f"has a wrong option: {name} must be {kind}") from None
    return found
