"""The rules for the URL of a webhook. Pure: nothing is looked up here."""

from __future__ import annotations

import ipaddress
from typing import Final
from urllib.parse import urlsplit, urlunsplit

from wooshq.settings.allowed import Address, Allowed

MOST_URL: Final = 2000
_EXAMPLE: Final = "Example: https://shop.example/hooks/wooshq"


def as_address(host: str) -> Address | None:
    """The address that a URL has instead of a name; None for a name."""
    try:
        return ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return None


def check_url(url: str, allowed: Allowed) -> str:
    """The URL of a webhook. Raises ValueError for one that cannot be called, or would be refused whatever its name leads to."""
    if not isinstance(url, str) or not url.isascii() or not url.isprintable() or " " in url or len(url) > MOST_URL:
        raise ValueError(f"url: must be a URL of printable ASCII, with at most {MOST_URL} characters. {_EXAMPLE}")
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise ValueError(f"url: must be a URL. {_EXAMPLE}") from None
    if parts.scheme not in ("https", "http") or not host:
        raise ValueError(f"url: must begin with https:// and have a host. {_EXAMPLE}")
    if "@" in parts.netloc:
        raise ValueError("url: must not have a user or a password. The receiver recognises wooshq by the signature")
    if parts.fragment:
        raise ValueError(f"url: must not have a fragment. {_EXAMPLE}")
    address = as_address(host)
    if parts.scheme == "http" and not allowed.has_plain(host, address):
        raise ValueError("url: must begin with https://. Plain http goes only to what WOOSHQ_WEBHOOKS_ALLOW names")
    if (address is not None and not allowed.has(host, address)) or (
        host == "localhost" and not (allowed.networks or host in allowed.hosts)
    ):
        raise ValueError("url: leads to a private address. Allow it with WOOSHQ_WEBHOOKS_ALLOW, if that is meant")
    return url


def shown(url: str) -> str:
    """A URL as it may be shown: the values of its query may be secrets."""
    parts = urlsplit(url)
    if not parts.query:
        return url
    query = "&".join(f"{name}=***" if (name := part.partition("=")[0]) != part else "***" for part in parts.query.split("&"))
    return urlunsplit(parts._replace(query=query))
