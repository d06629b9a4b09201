"""PROXY headers: read in any pieces and never past their end; what is written for them is read as the same."""

from ipaddress import ip_address

from proxy.config import Address, ProxyProtocolVersion
from proxy.net.proxy_header import Announcement, HeaderReader, ProxyHeaderError, plain_ip, proxy_header
from tests.fuzz.target import Target

VERSIONS = (ProxyProtocolVersion.V1, ProxyProtocolVersion.V2)


def check(data: bytes) -> None:
    """Read a header from the beginning of bytes, then write and read what it says."""
    reader = HeaderReader()
    try:
        size = _read(reader, data)
    except ProxyHeaderError:
        return
    if reader.missing:
        assert size == len(data)
        return
    if data.startswith(b"PROXY "):
        assert data.index(b"\r\n") == size - 2
    else:
        assert size == 16 + int.from_bytes(data[14:16], "big")
    if (said := reader.announcement) is not None:
        for version in VERSIONS:
            _check_written(version, said)


def _read(reader: HeaderReader, data: bytes) -> int:
    """Give as many bytes as are asked for, or fewer, as a socket may; return how many were."""
    at = 0
    while reader.missing and at < len(data):
        piece = data[at : at + min(reader.missing, 1 + at % 7)]
        reader.feed(piece)
        at += len(piece)
    return at


def _check_written(version: ProxyProtocolVersion, said: Announcement) -> None:
    written, reader = proxy_header(version, said), HeaderReader()
    assert _read(reader, written) == len(written)
    assert reader.missing == 0
    again = reader.announcement
    assert again is not None
    for one, other in ((said.source, again.source), (said.destination, again.destination)):
        assert str(ip_address(other.host)) == other.host
        assert (plain_ip(one.host), one.port) == (plain_ip(other.host), other.port)


_IPV4 = Announcement(Address("192.168.0.1", 56324), Address("192.168.0.11", 443))
_IPV6 = Announcement(Address("2001:db8::1", 65535), Address("::1", 1))
_MIXED = Announcement(Address("2001:db8::1", 65535), Address("192.168.0.11", 443))
_START = bytes.fromhex("0d0a0d0a000d0a515549540a")

TARGET = Target(
    check,
    seeds=(
        *(proxy_header(version, said) + b"\x03\0\0" for version in VERSIONS for said in (_IPV4, _IPV6, _MIXED, None)),
        b"PROXY UNKNOWN " + b"x" * 91 + b"\r\n",
        b"PROXY TCP6 ::ffff:192.0.2.1 ::1 1 2\r\n",
        _START + b"\x21\x11\0\x17" + bytes(12) + bytes.fromhex("030004deadbeef04000161"),
        _START + b"\x21\x31\0\xd8" + b"/run/a".ljust(108, b"\0") * 2,
        _START + b"\x20\x11\0\x03abc",
    ),
    words=(_START, b"PROXY ", b"TCP4 ", b"TCP6 ", b"UNKNOWN", b"\r\n", b"::", b"%", b"255"),
    longest=400,
)
