"""The PROXY protocol, versions 1 and 2: how one proxy tells the next of the client that it speaks for.

Source: https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt; the chapters are named below.
"""

import ipaddress
from collections.abc import Callable
from typing import Final, NamedTuple

from proxy.config import Address, ProxyProtocolVersion

_SIGNATURE: Final = b"\r\n\r\n\0\r\nQUIT\n"
_V1_START: Final = b"PROXY "
_V1_SHORTEST: Final = len("PROXY UNKNOWN\r\n")
_V1_LONGEST: Final = 107
_V2_FIXED: Final = 16
_V2_LOCAL: Final = 0x20
_V2_PROXY: Final = 0x21
_V2_TCP: Final = {4: 0x11, 6: 0x21}
_V2_ADDRESSES: Final = {0: 0, 1: 12, 2: 36, 3: 216}
"""Bytes of the addresses by the family: unspecified, IPv4, IPv6, Unix."""

STARTS: Final = (_V1_START[:4], _SIGNATURE[:4])
"""The first bytes of a header; no packet that a MySQL client sends first begins so."""


class ProxyHeaderError(Exception):
    """Bytes that are no PROXY header; the message says why."""


class Announcement(NamedTuple):
    """The two ends of a client's connection: where it comes from, and what it connected to."""

    source: Address
    destination: Address


class HeaderReader:
    """Reads one header and never a byte past it: those behind it are the client's login, or its TLS handshake.

        v1   PROXY TCP4 192.0.2.1 198.51.100.1 56324 443 CR LF
        v2   signature (12) │ version, command (1) │ family, protocol (1) │ length (2) │ addresses │ TLVs

    Attributes:
        missing: how many bytes to read next; 0 once the header is whole.
        announcement: what the header says; None if it speaks for nobody (UNKNOWN, LOCAL, or not from TCP).
    """

    __slots__ = ("_data", "_go_on", "announcement", "missing")

    def __init__(self) -> None:
        self.missing = len(_SIGNATURE)
        self.announcement: Announcement | None = None
        self._data = bytearray()
        self._go_on: Callable[[], int] = self._start

    @property
    def begun(self) -> bool:
        """Whether there are any bytes at all."""
        return bool(self._data)

    def feed(self, data: bytes | memoryview) -> None:
        """Take at most `missing` bytes.

        Raises:
            ProxyHeaderError: they are no PROXY header.
        """
        self._data += data
        self.missing -= len(data)
        if not self.missing:
            self.missing = self._go_on()

    def _start(self) -> int:
        if self._data == _SIGNATURE:
            self._go_on = self._fixed_part
            return _V2_FIXED - len(_SIGNATURE)
        if self._data.startswith(_V1_START):
            self._go_on = self._line
            return _V1_SHORTEST - len(_SIGNATURE)
        raise ProxyHeaderError("a PROXY header was expected")

    # Version 1 (chapter 2.1): a line of text of unknown length, read as far as it must go on.

    def _line(self) -> int:
        if self._data.endswith(b"\r\n"):
            self.announcement = _read_line(bytes(self._data[:-2]))
            return 0
        more = 1 if self._data.endswith(b"\r") else 2
        if len(self._data) + more > _V1_LONGEST:
            raise ProxyHeaderError(f"a PROXY header of version 1 with more than {_V1_LONGEST} bytes")
        return more

    # Version 2 (chapter 2.2): the length stands in the fixed part.

    def _fixed_part(self) -> int:
        command, family, length = self._data[12], self._data[13], int.from_bytes(self._data[14:16], "big")
        if command not in (_V2_LOCAL, _V2_PROXY):
            raise ProxyHeaderError(f"a PROXY header with the unknown version and command 0x{command:02x}")
        needed = _V2_ADDRESSES.get(family >> 4)
        if needed is None or family & 0xF > 2:
            raise ProxyHeaderError(f"a PROXY header with the unknown family and protocol 0x{family:02x}")
        if command == _V2_PROXY and length < needed:
            raise ProxyHeaderError("a PROXY header that is too short for its addresses")
        self._go_on = self._addresses
        return length or self._addresses()

    def _addresses(self) -> int:
        command, family, addresses = self._data[12], self._data[13] >> 4, self._data[_V2_FIXED:]
        size = {1: 4, 2: 16}.get(family)
        if command == _V2_PROXY and size is not None:
            source, destination, ports = addresses[:size], addresses[size : 2 * size], addresses[2 * size :]
            self.announcement = Announcement(
                Address(str(ipaddress.ip_address(bytes(source))), int.from_bytes(ports[:2], "big")),
                Address(str(ipaddress.ip_address(bytes(destination))), int.from_bytes(ports[2:4], "big")),
            )
        return 0  # the TLVs behind the addresses are of no use here


def _read_line(line: bytes) -> Announcement | None:
    match line.split(b" "):
        case [b"PROXY", b"UNKNOWN", *_]:  # what stands behind it must be ignored
            return None
        case [b"PROXY", b"TCP4", source, destination, source_port, destination_port]:
            ip: Callable[[str], object] = ipaddress.IPv4Address
        case [b"PROXY", b"TCP6", source, destination, source_port, destination_port]:
            ip = ipaddress.IPv6Address
        case _:
            raise ProxyHeaderError("a PROXY header of version 1 without its six words")
    return Announcement(_read_address(ip, source, source_port), _read_address(ip, destination, destination_port))


def _read_address(ip: Callable[[str], object], host: bytes, port: bytes) -> Address:
    try:
        # A zone would be text of anybody's making, and says nothing on another machine.
        if b"%" in host or not port.isdigit() or len(port) > 5 or int(port) > 65535:
            raise ValueError
        return Address(str(ip(host.decode("ascii"))), int(port))
    except ValueError:
        raise ProxyHeaderError("a PROXY header of version 1 with an address that is none") from None


def proxy_header(version: ProxyProtocolVersion, announcement: Announcement | None) -> bytes:
    """Write the header to send first to a backend; None: the connection speaks for itself, or for no TCP client."""
    if version is ProxyProtocolVersion.OFF:
        return b""
    ends = None if announcement is None else _ends_of_one_family(announcement)
    if version is ProxyProtocolVersion.V1:
        return b"PROXY UNKNOWN\r\n" if ends is None else _v1(*ends)
    return _v2(*ends) if ends else _SIGNATURE + bytes((_V2_LOCAL, 0, 0, 0))


_Ip = ipaddress.IPv4Address | ipaddress.IPv6Address
_End = tuple[_Ip, int]


def _v1(source: _End, destination: _End) -> bytes:
    (source_ip, source_port), (ip, port) = source, destination
    return f"PROXY TCP{ip.version} {source_ip} {ip} {source_port} {port}\r\n".encode()


def _v2(source: _End, destination: _End) -> bytes:
    (source_ip, source_port), (ip, port) = source, destination
    addresses = source_ip.packed + ip.packed + source_port.to_bytes(2, "big") + port.to_bytes(2, "big")
    return _SIGNATURE + bytes((_V2_PROXY, _V2_TCP[ip.version])) + len(addresses).to_bytes(2, "big") + addresses


def _ends_of_one_family(announcement: Announcement) -> tuple[_End, _End]:
    source, destination = plain_ip(announcement.source.host), plain_ip(announcement.destination.host)
    if source.version != destination.version:
        source, destination = _as_ipv6(source), _as_ipv6(destination)
    return (source, announcement.source.port), (destination, announcement.destination.port)


def plain_ip(host: str) -> _Ip:
    """Read the address of a peer, without a zone; one of IPv4 that came by a socket for both families is IPv4."""
    ip = ipaddress.ip_address(host.partition("%")[0])
    return ip.ipv4_mapped or ip if isinstance(ip, ipaddress.IPv6Address) else ip


def _as_ipv6(ip: _Ip) -> _Ip:
    return ip if ip.version == 6 else ipaddress.IPv6Address(b"\0" * 10 + b"\xff\xff" + ip.packed)
