"""Which addresses webhooks may call: public ones, and the private ones that an installation names. Pure: nothing is looked up here."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self, TypeAlias

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

_CARRIES_IPV4: Final = tuple(ipaddress.ip_network(one) for one in ("64:ff9b::/96", "64:ff9b:1::/48"))
"""Addresses that lead to an IPv4 address behind a translator (RFC 6052, RFC 8215)."""
_EXAMPLE: Final = "Example: https://shop.example/hooks/wooshq"


@dataclass(frozen=True, slots=True)
class Allowed:
    """What an installation allows beside public addresses over https: networks, and hosts by their names. For these, plain http is allowed, too."""

    networks: Sequence[Network] = ()
    hosts: frozenset[str] = frozenset()

    @classmethod
    def read(cls, text: str) -> Self:
        """`10.0.0.0/8,hooks.internal`. Raises ValueError."""
        networks: list[Network] = []
        hosts = set()
        for one in filter(None, (part.strip().lower() for part in text.split(","))):
            try:
                networks.append(ipaddress.ip_network(one))
            except ValueError:
                if "/" in one or ":" in one or "*" in one:
                    raise ValueError("must be networks and hosts, separated by commas. Example: 10.0.0.0/8,hooks.internal") from None
                hosts.add(one)
        return cls(tuple(networks), frozenset(hosts))

    def has(self, host: str, address: Address) -> bool:
        """Whether a webhook may go to this address. host: the name that has it, or the address itself."""
        if host.lower() in self.hosts:
            return True
        real = _real(address)
        return any(real in network for network in self.networks if network.version == real.version) or _is_public(real)

    def has_plain(self, host: str, address: Address | None) -> bool:
        """Whether plain http is allowed. address: None if it is not known yet: then only hosts by their names."""
        if host.lower() in self.hosts:
            return True
        if address is None:
            return bool(self.networks)  # it is looked up, and checked, before each connection
        real = _real(address)
        return any(real in network for network in self.networks if network.version == real.version)


def _real(address: Address) -> Address:
    """The address that is reached in the end."""
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return address.ipv4_mapped
        if address.sixtofour is not None:
            return address.sixtofour
        if any(address in network for network in _CARRIES_IPV4):
            return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address


def _is_public(address: Address) -> bool:
    return address.is_global and not address.is_multicast and not (isinstance(address, ipaddress.IPv6Address) and address.is_site_local)
