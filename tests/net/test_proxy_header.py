"""The PROXY header, read at every split and written; the examples are those of HAProxy's description."""

from collections.abc import Iterator
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.config import Address, ProxyProtocolVersion
from proxy.net.proxy_header import STARTS, Announcement, HeaderReader, ProxyHeaderError, plain_ip, proxy_header

V1, V2, OFF = ProxyProtocolVersion.V1, ProxyProtocolVersion.V2, ProxyProtocolVersion.OFF
SIGNATURE = bytes.fromhex("0d0a0d0a000d0a515549540a")
IPV4 = Announcement(Address("192.168.0.1", 56324), Address("192.168.0.11", 443))
IPV6 = Announcement(Address("2001:db8::1", 65535), Address("::1", 1))
V2_IPV4 = SIGNATURE + bytes.fromhex("2111000cc0a80001c0a8000bdc0401bb")
V2_IPV6 = SIGNATURE + bytes.fromhex(f"2121002420010db8000000000000000000000001{1:032x}ffff0001")
TLVS = bytes.fromhex("030004deadbeef04000161")
LONGEST_V1 = b"PROXY UNKNOWN " + b"x" * 91 + b"\r\n"

READABLE = [
    (b"PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n", IPV4),
    (b"PROXY TCP6 2001:db8::1 ::1 65535 1\r\n", IPV6),
    (b"PROXY TCP4 1.2.3.4 5.6.7.8 0 0\r\n", Announcement(Address("1.2.3.4", 0), Address("5.6.7.8", 0))),
    (b"PROXY UNKNOWN\r\n", None),
    (b"PROXY UNKNOWN ffff::1 ffff::2 65535 65535\r\n", None),
    (LONGEST_V1, None),
    (V2_IPV4, IPV4),
    (V2_IPV6, IPV6),
    (V2_IPV4[:14] + bytes((0, 12 + len(TLVS))) + V2_IPV4[16:] + TLVS, IPV4),
    (SIGNATURE + b"\x21\x11" + (12 + 5000).to_bytes(2, "big") + V2_IPV4[16:] + bytes(5000), IPV4),
    (V2_IPV4[:13] + b"\x12" + V2_IPV4[14:], IPV4),  # as a datagram
    (SIGNATURE + b"\x20\x00\x00\x00", None),
    (SIGNATURE + b"\x20\x11\x00\x0c" + V2_IPV4[16:], None),
    (SIGNATURE + b"\x20\x11\x00\x03abc", None),
    (SIGNATURE + b"\x21\x00\x00\x00", None),
    (SIGNATURE + b"\x21\x00" + len(TLVS).to_bytes(2, "big") + TLVS, None),
    (SIGNATURE + b"\x21\x31\x00\xd8" + b"/run/a".ljust(108, b"\0") * 2, None),
]

BROKEN = [
    b"GET / HTTP/1.1\r\n",
    b"PROXY\tTCP4 1.1",
    b"proxy unknown\r\n",
    b"PROXY TCP4\r\nxxx",
    b"PROXY TCP4 1.2.3.4 5.6.7.8 1\r\n",
    b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2 3\r\n",
    b"PROXY TCP4 1.2.3.4  5.6.7.8 1 2\r\n",
    b"PROXY TCP5 1.2.3.4 5.6.7.8 1 2\r\n",
    b"PROXY UDP4 1.2.3.4 5.6.7.8 1 2\r\n",
    b"PROXY TCP4 ::1 ::1 1 2\r\n",
    b"PROXY TCP6 1.2.3.4 5.6.7.8 1 2\r\n",
    b"PROXY TCP4 1.2.3.4 5.6.7.8 65536 2\r\n",
    b"PROXY TCP4 1.2.3.4 5.6.7.8 000001 2\r\n",
    b"PROXY TCP4 1.2.3.4 5.6.7.8 -1 2\r\n",
    b"PROXY TCP4 1.2.3.4 5.6.7.8 \xb2 2\r\n",
    b"PROXY TCP4 1.2.3.4 5.6.7.8  2\r\n",
    b"PROXY TCP4 1.2.3.\xff 5.6.7.8 1 2\r\n",
    b"PROXY TCP6 fe80::1%a\nPROXY ::1 1 2\r\n",
    b"PROXY UNKNOWN" + b"x" * 93 + b"\r\n",
    b"PROXY UNKNOWN " + b"x" * 93 + b"\r",
    SIGNATURE + b"\x11\x11\x00\x0c" + bytes(12),
    SIGNATURE + b"\x22\x11\x00\x0c" + bytes(12),
    SIGNATURE + b"\x21\x41\x00\x0c" + bytes(12),
    SIGNATURE + b"\x21\x13\x00\x0c" + bytes(12),
    SIGNATURE + b"\x21\x11\x00\x0b" + bytes(11),
    SIGNATURE + b"\x21\x21\x00\x23" + bytes(35),
    SIGNATURE + b"\x21\x31\x00\xd7" + bytes(215),
    SIGNATURE[:-1] + b"\x0b" + b"\x21\x11\x00\x0c" + bytes(12),
]


def read(data: bytes, at_most: int = 1 << 16) -> tuple[Announcement | None, bytes]:
    """Read a header from a socket that gives so many bytes at a time; return what was left unread too."""
    reader = HeaderReader()
    while reader.missing:
        size = min(reader.missing, at_most)
        assert len(data) >= size, "asked for more than the header has"
        reader.feed(data[:size])
        data = data[size:]
    return reader.announcement, data


@pytest.mark.parametrize(("header", "announcement"), READABLE)
@pytest.mark.parametrize("at_most", [1, 2, 3, 11, 1 << 16])
def test_a_header_is_read_and_not_a_byte_behind_it(
    header: bytes, announcement: Announcement | None, at_most: int
) -> None:
    assert read(header, at_most) == (announcement, b"")
    assert read(header + b"\x20\0\0\x01login", at_most) == (announcement, b"\x20\0\0\x01login")


@pytest.mark.parametrize("data", BROKEN)
@pytest.mark.parametrize("at_most", [1, 1 << 16])
def test_what_is_none_is_refused(data: bytes, at_most: int) -> None:
    with pytest.raises(ProxyHeaderError):
        read(data + bytes(200), at_most)


def test_whether_it_has_begun() -> None:
    reader = HeaderReader()
    assert not reader.begun
    reader.feed(b"P")
    assert reader.begun


@given(
    st.binary(max_size=300), st.sampled_from([b"", b"PROXY ", b"PROXY TCP4 ", SIGNATURE, SIGNATURE + b"\x21\x11\0\x0c"])
)
def test_noise_is_read_or_refused(noise: bytes, start: bytes) -> None:
    reader = HeaderReader()
    data = start + noise + bytes(70_000)
    try:
        while reader.missing:
            reader.feed(data[: reader.missing])
            data = data[max(1, reader.missing) :]
    except ProxyHeaderError:
        return


def announcements() -> Iterator[Announcement]:
    hosts = ["1.2.3.4", "255.255.255.255", "::", "2001:db8::ff", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"]
    for source, destination in product(hosts, hosts):
        yield Announcement(Address(source, 65535), Address(destination, 65535))


@pytest.mark.parametrize("version", [V1, V2])
@pytest.mark.parametrize("announcement", [*announcements()], ids=str)
def test_what_is_written_can_be_read(version: ProxyProtocolVersion, announcement: Announcement) -> None:
    found, rest = read(proxy_header(version, announcement))
    assert rest == b""
    assert found is not None
    for end, wanted in ((found.source, announcement.source), (found.destination, announcement.destination)):
        assert (plain_ip(end.host), end.port) == (plain_ip(wanted.host), wanted.port)


def test_what_is_written() -> None:
    assert proxy_header(V1, IPV4) == READABLE[0][0]
    assert proxy_header(V1, IPV6) == READABLE[1][0]
    assert proxy_header(V1, None) == b"PROXY UNKNOWN\r\n"
    assert proxy_header(V2, IPV4) == V2_IPV4
    assert proxy_header(V2, IPV6) == V2_IPV6
    assert proxy_header(V2, None) == SIGNATURE + b"\x20\0\0\0"
    assert proxy_header(OFF, IPV4) == proxy_header(OFF, None) == b""


def test_a_zone_stays_here_and_ipv4_is_ipv4_again() -> None:
    mapped = Announcement(Address("::ffff:192.0.2.1", 5), Address("::ffff:192.0.2.2", 6))
    assert proxy_header(V1, mapped) == b"PROXY TCP4 192.0.2.1 192.0.2.2 5 6\r\n"
    local = Announcement(Address("fe80::1%eth0", 5), Address("fe80::2%eth0", 6))
    assert proxy_header(V1, local) == b"PROXY TCP6 fe80::1 fe80::2 5 6\r\n"


def test_how_a_header_starts() -> None:
    assert {header[:4] for header, _ in READABLE} == set(STARTS)
