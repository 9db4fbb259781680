"""Fetch sound from an allowed host by https, and from nowhere else.

A gateway stands inside a plant's network, so an address in a request must not reach what its sender could not
(server-side request forgery, OWASP A10:2021). The host must be on the list; the name is resolved here, every address
of it must be public or in a network on the list, and the connection goes to exactly the address that was checked.
Redirects are not followed.
"""

from __future__ import annotations

import http.client
import ipaddress
import socket
import ssl
import time
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from otoloop.serve.refusals import Refusal

TIMEOUT_S = 10.0
CHUNK = 1 << 16
PATIENCE_S = 30.0
Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_TUNNELS = tuple(ipaddress.ip_network(net) for net in ("64:ff9b::/96", "2002::/16", "2001::/32"))
"""Addresses of IPv6 that stand for one of IPv4, a private one perhaps: NAT64, 6to4, Teredo."""


@dataclass(frozen=True, slots=True)
class Allowed:
    """Host names that may be asked, and networks in which they may lie although those are not public."""

    hosts: frozenset[str]
    networks: tuple[Network, ...]

    @classmethod
    def of(cls, entries: Sequence[str]) -> Allowed:
        """Read ``serve.allow_hosts``: what parses as an address or network is one, the rest are names."""
        networks = [net for one in entries if (net := _network(one)) is not None]
        return cls(frozenset(one.lower() for one in entries if _network(one) is None), tuple(networks))

    def has(self, host: str) -> bool:
        """Whether a host may be asked: by its name, or as an address in a network of the list."""
        literal = _network(host)
        return host in self.hosts or (literal is not None and self.inside(literal.network_address))

    def inside(self, address: Address) -> bool:
        """Whether an address lies in a network of the list."""
        return any(address.version == net.version and address in net for net in self.networks)

    def reaches(self, address: Address) -> bool:
        """Whether an address may be connected to."""
        seen = getattr(address, "ipv4_mapped", None) or address
        tunnel = any(seen.version == net.version and seen in net for net in _TUNNELS)
        return self.inside(seen) or (seen.is_global and not seen.is_multicast and not tunnel)


def fetch(url: str, allowed: Allowed, max_bytes: int) -> bytes:
    """The body of an https address, at most ``max_bytes``.

    Raises:
        Refusal: the host or where it lies is not allowed, it does not answer, or it sends too much.
    """
    parts = _checked(url)
    host = (parts.hostname or "").lower()
    if not allowed.has(host):
        raise Refusal(
            400, "host_not_allowed", f"Sound is not fetched from {host!r}.", "Send the sound itself, or have the host"
            " added to serve.allow_hosts in params.yaml.", "messages",
        )  # fmt: skip
    address = _resolved(host, parts.port or 443, allowed)
    connection = _Pinned(host, parts.port or 443, address)
    try:
        return _body(connection, parts, max_bytes)
    except (OSError, http.client.HTTPException) as err:
        raise _failed(host, f"it does not answer ({type(err).__name__}: {err})") from None
    finally:
        connection.close()


def _checked(url: str) -> SplitResult:
    """The parts of an address without a name and password in it.

    Raises:
        Refusal: it is no such address.
    """
    try:
        parts = urlsplit(url)
        sound = parts.scheme == "https" and bool(parts.hostname) and parts.port != 0 and parts.username is None
    except ValueError:
        sound = False
    if not sound or any(ord(c) <= 32 or ord(c) > 126 for c in url):
        raise Refusal(
            400, "invalid_url", f"{url[:80]!r} is no https address.", "Give https://host/path, data: or s3:.",
            "messages",
        )  # fmt: skip
    return parts


def _resolved(host: str, port: int, allowed: Allowed) -> str:
    """The first address of a host, all of which may be connected to."""
    try:
        found = [str(row[4][0]) for row in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
    except (OSError, UnicodeError):
        raise _failed(host, "its name does not resolve") from None
    private = [one for one in found if not allowed.reaches(ipaddress.ip_address(one.split("%")[0]))]
    if private or not found:
        raise Refusal(
            400, "address_not_allowed", f"{host} lies at {', '.join(private)}, which is not public.",
            "Send the sound itself, or have its network added to serve.allow_hosts.", "messages",
        )  # fmt: skip
    return found[0]


class _Pinned(http.client.HTTPSConnection):
    """Connects to an address that was checked, and proves by its certificate that it is the host."""

    def __init__(self, host: str, port: int, address: str) -> None:
        self._context_of_host = ssl.create_default_context()
        super().__init__(host, port, timeout=TIMEOUT_S, context=self._context_of_host)
        self._address = address

    def connect(self) -> None:
        raw = socket.create_connection((self._address, self.port), self.timeout)
        self.sock = self._context_of_host.wrap_socket(raw, server_hostname=self.host)


def _body(connection: _Pinned, parts: SplitResult, max_bytes: int) -> bytes:
    target = parts.path or "/"
    connection.request("GET", f"{target}?{parts.query}" if parts.query else target)
    answer = connection.getresponse()
    if answer.status != 200:
        raise _failed(connection.host, f"it answers {answer.status} {answer.reason}")
    data, end = bytearray(), time.monotonic() + PATIENCE_S
    while chunk := answer.read1(CHUNK):
        data += chunk
        if len(data) > max_bytes:
            raise Refusal(
                400, "too_large", f"{connection.host} sends more than {max_bytes / 2**20:.1f} MB.",
                "Cut out the part in question.", "messages",
            )  # fmt: skip
        if time.monotonic() > end:
            raise _failed(connection.host, f"it takes more than {PATIENCE_S:.0f} s")
    return bytes(data)


def _failed(host: str, why: str) -> Refusal:
    return Refusal(400, "fetch_failed", f"{host}: {why}.", "Check the address, or send the sound itself.", "messages")


def _network(text: str) -> Network | None:
    try:
        return ipaddress.ip_network(text.strip("[]"), strict=False)
    except ValueError:
        return None
