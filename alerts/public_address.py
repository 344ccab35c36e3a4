"""Looks a host name up, and refuses addresses that are not of the public internet.

A webhook's URL is somebody's input: without this it could make us call a cloud's metadata service, or whatever
listens on our own network (server-side request forgery).
"""

from __future__ import annotations

import ipaddress
import socket
from typing import Final, TypeAlias

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address

_NEVER: Final = (ipaddress.ip_network("168.63.129.16/32"), ipaddress.ip_network("192.0.0.0/24"))
"""Services of clouds for their own machines whose addresses count as public: of Azure, and of Oracle."""

_CARRIERS: Final = (ipaddress.ip_network("64:ff9b::/96"), ipaddress.ip_network("64:ff9b:1::/48"))
"""IPv6 addresses that stand for the IPv4 address in their last 32 bits (RFC 6052, RFC 8215)."""


class PrivateAddressError(Exception):
    """A host has an address that is not of the public internet."""


def public_address(host: str, port: int) -> str:
    """Return an address of a host, once all its addresses are known to be public.

    Blocks as long as the system takes to look a name up.

    Raises
    ------
    PrivateAddressError
        One of its addresses is not public.
    OSError
        The name cannot be looked up.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except UnicodeError:
        raise OSError("no name of a host") from None
    addresses = [str(entry[4][0]) for entry in found]
    if not addresses:
        raise OSError("the host has no address")
    if not all(is_public(address) for address in addresses):
        raise PrivateAddressError
    return addresses[0]


def is_public(address: str) -> bool:
    """Return whether an address, and the one that it carries inside, is of the public internet.

    Examples
    --------
    >>> is_public("93.184.215.14"), is_public("169.254.169.254"), is_public("::ffff:10.0.0.1")
    (True, False, False)
    """
    parsed = ipaddress.ip_address(address.partition("%")[0])
    return all(map(_is_open, (parsed, *_inside(parsed))))


def _is_open(address: Address) -> bool:
    return address.is_global and not address.is_multicast and not any(address in net for net in _NEVER)


def _inside(address: Address) -> list[Address]:
    """Return the IPv4 addresses that an IPv6 address stands for."""
    if isinstance(address, ipaddress.IPv4Address):
        return []
    carried = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
    if any(address in network for network in _CARRIERS):
        carried.append(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    return [each for each in carried if each is not None]
